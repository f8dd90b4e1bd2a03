/** Kernels of assembly/join.ts: addresses of rows of floats, or 0 for a side that is not normalised. */
export interface JoinExports {
  joinNormed(
    a: number,
    aScale: number,
    aShift: number,
    aRelu: boolean,
    b: number,
    bScale: number,
    bShift: number,
    bRelu: boolean,
    out: number,
    rows: number,
    channels: number,
    relu: boolean,
  ): void;
}
