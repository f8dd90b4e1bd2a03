/** What assembly/encode.ts exports; `segment` is a segment block (assembly/lib/verdict.ts). */
export interface EncodeExports {
  encodeRows(
    vectors: number,
    count: number,
    dim: number,
    stride: number,
    block: number,
    rounds: number,
    signs: number,
    segment: number,
    first: number,
    rotated: number,
  ): void;
  packCodes(segment: number, first: number, count: number, stride: number, records: number): void;
  unpackCodes(records: number, segment: number, first: number, count: number, dim: number, stride: number): number;
}
