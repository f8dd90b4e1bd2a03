/** What assembly/scan-codes.ts exports: addresses of a query block and a segment block, a range of rows, 0 or 1. */
export interface ScanCodesExports {
  scanFine(query: number, segment: number, first: number, end: number, masked: number): void;
  scanCoarse(query: number, segment: number, first: number, end: number, masked: number): void;
  coarseDot(code: number, query: number, stride: number): number;
}
