/** Kernels of assembly/activate.ts: addresses of `length` floats each. */
export interface ActivateExports {
  addRelu(a: number, b: number, out: number, length: number): void;
  reluGradient(dy: number, y: number, out: number, length: number): void;
}
