import { codeStride, rotationShape } from '../kernels/retrieval-layout.js';
import { rotationSigns } from './rotation.js';
import type { Metric } from './vectors.js';

/** Where the fields of a code record are (assembly/encode.ts). */
const RECORD = { error: 4, norm: 8, offset: 12 } as const;
/** More than rotating a vector there and back rounds by, relative to its length, at any dimension (assembly/rotate.ts). */
const ROUNDING = 2 ** -16;

/**
 * The vectors that code records stand for: each code times its scale, rotated back. With them an index needs no float32
 * vectors; it is exact for these.
 */
export class CodeVectors {
  readonly recordBytes: number;
  readonly #dimension: number;
  readonly #head: number;
  readonly #signs: Float32Array;
  readonly #rotated: Float64Array;
  readonly #l2: boolean;

  /** @param seed of the engine that made the codes */
  constructor(dimension: number, metric: Metric, seed: number = 0) {
    this.#dimension = dimension;
    this.#l2 = metric === 'l2';
    this.#head = this.#l2 ? 16 : 12;
    this.recordBytes = this.#head + codeStride(dimension);
    this.#signs = rotationSigns(dimension, seed);
    this.#rotated = new Float64Array(dimension);
  }

  /** Writes the vector of record `row` of `records` into `into` [dimension]. */
  read(records: Uint8Array, row: number, into: Float32Array): void {
    const at = row * this.recordBytes;
    const scale = viewOf(records).getFloat32(at, true);
    const y = this.#rotated;
    for (let j = 0; j < y.length; j++) y[j] = ((records[at + this.#head + j]! << 24) >> 24) * scale;
    rotateBack(y, this.#signs);
    into.set(y);
  }

  /**
   * Makes records of other vectors those of the vectors that they stand for, in place: what bounds the difference then
   * also covers rounding, and under `l2` the offset is theirs. Returns the largest such bound: by how much the length of a
   * query times it can a score differ from that of the vector that was encoded.
   */
  adopt(records: Uint8Array): number {
    const view = viewOf(records);
    const vector = new Float32Array(this.#dimension);
    let most = 0;
    for (let row = 0, at = 0; at < records.length; row++, at += this.recordBytes) {
      const norm = view.getFloat32(at + RECORD.norm, true);
      const error = Math.fround(view.getFloat32(at + RECORD.error, true) + norm * ROUNDING);
      view.setFloat32(at + RECORD.error, error, true);
      most = Math.max(most, error);
      if (!this.#l2) continue;
      this.read(records, row, vector);
      let squared = 0;
      for (const value of vector) squared += value * value;
      // Rounded up, as `encodeRows` does.
      view.setFloat32(at + RECORD.offset, -0.5 * squared * (1 - 2 ** -19), true);
    }
    return most;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The inverse of `rotate` (assembly/rotate.ts): its rounds backwards, each the transform and then the signs. */
function rotateBack(x: Float64Array, signs: Float32Array): void {
  const { block, rounds } = rotationShape(x.length);
  for (let round = rounds - 1; round >= 0; round--) {
    const start = round % 2 === 1 ? x.length - block : 0;
    for (let half = 1; half < block; half *= 2) {
      for (let first = start; first < start + block; first += 2 * half) {
        for (let i = first; i < first + half; i++) {
          const [a, b] = [x[i]!, x[i + half]!];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    for (let j = 0; j < block; j++) x[start + j]! *= signs[round * block + j]!;
  }
}
