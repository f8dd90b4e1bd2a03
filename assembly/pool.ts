import { ConvolutionShape, shapeAt } from './lib/convolution-shape';

// Gradients of pooling on NHWC. A shape block (lib/convolution-shape) gives the sizes; filterHeight x filterWidth is the
// window, inChannels = outChannels. Windows are cut at the picture's edges.

// @ts-ignore: decorator
@inline
function firstTap(start: i32, dilation: i32): i32 {
  return start < 0 ? (-start + dilation - 1) / dilation : 0;
}

// @ts-ignore: decorator
@inline
function lastTap(start: i32, dilation: i32, size: i32, taps: i32): i32 {
  return start >= size ? 0 : min(taps, (size - 1 - start) / dilation + 1);
}

/**
 * dx of max pooling: each window's dy goes to its largest element, the first in row order of equal ones; to none where
 * all are NaN or -infinity, as on tfjs's cpu backend.
 */
export function maxPoolGradient(shape: usize, x: usize, dy: usize, dx: usize): void {
  const s = shapeAt(shape);
  const pixel = (<usize>s.inChannels) * 4;
  const row = (<usize>s.inWidth) * pixel;
  const image = (<usize>s.inHeight) * row;
  memory.fill(dx, 0, (<usize>s.batch) * image);
  for (let n = 0; n < s.batch; n++) {
    for (let oy = 0; oy < s.outHeight; oy++) {
      const top = oy * s.strideHeight - s.padTop;
      const ky0 = firstTap(top, s.dilationHeight);
      const ky1 = lastTap(top, s.dilationHeight, s.inHeight, s.filterHeight);
      for (let ox = 0; ox < s.outWidth; ox++) {
        const left = ox * s.strideWidth - s.padLeft;
        const kx0 = firstTap(left, s.dilationWidth);
        const kx1 = lastTap(left, s.dilationWidth, s.inWidth, s.filterWidth);
        if (ky0 < ky1 && kx0 < kx1) {
          const start = (<usize>(top + ky0 * s.dilationHeight)) * row + (<usize>(left + kx0 * s.dilationWidth)) * pixel;
          scatterLargest(
            s, x, dy, dx, start, ky1 - ky0, (<usize>s.dilationHeight) * row, kx1 - kx0, (<usize>s.dilationWidth) * pixel,
          );
        }
        dy += pixel;
      }
    }
    x += image;
    dx += image;
  }
}

function scatterLargest(
  s: ConvolutionShape,
  x: usize,
  dy: usize,
  dx: usize,
  start: usize,
  rows: i32,
  rowStep: usize,
  columns: i32,
  columnStep: usize,
): void {
  const channels = s.inChannels;
  let c = 0;
  for (; c + 4 <= channels; c += 4) {
    const channel = (<usize>c) * 4;
    let best = f32x4.splat(-Infinity);
    let places = i32x4.splat(-1);
    let line = start + channel;
    for (let ky = 0; ky < rows; ky++) {
      let place = line;
      for (let kx = 0; kx < columns; kx++) {
        const value = v128.load(x + place);
        const larger = f32x4.gt(value, best);
        best = v128.bitselect(value, best, larger);
        places = v128.bitselect(i32x4.splat(<i32>place), places, larger);
        place += columnStep;
      }
      line += rowStep;
    }
    const g = v128.load(dy + channel);
    addAt(dx, i32x4.extract_lane(places, 0), 0, f32x4.extract_lane(g, 0));
    addAt(dx, i32x4.extract_lane(places, 1), 4, f32x4.extract_lane(g, 1));
    addAt(dx, i32x4.extract_lane(places, 2), 8, f32x4.extract_lane(g, 2));
    addAt(dx, i32x4.extract_lane(places, 3), 12, f32x4.extract_lane(g, 3));
  }
  for (; c < channels; c++) {
    const channel = (<usize>c) * 4;
    let best: f32 = -Infinity;
    let found: i32 = -1;
    let line = start + channel;
    for (let ky = 0; ky < rows; ky++) {
      let place = line;
      for (let kx = 0; kx < columns; kx++) {
        const value = load<f32>(x + place);
        if (value > best) {
          best = value;
          found = <i32>place;
        }
        place += columnStep;
      }
      line += rowStep;
    }
    addAt(dx, found, 0, load<f32>(dy + channel));
  }
}

// @ts-ignore: decorator
@inline
function addAt(dx: usize, place: i32, lane: usize, value: f32): void {
  if (place == -1) return;
  const to = dx + <usize>place + lane;
  store<f32>(to, load<f32>(to) + value);
}

/**
 * dx of average pooling as tfjs defines it: each window's dy divided by the size of the whole window, also at the edges,
 * where the forward pass leaves padding out.
 */
export function averagePoolGradient(shape: usize, dy: usize, dx: usize): void {
  const s = shapeAt(shape);
  const pixel = (<usize>s.inChannels) * 4;
  const row = (<usize>s.inWidth) * pixel;
  const image = (<usize>s.inHeight) * row;
  const share = <f32>1 / <f32>(s.filterHeight * s.filterWidth);
  memory.fill(dx, 0, (<usize>s.batch) * image);
  for (let n = 0; n < s.batch; n++) {
    for (let oy = 0; oy < s.outHeight; oy++) {
      const top = oy * s.strideHeight - s.padTop;
      const ky0 = firstTap(top, s.dilationHeight);
      const ky1 = lastTap(top, s.dilationHeight, s.inHeight, s.filterHeight);
      for (let ox = 0; ox < s.outWidth; ox++) {
        const left = ox * s.strideWidth - s.padLeft;
        const kx0 = firstTap(left, s.dilationWidth);
        const kx1 = lastTap(left, s.dilationWidth, s.inWidth, s.filterWidth);
        for (let ky = ky0; ky < ky1; ky++) {
          const line = dx + (<usize>(top + ky * s.dilationHeight)) * row;
          for (let kx = kx0; kx < kx1; kx++) {
            addScaled(line + (<usize>(left + kx * s.dilationWidth)) * pixel, dy, share, s.inChannels);
          }
        }
        dy += pixel;
      }
    }
    dx += image;
  }
}

// @ts-ignore: decorator
@inline
function addScaled(to: usize, from: usize, factor: f32, count: i32): void {
  const scale = f32x4.splat(factor);
  const end = to + (<usize>(count & ~3)) * 4;
  while (to < end) {
    v128.store(to, f32x4.add(v128.load(to), f32x4.mul(v128.load(from), scale)));
    to += 16;
    from += 16;
  }
  for (let i = 0; i < (count & 3); i++) {
    store<f32>(to, load<f32>(to) + load<f32>(from) * factor);
    to += 4;
    from += 4;
  }
}
