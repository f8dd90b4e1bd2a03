/** What assembly/scan-floats.ts exports. */
export interface ScanFloatsExports {
  scanFloats(query: number, segment: number, first: number, end: number, masked: number): void;
  scanPanel(
    queries: number,
    queryBytes: number,
    panel: number,
    factors: number,
    thresholds: number,
    segment: number,
    first: number,
    end: number,
    masked: number,
  ): void;
}
