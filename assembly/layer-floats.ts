import { Layer, layerAt } from './lib/layer';
import { madd } from './lib/vector';

// Forward passes of float32 layers, one picture at a time: bias, sum, an added map and ReLU while the sum is in registers.

/** Bytes of a panel's row: eight floats. */
const ROW: usize = 32;

/**
 * Convolution, and Gemm as one of a single pixel. Weights are panels of eight output channels: eight biases, then for each
 * float of a patch its eight weights.
 */
export function convolveFloats(address: usize): void {
  const l = layerAt(address);
  const panelBytes = ROW + (<usize>(l.patchRows * l.length)) * ROW;
  const width = l.width;
  let weights = l.weights;
  let out = l.out;
  let other = l.other;
  const joined = other != 0;
  for (let panel = 0; panel < l.panels; panel++) {
    for (let y: usize = 0; y < (<usize>l.height); y++) {
      const from = l.source + y * l.sourceRow;
      const to = out + y * l.outRow;
      const beside = joined ? other + y * l.otherRow : 0;
      if (width < 4) {
        for (let x: usize = 0; x < (<usize>width); x++) {
          pixel(l, from + x * l.sourcePixel, weights, to + x * l.outPixel, joined ? beside + x * l.otherPixel : 0);
        }
        continue;
      }
      // A row's last four pixels overlap those before rather than be fewer.
      for (let x = 0; x < width; x += 4) {
        const first = <usize>min(x, width - 4);
        pixels(
          l, from + first * l.sourcePixel, weights, to + first * l.outPixel, joined ? beside + first * l.otherPixel : 0,
        );
      }
    }
    weights += panelBytes;
    out += ROW;
    if (joined) other += ROW;
  }
}

/** Four neighbouring pixels by eight channels: as many accumulators as V8 keeps in registers. */
function pixels(l: Layer, from: usize, weights: usize, to: usize, beside: usize): void {
  const bytes = (<usize>l.length) * ROW;
  const step = l.sourcePixel;
  const patchRowStep = l.patchRowStep;
  let c00 = v128.load(weights);
  let c01 = v128.load(weights, 16);
  let c10 = c00;
  let c11 = c01;
  let c20 = c00;
  let c21 = c01;
  let c30 = c00;
  let c31 = c01;
  weights += ROW;
  for (let row = l.patchRows; row > 0; row--) {
    let a0 = from;
    let a1 = a0 + step;
    let a2 = a1 + step;
    let a3 = a2 + step;
    const end = weights + bytes;
    while (weights < end) {
      const w0 = v128.load(weights);
      const w1 = v128.load(weights, 16);
      const x0 = v128.load32_splat(a0);
      c00 = madd(x0, w0, c00);
      c01 = madd(x0, w1, c01);
      const x1 = v128.load32_splat(a1);
      c10 = madd(x1, w0, c10);
      c11 = madd(x1, w1, c11);
      const x2 = v128.load32_splat(a2);
      c20 = madd(x2, w0, c20);
      c21 = madd(x2, w1, c21);
      const x3 = v128.load32_splat(a3);
      c30 = madd(x3, w0, c30);
      c31 = madd(x3, w1, c31);
      weights += ROW;
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    from += patchRowStep;
  }
  if (beside) {
    const next = l.otherPixel;
    c00 = f32x4.add(c00, v128.load(beside));
    c01 = f32x4.add(c01, v128.load(beside, 16));
    beside += next;
    c10 = f32x4.add(c10, v128.load(beside));
    c11 = f32x4.add(c11, v128.load(beside, 16));
    beside += next;
    c20 = f32x4.add(c20, v128.load(beside));
    c21 = f32x4.add(c21, v128.load(beside, 16));
    beside += next;
    c30 = f32x4.add(c30, v128.load(beside));
    c31 = f32x4.add(c31, v128.load(beside, 16));
  }
  const lowest = f32x4.splat(l.lowest);
  const outPixel = l.outPixel;
  v128.store(to, f32x4.max(c00, lowest));
  v128.store(to, f32x4.max(c01, lowest), 16);
  to += outPixel;
  v128.store(to, f32x4.max(c10, lowest));
  v128.store(to, f32x4.max(c11, lowest), 16);
  to += outPixel;
  v128.store(to, f32x4.max(c20, lowest));
  v128.store(to, f32x4.max(c21, lowest), 16);
  to += outPixel;
  v128.store(to, f32x4.max(c30, lowest));
  v128.store(to, f32x4.max(c31, lowest), 16);
}

/** One pixel by eight channels; two sums of every other float each, or the adder's latency would be waited for. */
function pixel(l: Layer, from: usize, weights: usize, to: usize, beside: usize): void {
  const bytes = (<usize>l.length) * ROW;
  let c0 = v128.load(weights);
  let c1 = v128.load(weights, 16);
  let d0 = f32x4.splat(0);
  let d1 = d0;
  weights += ROW;
  for (let row = l.patchRows; row > 0; row--) {
    let a = from;
    const end = weights + bytes;
    for (; weights + ROW < end; weights += 2 * ROW, a += 8) {
      const x0 = v128.load32_splat(a);
      c0 = madd(x0, v128.load(weights), c0);
      c1 = madd(x0, v128.load(weights, 16), c1);
      const x1 = v128.load32_splat(a, 4);
      d0 = madd(x1, v128.load(weights, 32), d0);
      d1 = madd(x1, v128.load(weights, 48), d1);
    }
    if (weights < end) {
      const x0 = v128.load32_splat(a);
      c0 = madd(x0, v128.load(weights), c0);
      c1 = madd(x0, v128.load(weights, 16), c1);
      weights += ROW;
    }
    from += l.patchRowStep;
  }
  c0 = f32x4.add(c0, d0);
  c1 = f32x4.add(c1, d1);
  if (beside) {
    c0 = f32x4.add(c0, v128.load(beside));
    c1 = f32x4.add(c1, v128.load(beside, 16));
  }
  const lowest = f32x4.splat(l.lowest);
  v128.store(to, f32x4.max(c0, lowest));
  v128.store(to, f32x4.max(c1, lowest), 16);
}

/** Depthwise convolution. Weights are panels of eight channels: eight biases, then eight weights for each pixel of a patch. */
export function depthwiseFloats(address: usize): void {
  const l = layerAt(address);
  const panelBytes = ROW + (<usize>(l.patchRows * l.length)) * ROW;
  const patchPixelStep = l.patchPixelStep;
  const lowest = f32x4.splat(l.lowest);
  for (let y: usize = 0; y < (<usize>l.height); y++) {
    for (let x: usize = 0; x < (<usize>l.width); x++) {
      let source = l.source + y * l.sourceRow + x * l.sourcePixel;
      let to = l.out + y * l.outRow + x * l.outPixel;
      let beside = l.other + y * l.otherRow + x * l.otherPixel;
      let panel = l.weights;
      for (let i = 0; i < l.panels; i++) {
        let weights = panel + ROW;
        let from = source;
        let c0 = v128.load(panel);
        let c1 = v128.load(panel, 16);
        for (let row = l.patchRows; row > 0; row--) {
          let a = from;
          for (let column = l.length; column > 0; column--) {
            c0 = madd(v128.load(a), v128.load(weights), c0);
            c1 = madd(v128.load(a, 16), v128.load(weights, 16), c1);
            weights += ROW;
            a += patchPixelStep;
          }
          from += l.patchRowStep;
        }
        if (l.other) {
          c0 = f32x4.add(c0, v128.load(beside));
          c1 = f32x4.add(c1, v128.load(beside, 16));
        }
        v128.store(to, f32x4.max(c0, lowest));
        v128.store(to, f32x4.max(c1, lowest), 16);
        panel += panelBytes;
        source += ROW;
        to += ROW;
        beside += ROW;
      }
    }
  }
}

/** Each output the average of its patch. */
export function averageFloats(address: usize): void {
  const l = layerAt(address);
  const factor = f32x4.splat(l.factor);
  const patchPixelStep = l.patchPixelStep;
  for (let y: usize = 0; y < (<usize>l.height); y++) {
    for (let x: usize = 0; x < (<usize>l.width); x++) {
      let source = l.source + y * l.sourceRow + x * l.sourcePixel;
      let to = l.out + y * l.outRow + x * l.outPixel;
      for (let i = 0; i < l.panels; i++) {
        let from = source;
        let c0 = f32x4.splat(0);
        let c1 = c0;
        for (let row = l.patchRows; row > 0; row--) {
          let a = from;
          for (let column = l.length; column > 0; column--) {
            c0 = f32x4.add(c0, v128.load(a));
            c1 = f32x4.add(c1, v128.load(a, 16));
            a += patchPixelStep;
          }
          from += l.patchRowStep;
        }
        v128.store(to, f32x4.mul(c0, factor));
        v128.store(to, f32x4.mul(c1, factor), 16);
        source += ROW;
        to += ROW;
      }
    }
  }
}

/** max(source + other, lowest), or of the source alone. */
export function joinFloats(address: usize): void {
  const l = layerAt(address);
  const lowest = f32x4.splat(l.lowest);
  for (let y: usize = 0; y < (<usize>l.height); y++) {
    for (let x: usize = 0; x < (<usize>l.width); x++) {
      let a = l.source + y * l.sourceRow + x * l.sourcePixel;
      let to = l.out + y * l.outRow + x * l.outPixel;
      const end = to + (<usize>l.panels) * ROW;
      if (l.other) {
        let b = l.other + y * l.otherRow + x * l.otherPixel;
        for (; to < end; to += 16, a += 16, b += 16) {
          v128.store(to, f32x4.max(f32x4.add(v128.load(a), v128.load(b)), lowest));
        }
      } else {
        for (; to < end; to += 16, a += 16) v128.store(to, f32x4.max(v128.load(a), lowest));
      }
    }
  }
}
