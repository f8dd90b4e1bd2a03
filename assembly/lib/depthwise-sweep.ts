import { copyInto } from './convolution-shape';
import { madd } from './vector';

/** Pixels of a tile. */
const TILE: i32 = 4;

/** `copyInto` with each channel written `multiplier` times, pixels of `lanes` floats. */
export function spreadInto(
  source: usize,
  height: i32,
  width: i32,
  channels: i32,
  multiplier: i32,
  lanes: i32,
  target: usize,
  targetHeight: i32,
  targetWidth: i32,
  top: i32,
  left: i32,
): void {
  if (channels == lanes) {
    copyInto(source, height, width, (<usize>channels) * 4, target, targetHeight, targetWidth, top, left);
    return;
  }
  const rows = min(height, targetHeight - top);
  const columns = min(width, targetWidth - left);
  for (let y = 0; y < rows; y++) {
    let from = source + (<usize>(y * width * channels)) * 4;
    let pixel = target + (<usize>(((top + y) * targetWidth + left) * lanes)) * 4;
    for (let x = 0; x < columns; x++) {
      let to = pixel;
      for (let channel = 0; channel < channels; channel++) {
        const value = load<f32>(from);
        for (let copy = 0; copy < multiplier; copy++) {
          store<f32>(to, value);
          to += 4;
        }
        from += 4;
      }
      pixel += (<usize>lanes) * 4;
    }
  }
}

/** Copies `count` rows of `width` floats into rows of `wide`; of the longer ones the first part. */
export function resizeRows(source: usize, width: i32, target: usize, wide: i32, count: i32): void {
  const bytes = (<usize>min(width, wide)) * 4;
  for (let row = 0; row < count; row++) {
    memory.copy(target, source, bytes);
    source += (<usize>width) * 4;
    target += (<usize>wide) * 4;
  }
}

/** Stores the first `count` lanes, at most four. */
// @ts-ignore: decorator
@inline
function storeSome(address: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(address, value);
    return;
  }
  v128.store_lane<f32>(address, value, 0);
  if (count > 1) v128.store_lane<f32>(address, value, 1, 4);
  if (count > 2) v128.store_lane<f32>(address, value, 2, 8);
}

/**
 * out[y][x][channel] = sum over taps of source · weights [taps][lanes], four pixels of four channels at a time. A row's
 * last tile overlaps the one before.
 */
export function sweepDepthwise(
  source: usize,
  sourceRow: usize,
  sourcePixel: usize,
  tapRows: i32,
  tapRowStep: usize,
  tapColumns: i32,
  tapColumnStep: usize,
  weights: usize,
  lanes: i32,
  out: usize,
  outRow: usize,
  outPixel: usize,
  height: i32,
  width: i32,
  channels: i32,
): void {
  const weightStep = (<usize>lanes) * 4;
  for (let y = 0; y < height; y++) {
    for (let channel = 0; channel < channels; channel += 4) {
      const offset = (<usize>channel) * 4;
      const count = channels - channel;
      const from = source + (<usize>y) * sourceRow + offset;
      const to = out + (<usize>y) * outRow + offset;
      for (let x = 0; x < width; x += TILE) {
        let w = weights + offset;
        if (width < TILE) {
          for (let single = 0; single < width; single++) {
            let sum = f32x4.splat(0);
            let tapRow = from + (<usize>single) * sourcePixel;
            w = weights + offset;
            for (let ty = 0; ty < tapRows; ty++) {
              let p = tapRow;
              for (let tx = 0; tx < tapColumns; tx++) {
                sum = madd(v128.load(p), v128.load(w), sum);
                p += tapColumnStep;
                w += weightStep;
              }
              tapRow += tapRowStep;
            }
            storeSome(to + (<usize>single) * outPixel, sum, count);
          }
          break;
        }
        const start = <usize>min(x, width - TILE);
        let c0 = f32x4.splat(0);
        let c1 = f32x4.splat(0);
        let c2 = f32x4.splat(0);
        let c3 = f32x4.splat(0);
        let tapRow = from + start * sourcePixel;
        for (let ty = 0; ty < tapRows; ty++) {
          let p = tapRow;
          for (let tx = 0; tx < tapColumns; tx++) {
            const weight = v128.load(w);
            let q = p;
            c0 = madd(v128.load(q), weight, c0);
            q += sourcePixel;
            c1 = madd(v128.load(q), weight, c1);
            q += sourcePixel;
            c2 = madd(v128.load(q), weight, c2);
            q += sourcePixel;
            c3 = madd(v128.load(q), weight, c3);
            p += tapColumnStep;
            w += weightStep;
          }
          tapRow += tapRowStep;
        }
        let q = to + start * outPixel;
        storeSome(q, c0, count);
        q += outPixel;
        storeSome(q, c1, count);
        q += outPixel;
        storeSome(q, c2, count);
        q += outPixel;
        storeSome(q, c3, count);
      }
    }
  }
}

/** sums[lane] += sum over `width` pixels of a[pixel][lane] · b[pixel][lane]; 16 lanes at a time, then four. */
export function addRowProducts(a: usize, aStep: usize, b: usize, bytes: usize, width: i32, sums: usize): void {
  const rowBytes = (<usize>width) * bytes;
  let lane: usize = 0;
  for (; lane + 64 <= bytes; lane += 64) {
    let c0 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let c2 = f32x4.splat(0);
    let c3 = f32x4.splat(0);
    let p = a + lane;
    let q = b + lane;
    const end = q + rowBytes;
    while (q < end) {
      c0 = madd(v128.load(p), v128.load(q), c0);
      c1 = madd(v128.load(p, 16), v128.load(q, 16), c1);
      c2 = madd(v128.load(p, 32), v128.load(q, 32), c2);
      c3 = madd(v128.load(p, 48), v128.load(q, 48), c3);
      p += aStep;
      q += bytes;
    }
    const to = sums + lane;
    v128.store(to, f32x4.add(v128.load(to), c0));
    v128.store(to, f32x4.add(v128.load(to, 16), c1), 16);
    v128.store(to, f32x4.add(v128.load(to, 32), c2), 32);
    v128.store(to, f32x4.add(v128.load(to, 48), c3), 48);
  }
  for (; lane < bytes; lane += 16) {
    let c0 = f32x4.splat(0);
    let p = a + lane;
    let q = b + lane;
    const end = q + rowBytes;
    while (q < end) {
      c0 = madd(v128.load(p), v128.load(q), c0);
      p += aStep;
      q += bytes;
    }
    v128.store(sums + lane, f32x4.add(v128.load(sums + lane), c0));
  }
}
