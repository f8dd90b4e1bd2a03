/**
 * What becomes of the last feature map [pictures, height, width, channels]: averaged over a grid of pool x pool, then
 * whitened, then scaled to unit length. The grid's order is row-major, h[(y * pool + x) * channels + c], and its
 * regions are those of PyTorch's adaptive_avg_pool2d, which overlap where the map's size is odd.
 */
export interface ReadOut {
  readonly pool: 1 | 2;
  readonly whitening?: Whitening;
}

/** h becomes (h - mean) · matrix: mean [d], matrix [d, dimensions] row-major, with d = pool * pool * channels. */
export interface Whitening {
  readonly mean: Float32Array;
  readonly matrix: Float32Array;
  readonly dimensions: number;
}

/** Vectors shorter than this are divided by it instead of their length, so that 0 stays 0; the ONNX graph does the same. */
const LENGTH_FLOOR = 1e-12;

/** Numbers in an embedding of an encoder whose feature map has `channels` channels. */
export function readOutDimensions(readOut: ReadOut, channels: number): number {
  return readOut.whitening?.dimensions ?? readOut.pool * readOut.pool * channels;
}

/**
 * Feature maps averaged over a grid.
 *
 * @param map `shape` = [count, height, width, channels]
 * @returns [count, pool * pool * channels], in the order (y, x, channel)
 */
export function poolGrid(map: Float32Array, shape: readonly number[], pool: 1 | 2): Float32Array {
  const [count = 0, height = 0, width = 0, channels = 0] = shape;
  const pooled = new Float32Array(count * pool * pool * channels);
  const sums = new Float64Array(channels);
  let to = 0;
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < pool; y++) {
      const top = Math.floor((y * height) / pool);
      const bottom = Math.ceil(((y + 1) * height) / pool);
      for (let x = 0; x < pool; x++) {
        const left = Math.floor((x * width) / pool);
        const right = Math.ceil(((x + 1) * width) / pool);
        sums.fill(0);
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            const at = ((n * height + row) * width + column) * channels;
            for (let c = 0; c < channels; c++) sums[c]! += map[at + c]!;
          }
        }
        const area = (bottom - top) * (right - left);
        for (let c = 0; c < channels; c++) pooled[to++] = sums[c]! / area;
      }
    }
  }
  return pooled;
}

/**
 * Embeddings of unit length from pooled features: what the exported encoder computes after its pooling.
 *
 * @param features [count, width]
 * @returns [count, dimensions of the whitening, or width without one]
 */
export function applyReadOut(features: Float32Array, width: number, readOut: ReadOut): Float32Array {
  const { whitening } = readOut;
  return unitLength(whitening ? whiten(features, width, whitening) : features.slice(), whitening?.dimensions ?? width);
}

/** (features - mean) · matrix, [count, dimensions], without the scaling to unit length. */
export function whiten(features: Float32Array, width: number, whitening: Whitening): Float32Array {
  const { mean, matrix, dimensions } = whitening;
  const count = features.length / width;
  const whitened = new Float32Array(count * dimensions);
  const sums = new Float64Array(dimensions);
  for (let row = 0; row < count; row++) {
    sums.fill(0);
    for (let i = 0; i < width; i++) {
      const value = features[row * width + i]! - mean[i]!;
      if (value === 0) continue;
      const at = i * dimensions;
      for (let j = 0; j < dimensions; j++) sums[j]! += value * matrix[at + j]!;
    }
    whitened.set(sums, row * dimensions);
  }
  return whitened;
}

/** Scales rows [count, width] to unit length, in place; a row of zeros stays as it is. */
export function unitLength(rows: Float32Array, width: number): Float32Array {
  for (let at = 0; at < rows.length; at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += rows[i]! * rows[i]!;
    const length = Math.max(LENGTH_FLOOR, Math.sqrt(sum));
    for (let i = at; i < at + width; i++) rows[i]! /= length;
  }
  return rows;
}
