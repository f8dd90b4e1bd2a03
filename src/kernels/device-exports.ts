/** Functions of assembly/device.ts; all but the probe take the address of a layer (`device-layout.ts`). */
export interface DeviceExports {
  readonly memory: WebAssembly.Memory;
  probeMadd(a: number, b: number, c: number): number;
  convolveFloats(layer: number): void;
  depthwiseFloats(layer: number): void;
  averageFloats(layer: number): void;
  joinFloats(layer: number): void;
  convolveCodes(layer: number): void;
  depthwiseCodes(layer: number): void;
  addCodes(layer: number): void;
}

/** The kernels. */
export type DeviceKernel = Exclude<keyof DeviceExports, 'memory' | 'probeMadd'>;
