import type { EncoderGraph, EncoderNode, Weights } from '../../src/encoders/graph.js';
import type { ReadOut } from '../../src/encoders/readout.js';

/** A picture's feature map, height x width x channels, height = width = side, float64. */
export interface Map64 {
  readonly side: number;
  readonly channels: number;
  readonly data: Float64Array;
}

function convolve(node: Extract<EncoderNode, { op: 'conv' }>, x: Map64, weights: Weights): Map64 {
  const kernel = weights[`${node.name}.kernel`]!.data;
  const pad = (node.kernel - 1) / 2;
  const side = Math.ceil(x.side / node.stride);
  const outputs = node.outputChannels;
  const data = new Float64Array(side * side * outputs);
  for (let oy = 0; oy < side; oy++) {
    for (let ox = 0; ox < side; ox++) {
      for (let ky = 0; ky < node.kernel; ky++) {
        for (let kx = 0; kx < node.kernel; kx++) {
          const iy = oy * node.stride + ky - pad;
          const ix = ox * node.stride + kx - pad;
          if (iy < 0 || ix < 0 || iy >= x.side || ix >= x.side) continue;
          const from = (iy * x.side + ix) * x.channels;
          const to = (oy * side + ox) * outputs;
          const place = ky * node.kernel + kx;
          for (let i = 0; i < x.channels; i++) {
            const value = x.data[from + i]!;
            if (node.depthwise) data[to + i]! += value * kernel[place * x.channels + i]!;
            else {
              const row = (place * x.channels + i) * outputs;
              for (let o = 0; o < outputs; o++) data[to + o]! += value * kernel[row + o]!;
            }
          }
        }
      }
    }
  }
  return { side, channels: outputs, data };
}

/** L, a, b of bytes r, g, b: scikit-image's color.rgb2lab, D65. */
export function rgbToLab(rgb: readonly number[]): [number, number, number] {
  const linear = rgb.map((byte) => {
    const u = byte / 255;
    return u <= 0.04045 ? u / 12.92 : ((u + 0.055) / 1.055) ** 2.4;
  });
  const matrix = [
    [0.412453, 0.35758, 0.180423],
    [0.212671, 0.71516, 0.072169],
    [0.019334, 0.119193, 0.950227],
  ];
  const white = [0.95047, 1, 1.08883];
  const [x, y, z] = matrix.map((row, i) => {
    const t = row.reduce((sum, m, j) => sum + m * linear[j]!, 0) / white[i]!;
    return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
  }) as [number, number, number];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Lightness or colour of normalised pixels, scaled to -1 … 1 as in CMC's training script. */
function labMap(x: Map64, channels: 'l' | 'ab'): Map64 {
  const centre = [50, (-86.183 + 98.233) / 2, (-107.857 + 94.478) / 2];
  const deviation = [50, (86.183 + 98.233) / 2, (107.857 + 94.478) / 2];
  const data: number[] = [];
  for (let at = 0; at < x.data.length; at += 3) {
    const bytes = [0, 1, 2].map((c) => Math.min(255, Math.max(0, x.data[at + c]! * 64 + 128)));
    const lab = rgbToLab(bytes).map((value, c) => (value - centre[c]!) / deviation[c]!);
    data.push(...(channels === 'l' ? lab.slice(0, 1) : lab.slice(1)));
  }
  return { side: x.side, channels: channels === 'l' ? 1 : 2, data: Float64Array.from(data) };
}

/** The encoder's definition, one picture (uint8, size x size x 3) at a time: convolve, normalise, rectify, add. */
export function referenceMap(graph: EncoderGraph, weights: Weights, picture: Uint8Array, size: number): Map64 {
  const image = { side: size, channels: 3, data: Float64Array.from(picture, (p) => (p - 128) / 64) };
  const maps: Record<string, Map64> = { image };
  let last: Map64 = image;
  for (const node of graph.nodes) {
    if (node.op === 'conv') last = convolve(node, maps[node.input]!, weights);
    else if (node.op === 'norm') {
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(
        (part) => weights[`${node.name}.${part}`]!.data,
      ) as [Float32Array, Float32Array, Float32Array, Float32Array];
      const x = maps[node.input]!;
      const data = x.data.map((value, at) => {
        const c = at % x.channels;
        const y = ((value - mean[c]!) / Math.sqrt(variance[c]! + 1e-5)) * gamma[c]! + beta[c]!;
        return node.relu ? Math.max(0, y) : y;
      });
      last = { ...x, data };
    } else if (node.op === 'lab') last = labMap(maps[node.input]!, node.channels);
    else if (node.op === 'concat') {
      const [a, b] = node.inputs.map((name) => maps[name]!) as [Map64, Map64];
      const channels = a.channels + b.channels;
      const data = Float64Array.from({ length: a.side * a.side * channels }, (_, at) => {
        const [place, c] = [Math.floor(at / channels), at % channels];
        return c < a.channels ? a.data[place * a.channels + c]! : b.data[place * b.channels + c - a.channels]!;
      });
      last = { side: a.side, channels, data };
    } else {
      const [a, b] = node.inputs.map((name) => maps[name]!) as [Map64, Map64];
      const data = a.data.map((value, at) => (node.relu ? Math.max(0, value + b.data[at]!) : value + b.data[at]!));
      last = { ...a, data };
    }
    maps[node.name] = last;
  }
  return last;
}

/** Regions as in PyTorch's adaptive_avg_pool2d, then whitening, then unit length. */
export function referenceReadout(map: Map64, readout: ReadOut): Float64Array {
  const { pool, whitening } = readout;
  let h = new Float64Array(pool * pool * map.channels);
  const start = (i: number): number => Math.floor((i * map.side) / pool);
  const end = (i: number): number => Math.ceil(((i + 1) * map.side) / pool);
  for (let y = 0; y < pool; y++) {
    for (let x = 0; x < pool; x++) {
      const area = (end(y) - start(y)) * (end(x) - start(x));
      for (let row = start(y); row < end(y); row++) {
        for (let column = start(x); column < end(x); column++) {
          for (let c = 0; c < map.channels; c++) {
            h[(y * pool + x) * map.channels + c]! += map.data[(row * map.side + column) * map.channels + c]! / area;
          }
        }
      }
    }
  }
  if (whitening) {
    const k = whitening.dimensions;
    const centred = h.map((value, i) => value - whitening.mean[i]!);
    h = new Float64Array(k);
    centred.forEach((value, i) => {
      for (let j = 0; j < k; j++) h[j]! += value * whitening.matrix[i * k + j]!;
    });
  }
  const length = Math.sqrt(h.reduce((sum, value) => sum + value * value, 0));
  return h.map((value) => (length > 0 ? value / length : 0));
}
