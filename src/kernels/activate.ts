/** Kernels of assembly/activate.ts: addresses of `length` floats each. */
export interface ActivateExports {
  addRelu(a: number, b: number, out: number, length: number): void;
  reluGradient(dy: number, y: number, out: number, length: number): void;
  /** Floats of x kept within low … high. */
  clip(x: number, out: number, length: number, low: number, high: number): void;
}
