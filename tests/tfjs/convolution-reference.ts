/** A convolution's sizes, worked out here from strides and padding and not by tfjs. */
export interface Sizes {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filter: readonly [number, number];
  readonly out: number;
  readonly stride: readonly [number, number];
  readonly dilation: number;
  readonly pad: 'same' | 'valid' | number | readonly [readonly [number, number], readonly [number, number]];
}

interface Axis {
  readonly before: number;
  readonly outputs: number;
}

function axis(size: number, filter: number, stride: number, dilation: number, pad: Sizes['pad'], which: 0 | 1): Axis {
  const reach = (filter - 1) * dilation + 1;
  if (pad === 'same') {
    const outputs = Math.ceil(size / stride);
    return { before: Math.floor(Math.max(0, (outputs - 1) * stride + reach - size) / 2), outputs };
  }
  const [before, after] = pad === 'valid' ? [0, 0] : typeof pad === 'number' ? [pad, pad] : pad[which];
  return { before, outputs: Math.floor((size + before + after - reach) / stride) + 1 };
}

export function outputSizes(s: Sizes): { rows: Axis; columns: Axis } {
  return {
    rows: axis(s.height, s.filter[0], s.stride[0], s.dilation, s.pad, 0),
    columns: axis(s.width, s.filter[1], s.stride[1], s.dilation, s.pad, 1),
  };
}

/**
 * Calls `visit` for every multiplication of a convolution with the places of its x, its filter and its y; `depthwise`
 * has filter [height, width, channels, multiplier].
 */
export function eachProduct(s: Sizes, depthwise: boolean, visit: (x: number, filter: number, y: number) => void): void {
  const { rows, columns } = outputSizes(s);
  const multiplier = s.out / s.channels;
  for (let n = 0; n < s.batch; n++)
    for (let oy = 0; oy < rows.outputs; oy++)
      for (let ox = 0; ox < columns.outputs; ox++)
        for (let ky = 0; ky < s.filter[0]; ky++)
          for (let kx = 0; kx < s.filter[1]; kx++) {
            const iy = oy * s.stride[0] + ky * s.dilation - rows.before;
            const ix = ox * s.stride[1] + kx * s.dilation - columns.before;
            if (iy < 0 || ix < 0 || iy >= s.height || ix >= s.width) continue;
            for (let c = 0; c < s.channels; c++) {
              const x = ((n * s.height + iy) * s.width + ix) * s.channels + c;
              const tap = (ky * s.filter[1] + kx) * s.channels + c;
              const y = ((n * rows.outputs + oy) * columns.outputs + ox) * s.out;
              if (depthwise) {
                for (let m = 0; m < multiplier; m++) visit(x, tap * multiplier + m, y + c * multiplier + m);
              } else {
                for (let k = 0; k < s.out; k++) visit(x, tap * s.out + k, y + k);
              }
            }
          }
}

/** Uniform numbers in (-1, 1), the same for the same seed. */
export function uniform(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}

/** The largest difference, divided by `scale`. */
export function largestError(found: ArrayLike<number>, expected: ArrayLike<number>, scale = 1): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    const error = Math.abs(found[i]! - expected[i]!) / scale;
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

/** Unit of float32 rounding. */
export const EPS: number = 2 ** -24;
