import { describe, expect, it } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { loadRetrievalKernels } from '../../src/kernels/retrieval.js';
import { codeStride, rotationShape, SEGMENT } from '../../src/kernels/retrieval-layout.js';
import { randomStream } from '../../src/random.js';
import { createRotation } from '../../src/retrieve/rotation.js';
import { Segments } from '../../src/retrieve/segments.js';
import { VECTOR_SETS, vectorsOf } from '../retrieve/vector-sets.js';

/** A rotation in float64, written as the matrix it is: signs, then entries ±1 / √block by the parity of i & j. */
function rotated(x: Float64Array, signs: Float32Array, dimension: number): Float64Array {
  const { block, rounds } = rotationShape(dimension);
  const y = x.slice();
  for (let round = 0; round < rounds; round++) {
    const at = round % 2 ? dimension - block : 0;
    const part = y.slice(at, at + block);
    for (let i = 0; i < block; i++) {
      let sum = 0;
      for (let j = 0; j < block; j++) {
        let parity = i & j;
        for (const shift of [16, 8, 4, 2, 1]) parity ^= parity >> shift;
        sum += part[j]! * Math.sign(signs[round * block + j]!) * (parity & 1 ? -1 : 1);
      }
      y[at + i] = sum / Math.sqrt(block);
    }
  }
  return y;
}

const length = (x: ArrayLike<number>): number =>
  Math.sqrt(Array.from(x).reduce((sum, value) => sum + value * value, 0));

describe.each(SIMD_TIERS)('codes, %s', (tier) => {
  it.each([1, 2, 3, 4, 7, 8, 21, 64, 100, 128])('rotate as the matrix does, at %i dimensions', async (dimension) => {
    const kernels = await loadRetrievalKernels({ tier });
    const segments = new Segments(kernels, { dimension, stride: codeStride(dimension), l2: false, outside: true });
    const { block, rounds, signs, scratch } = createRotation(segments, 3);
    const turn = new Float32Array(segments.memory, signs, rounds * block).slice();
    if (dimension > 8) expect(new Set(turn.map(Math.sign)).size).toBe(2);
    const random = randomStream(31, dimension);
    const x = Float32Array.from({ length: dimension }, () => random.normal());
    new Float32Array(segments.memory, scratch, dimension).set(x);
    kernels.exports.rotate(scratch, dimension, block, rounds, signs);
    const y = new Float32Array(segments.memory, scratch, dimension);
    const exact = rotated(Float64Array.from(x), turn, dimension);
    const bound = rounds * (Math.log2(block) + 2) * 2 ** -24 * length(x);
    expect(length(y.map((value, j) => value - exact[j]!))).toBeLessThanOrEqual(bound);
    expect(Math.abs(length(exact) - length(x))).toBeLessThan(1e-12);
  });

  it.each(Object.keys(VECTOR_SETS))('keep within their bounds: %s', async (name) => {
    const kernels = await loadRetrievalKernels({ tier });
    for (const dimension of [1, 17, 64, 130]) {
      const stride = codeStride(dimension);
      const segments = new Segments(kernels, { dimension, stride, l2: true, outside: false });
      const { block, rounds, signs, scratch } = createRotation(segments, 4);
      const count = 40;
      segments.reserve(count);
      const rows = vectorsOf(name, count, dimension, 32);
      const segment = segments.block(0);
      const field = (of: number): number => segments.address(segment, of);
      const vectors = field(SEGMENT.vectors);
      new Float32Array(segments.memory, vectors, rows.length).set(rows);
      kernels.exports.encodeRows(vectors, count, dimension, stride, block, rounds, signs, segment, 0, scratch);
      const codes = new Int8Array(segments.memory, field(SEGMENT.codes), count * stride);
      const [scales, errors, norms, offsets] = [SEGMENT.scales, SEGMENT.errors, SEGMENT.norms, SEGMENT.offsets].map(
        (of) => new Float32Array(segments.memory, field(of), count),
      );
      const sums = new Int32Array(segments.memory, field(SEGMENT.sums), count);
      for (let row = 0; row < count; row++) {
        const x = rows.subarray(row * dimension, (row + 1) * dimension);
        // The computed rotation, which the error is measured from.
        const y = new Float32Array(segments.memory, scratch, dimension);
        y.set(x);
        kernels.exports.rotate(scratch, dimension, block, rounds, signs);
        const code = codes.subarray(row * stride, (row + 1) * stride);
        const near = y.map((_, j) => code[j]!);
        const rest = Array.from(y, (value, j) => value - code[j]! * scales![row]!);
        expect(length(rest)).toBeLessThanOrEqual(errors![row]!);
        expect(length(x)).toBeLessThanOrEqual(norms![row]!);
        expect(length(near) * scales![row]!).toBeLessThanOrEqual(norms![row]!);
        expect(-(length(x) ** 2) / 2).toBeLessThanOrEqual(offsets![row]! + 2 ** -100);
        expect(sums[row]).toBe(16 * code.reduce((sum, value) => sum + value, 0));
        // Half a unit a component, and all components within ±127.
        if (length(x) > 1e-27) expect(errors![row]).toBeLessThan(scales![row]! * 0.5001 * Math.sqrt(dimension) + 1e-38);
        expect(code.every((value) => value >= -127)).toBe(true);
      }
    }
  });
});
