import { Layer, layerAt } from './lib/layer';

// Forward passes of int8 layers, equal to onnxruntime's to the bit. A map holds uint8 codes less their zero point, as i16:
// its border is 0 in any scale, and one dot takes products of pairs of i16. Sums are exact: 255 · 128 times the codes of a
// patch, with a bias of 2^30, stays within 32 bits up to 32,768 codes. Relaxed SIMD's dots of bytes would not do: one side
// has 7 bits only.
//
// A result is scale · sum, clamped to the codes there are, then rounded half to even: QLinearConv in that order, with the
// zero point left out on both sides.

/** Bytes of a panel's row: eight channels of a pair of i16, eight i32 or eight f32. */
const ROW: usize = 32;
/** Bytes of a panel's biases and scales. */
const HEAD: usize = 64;
/** Bytes of eight codes. */
const CODES: usize = 16;

/** Eight codes of eight sums. */
// @ts-ignore: decorator
@inline
function requantise(low: v128, high: v128, scales: usize, least: v128, most: v128): v128 {
  const a = f32x4.mul(f32x4.convert_i32x4_s(low), v128.load(scales));
  const b = f32x4.mul(f32x4.convert_i32x4_s(high), v128.load(scales, 16));
  return i16x8.narrow_i32x4_s(
    i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.min(f32x4.max(a, least), most))),
    i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.min(f32x4.max(b, least), most))),
  );
}

/**
 * Convolution. Weights are panels of eight output channels: eight i32 biases, eight f32 scales, then for each pair of codes
 * of a patch the eight channels' pairs of weights, i16.
 */
export function convolveCodes(address: usize): void {
  const l = layerAt(address);
  const panelBytes = HEAD + (<usize>(l.patchRows * l.length)) * ROW;
  const width = l.width;
  let weights = l.weights;
  let out = l.out;
  for (let panel = 0; panel < l.panels; panel++) {
    for (let y: usize = 0; y < (<usize>l.height); y++) {
      const from = l.source + y * l.sourceRow;
      const to = out + y * l.outRow;
      if (width < 4) {
        for (let x: usize = 0; x < (<usize>width); x++) {
          pixel(l, from + x * l.sourcePixel, weights, to + x * l.outPixel);
        }
        continue;
      }
      for (let x = 0; x < width; x += 4) {
        const first = <usize>min(x, width - 4);
        pixels(l, from + first * l.sourcePixel, weights, to + first * l.outPixel);
      }
    }
    weights += panelBytes;
    out += CODES;
  }
}

function pixels(l: Layer, from: usize, panel: usize, to: usize): void {
  const bytes = (<usize>l.length) * ROW;
  const step = l.sourcePixel;
  const patchRowStep = l.patchRowStep;
  let c00 = v128.load(panel);
  let c01 = v128.load(panel, 16);
  let c10 = c00;
  let c11 = c01;
  let c20 = c00;
  let c21 = c01;
  let c30 = c00;
  let c31 = c01;
  let weights = panel + HEAD;
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
      c00 = i32x4.add(c00, i32x4.dot_i16x8_s(x0, w0));
      c01 = i32x4.add(c01, i32x4.dot_i16x8_s(x0, w1));
      const x1 = v128.load32_splat(a1);
      c10 = i32x4.add(c10, i32x4.dot_i16x8_s(x1, w0));
      c11 = i32x4.add(c11, i32x4.dot_i16x8_s(x1, w1));
      const x2 = v128.load32_splat(a2);
      c20 = i32x4.add(c20, i32x4.dot_i16x8_s(x2, w0));
      c21 = i32x4.add(c21, i32x4.dot_i16x8_s(x2, w1));
      const x3 = v128.load32_splat(a3);
      c30 = i32x4.add(c30, i32x4.dot_i16x8_s(x3, w0));
      c31 = i32x4.add(c31, i32x4.dot_i16x8_s(x3, w1));
      weights += ROW;
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    from += patchRowStep;
  }
  const scales = panel + ROW;
  const least = f32x4.splat(l.least);
  const most = f32x4.splat(l.most);
  const outPixel = l.outPixel;
  v128.store(to, requantise(c00, c01, scales, least, most));
  to += outPixel;
  v128.store(to, requantise(c10, c11, scales, least, most));
  to += outPixel;
  v128.store(to, requantise(c20, c21, scales, least, most));
  to += outPixel;
  v128.store(to, requantise(c30, c31, scales, least, most));
}

function pixel(l: Layer, from: usize, panel: usize, to: usize): void {
  const bytes = (<usize>l.length) * ROW;
  let c0 = v128.load(panel);
  let c1 = v128.load(panel, 16);
  let weights = panel + HEAD;
  for (let row = l.patchRows; row > 0; row--) {
    let a = from;
    const end = weights + bytes;
    for (; weights < end; weights += ROW, a += 4) {
      const x = v128.load32_splat(a);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, v128.load(weights)));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x, v128.load(weights, 16)));
    }
    from += l.patchRowStep;
  }
  v128.store(to, requantise(c0, c1, panel + ROW, f32x4.splat(l.least), f32x4.splat(l.most)));
}

/**
 * Depthwise convolution. Weights are panels of eight channels: eight i32 biases, eight f32 scales, then eight i16 weights
 * for each pixel of a patch.
 */
export function depthwiseCodes(address: usize): void {
  const l = layerAt(address);
  const panelBytes = HEAD + (<usize>(l.patchRows * l.length)) * CODES;
  const patchPixelStep = l.patchPixelStep;
  const least = f32x4.splat(l.least);
  const most = f32x4.splat(l.most);
  for (let y: usize = 0; y < (<usize>l.height); y++) {
    for (let x: usize = 0; x < (<usize>l.width); x++) {
      let source = l.source + y * l.sourceRow + x * l.sourcePixel;
      let to = l.out + y * l.outRow + x * l.outPixel;
      let panel = l.weights;
      for (let i = 0; i < l.panels; i++) {
        let weights = panel + HEAD;
        let from = source;
        let c0 = v128.load(panel);
        let c1 = v128.load(panel, 16);
        for (let row = l.patchRows; row > 0; row--) {
          let a = from;
          for (let column = l.length; column > 0; column--) {
            const codes = v128.load(a);
            const w = v128.load(weights);
            c0 = i32x4.add(c0, i32x4.extmul_low_i16x8_s(codes, w));
            c1 = i32x4.add(c1, i32x4.extmul_high_i16x8_s(codes, w));
            weights += CODES;
            a += patchPixelStep;
          }
          from += l.patchRowStep;
        }
        v128.store(to, requantise(c0, c1, panel + ROW, least, most));
        panel += panelBytes;
        source += CODES;
        to += CODES;
      }
    }
  }
}

/** Of `addCodes`, behind `Layer.weights`: f64 ratios and constant, i32 zero points. */
const RATIO_A: usize = 0;
const RATIO_B: usize = 8;
const FIXED: usize = 16;
const ZERO_A: usize = 24;
const ZERO_B: usize = 28;
const ZERO_OUT: usize = 32;

/**
 * QLinearAdd: out = a · scaleA / scaleOut + (b · scaleB / scaleOut + fixed), rounded half to even and clamped, with
 * multiply-adds that round once. A product of float32 is exact in float64, so that float64 sums rounded to float32 are
 * those (but for double roundings, of odds 2^-29), on any engine.
 */
export function addCodes(address: usize): void {
  const l = layerAt(address);
  const p = l.weights;
  const ratioA = v128.load64_splat(p, RATIO_A);
  const ratioB = v128.load64_splat(p, RATIO_B);
  const fixed = v128.load64_splat(p, FIXED);
  const zeroA = i32x4.splat(load<i32>(p, ZERO_A));
  const zeroB = i32x4.splat(load<i32>(p, ZERO_B));
  const zeroOut = i32x4.splat(load<i32>(p, ZERO_OUT));
  const least = i32x4.splat(<i32>l.least);
  const most = i32x4.splat(<i32>l.most);
  for (let y: usize = 0; y < (<usize>l.height); y++) {
    for (let x: usize = 0; x < (<usize>l.width); x++) {
      let a = l.source + y * l.sourceRow + x * l.sourcePixel;
      let b = l.other + y * l.otherRow + x * l.otherPixel;
      let to = l.out + y * l.outRow + x * l.outPixel;
      const end = to + (<usize>l.panels) * CODES;
      for (; to < end; to += 8, a += 8, b += 8) {
        const codesA = i32x4.add(v128.load16x4_s(a), zeroA);
        const codesB = i32x4.add(v128.load16x4_s(b), zeroB);
        const low = sum(codesA, codesB, ratioA, ratioB, fixed);
        const high = sum(
          v128.shuffle<i64>(codesA, codesA, 1, 0), v128.shuffle<i64>(codesB, codesB, 1, 0), ratioA, ratioB, fixed,
        );
        const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(v128.shuffle<i64>(low, high, 0, 2)));
        const codes = i32x4.min_s(i32x4.max_s(i32x4.sub(rounded, zeroOut), least), most);
        v128.store64_lane(to, i16x8.narrow_i32x4_s(codes, codes), 0);
      }
    }
  }
}

/** Of the first two lanes: two float32 in the low half. */
// @ts-ignore: decorator
@inline
function sum(a: v128, b: v128, ratioA: v128, ratioB: v128, fixed: v128): v128 {
  const inner = f32x4.demote_f64x2_zero(f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(b), ratioB), fixed));
  return f32x4.demote_f64x2_zero(
    f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(a), ratioA), f64x2.promote_low_f32x4(inner)),
  );
}
