import { ConvolutionShape, copyInto, shapeAt } from './lib/convolution-shape';
import { PANEL } from './lib/tiles';
import { madd, nmadd } from './lib/vector';
import { addTransposedProduct, multiplyPanels, transpose } from './matmul';

// 3x3 convolutions without stride by Winograd's F(4x4, 3x3) (Lavin & Gray 2016): 36 multiplications where the direct
// sum has 144. Images are cut into tiles of 4x4 outputs, each read from 6x6 inputs; both go to 36 points, where the
// convolution is one matrix product a point.
//
//     d 6x6 inputs ──B' d B──► V[36][tiles][in] ┐
//                                               ├──► O = V · U ──A' O A──► 4x4 outputs
//     g 3x3 filter ──G g G'──► U[36][in][out]   ┘
//
// The gradients are its adjoints: dx is the convolution of dy with the flipped, transposed filter; the filter's is
// G' (V' · Y) G with Y = A dy A'. NHWC makes all transforms plain vector code over channels. Rounding: the largest error
// is about 1e-5 of the largest output (a direct sum's is 1e-6).

/** Outputs and inputs along a side of a tile, points of a tile. */
const OUTPUTS: i32 = 4;
const INPUTS: i32 = 6;
const POINTS: i32 = 36;
/** Bytes for one tile of four channels in the middle of a transform. */
const MIDDLE: usize = 1024;
/** Tiles that are multiplied at a time: V and O of a block stay in the second-level cache. */
const FORWARD_FLOATS: i32 = 2048;
const GRADIENT_TILES: i32 = 64;

/** Bytes between the rows (tiles) of a point's matrix; from 64 channels on not a power of two, lest rows share a cache set. */
// @ts-ignore: decorator
@inline
function rowBytes(channels: i32): usize {
  return (<usize>(channels + (channels >= 64 ? 16 : 0))) * 4;
}

/** Bytes between the matrices of two points; the excess keeps 36 streams of writes out of one cache set. */
// @ts-ignore: decorator
@inline
function pointBytes(rows: i32, step: usize): usize {
  return (<usize>rows) * step + 192;
}

// @ts-ignore: decorator
@inline
function tilesOver(size: i32): i32 {
  return (size + OUTPUTS - 1) / OUTPUTS;
}

// ---- transforms: a pass over the tile's columns into `middle`, a pass over its rows out of it

/**
 * V: B' d B of every tile of a padded image [4 tilesHigh + 2, 4 tilesWide + 2, channels], to rows of 36 matrices.
 *
 *     B' = 4  0 -5  0  1  0
 *          0 -4 -4  1  1  0
 *          0  4 -4 -1  1  0
 *          0 -2 -1  2  1  0
 *          0  2 -1 -2  1  0
 *          0  4  0 -5  0  1
 */
function transformInputs(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  outPoint: usize,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const five = f32x4.splat(5);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS + 2)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 16) {
        let p0 = corner + channel;
        let p1 = p0 + line;
        let p2 = p1 + line;
        let p3 = p2 + line;
        let p4 = p3 + line;
        let p5 = p4 + line;
        let z = middle;
        const lastColumn = middle + INPUTS * 16;
        while (z < lastColumn) {
          const d1 = v128.load(p1);
          const d2 = v128.load(p2);
          const d3 = v128.load(p3);
          const d4 = v128.load(p4);
          const even = nmadd(d2, four, d4);
          const odd = nmadd(d1, four, d3);
          const evenHalf = f32x4.sub(d4, d2);
          const oddHalf = f32x4.sub(d3, d1);
          v128.store(z, madd(v128.load(p0), four, nmadd(d2, five, d4)));
          v128.store(z, f32x4.add(even, odd), 1 * INPUTS * 16);
          v128.store(z, f32x4.sub(even, odd), 2 * INPUTS * 16);
          v128.store(z, madd(oddHalf, two, evenHalf), 3 * INPUTS * 16);
          v128.store(z, nmadd(oddHalf, two, evenHalf), 4 * INPUTS * 16);
          v128.store(z, madd(d1, four, nmadd(d3, five, v128.load(p5))), 5 * INPUTS * 16);
          z += 16;
          p0 += pixel;
          p1 += pixel;
          p2 += pixel;
          p3 += pixel;
          p4 += pixel;
          p5 += pixel;
        }
        let o = out + channel;
        z = middle;
        const lastRow = middle + POINTS * 16;
        while (z < lastRow) {
          const d1 = v128.load(z, 16);
          const d2 = v128.load(z, 32);
          const d3 = v128.load(z, 48);
          const d4 = v128.load(z, 64);
          const even = nmadd(d2, four, d4);
          const odd = nmadd(d1, four, d3);
          const evenHalf = f32x4.sub(d4, d2);
          const oddHalf = f32x4.sub(d3, d1);
          v128.store(o, madd(v128.load(z), four, nmadd(d2, five, d4)));
          o += outPoint;
          v128.store(o, f32x4.add(even, odd));
          o += outPoint;
          v128.store(o, f32x4.sub(even, odd));
          o += outPoint;
          v128.store(o, madd(oddHalf, two, evenHalf));
          o += outPoint;
          v128.store(o, nmadd(oddHalf, two, evenHalf));
          o += outPoint;
          v128.store(o, madd(d1, four, nmadd(d3, five, v128.load(z, 80))));
          o += outPoint;
          z += INPUTS * 16;
        }
      }
      out += outRow;
    }
  }
}

/**
 * Outputs A' O A of every tile, to an image [4 tilesHigh, 4 tilesWide, channels].
 *
 *     A' = 1  1  1  1  1  0
 *          0  1 -1  2 -2  0
 *          0  1  1  4  4  0
 *          0  1 -1  8 -8  1
 */
function transformOutputs(
  source: usize,
  sourceRow: usize,
  sourcePoint: usize,
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const eight = f32x4.splat(8);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 16) {
        let q = source + channel;
        let z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * 16;
        while (z < lastRow) {
          const m0 = v128.load(q);
          q += sourcePoint;
          const m1 = v128.load(q);
          q += sourcePoint;
          const m2 = v128.load(q);
          q += sourcePoint;
          const m3 = v128.load(q);
          q += sourcePoint;
          const m4 = v128.load(q);
          q += sourcePoint;
          const m5 = v128.load(q);
          q += sourcePoint;
          const s1 = f32x4.add(m1, m2);
          const d1 = f32x4.sub(m1, m2);
          const s2 = f32x4.add(m3, m4);
          const d2 = f32x4.sub(m3, m4);
          v128.store(z, f32x4.add(f32x4.add(m0, s1), s2));
          v128.store(z, madd(d2, two, d1), 16);
          v128.store(z, madd(s2, four, s1), 32);
          v128.store(z, f32x4.add(madd(d2, eight, d1), m5), 48);
          z += OUTPUTS * 16;
        }
        let o = corner + channel;
        z = middle;
        const lastColumn = middle + OUTPUTS * 16;
        while (z < lastColumn) {
          const m1 = v128.load(z, 1 * OUTPUTS * 16);
          const m2 = v128.load(z, 2 * OUTPUTS * 16);
          const m3 = v128.load(z, 3 * OUTPUTS * 16);
          const m4 = v128.load(z, 4 * OUTPUTS * 16);
          const s1 = f32x4.add(m1, m2);
          const d1 = f32x4.sub(m1, m2);
          const s2 = f32x4.add(m3, m4);
          const d2 = f32x4.sub(m3, m4);
          let row = o;
          v128.store(row, f32x4.add(f32x4.add(v128.load(z), s1), s2));
          row += line;
          v128.store(row, madd(d2, two, d1));
          row += line;
          v128.store(row, madd(s2, four, s1));
          row += line;
          v128.store(row, f32x4.add(madd(d2, eight, d1), v128.load(z, 5 * OUTPUTS * 16)));
          o += pixel;
          z += 16;
        }
      }
      source += sourceRow;
    }
  }
}

/** Y: A dy A' of every tile of an image [4 tilesHigh, 4 tilesWide, channels]; A' is above. */
function transformGradients(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  outPoint: usize,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 16) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + OUTPUTS * 16;
        while (z < lastColumn) {
          let row = p;
          const y0 = v128.load(row);
          row += line;
          const y1 = v128.load(row);
          row += line;
          const y2 = v128.load(row);
          row += line;
          const y3 = v128.load(row);
          const even = f32x4.add(y0, y2);
          const odd = f32x4.add(y1, y3);
          const even4 = madd(y2, four, y0);
          const odd4 = madd(y3, four, y1);
          v128.store(z, y0);
          v128.store(z, f32x4.add(even, odd), 1 * OUTPUTS * 16);
          v128.store(z, f32x4.sub(even, odd), 2 * OUTPUTS * 16);
          v128.store(z, madd(odd4, two, even4), 3 * OUTPUTS * 16);
          v128.store(z, nmadd(odd4, two, even4), 4 * OUTPUTS * 16);
          v128.store(z, y3, 5 * OUTPUTS * 16);
          p += pixel;
          z += 16;
        }
        let o = out + channel;
        z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * 16;
        while (z < lastRow) {
          const y0 = v128.load(z);
          const y1 = v128.load(z, 16);
          const y2 = v128.load(z, 32);
          const y3 = v128.load(z, 48);
          const even = f32x4.add(y0, y2);
          const odd = f32x4.add(y1, y3);
          const even4 = madd(y2, four, y0);
          const odd4 = madd(y3, four, y1);
          v128.store(o, y0);
          o += outPoint;
          v128.store(o, f32x4.add(even, odd));
          o += outPoint;
          v128.store(o, f32x4.sub(even, odd));
          o += outPoint;
          v128.store(o, madd(odd4, two, even4));
          o += outPoint;
          v128.store(o, nmadd(odd4, two, even4));
          o += outPoint;
          v128.store(o, y3);
          o += outPoint;
          z += OUTPUTS * 16;
        }
      }
      out += outRow;
    }
  }
}

/**
 * U: G g G' of a filter [3, 3, in, out], as 36 matrices in panels of eight output channels (lib/panels.ts).
 *
 *     G = 1/4    0     0
 *        -1/6  -1/6  -1/6
 *        -1/6   1/6  -1/6
 *        1/24  1/12   1/6
 *        1/24 -1/12   1/6
 *          0     0     1
 */
function transformFilter(
  filter: usize,
  inChannels: i32,
  outChannels: i32,
  out: usize,
  outPoint: usize,
  middle: usize,
): void {
  const quarter = f32x4.splat(0.25);
  const sixth = f32x4.splat(1.0 / 6.0);
  const twelfth = f32x4.splat(1.0 / 12.0);
  const twentyFourth = f32x4.splat(1.0 / 24.0);
  const tap = (<usize>(inChannels * outChannels)) * 4;
  const panel = (<usize>inChannels) * (PANEL * 4);
  for (let place = 0; place < inChannels * outChannels; place += 4) {
    let p = filter + (<usize>place) * 4;
    let z = middle;
    const lastColumn = middle + 3 * 16;
    while (z < lastColumn) {
      const g0 = v128.load(p);
      const g1 = v128.load(p + 3 * tap);
      const g2 = v128.load(p + 6 * tap);
      const ends = f32x4.neg(f32x4.mul(f32x4.add(g0, g2), sixth));
      const mixed = madd(g2, sixth, f32x4.mul(g0, twentyFourth));
      v128.store(z, f32x4.mul(g0, quarter));
      v128.store(z, nmadd(g1, sixth, ends), 1 * 3 * 16);
      v128.store(z, madd(g1, sixth, ends), 2 * 3 * 16);
      v128.store(z, madd(g1, twelfth, mixed), 3 * 3 * 16);
      v128.store(z, nmadd(g1, twelfth, mixed), 4 * 3 * 16);
      v128.store(z, g2, 5 * 3 * 16);
      p += tap;
      z += 16;
    }
    const row = place / outChannels;
    const column = place - row * outChannels;
    let o = out + (<usize>(column / PANEL)) * panel + (<usize>(row * PANEL + column % PANEL)) * 4;
    z = middle;
    const lastRow = middle + INPUTS * 3 * 16;
    while (z < lastRow) {
      const g0 = v128.load(z);
      const g1 = v128.load(z, 16);
      const g2 = v128.load(z, 32);
      const ends = f32x4.neg(f32x4.mul(f32x4.add(g0, g2), sixth));
      const mixed = madd(g2, sixth, f32x4.mul(g0, twentyFourth));
      v128.store(o, f32x4.mul(g0, quarter));
      o += outPoint;
      v128.store(o, nmadd(g1, sixth, ends));
      o += outPoint;
      v128.store(o, madd(g1, sixth, ends));
      o += outPoint;
      v128.store(o, madd(g1, twelfth, mixed));
      o += outPoint;
      v128.store(o, nmadd(g1, twelfth, mixed));
      o += outPoint;
      v128.store(o, g2);
      o += outPoint;
      z += 3 * 16;
    }
  }
}

/** The filter's gradient G' D G [3, 3, length] of 36 rows of `length`; G is above. */
function transformFilterGradient(source: usize, sourcePoint: usize, length: i32, dFilter: usize, middle: usize): void {
  const quarter = f32x4.splat(0.25);
  const sixth = f32x4.splat(1.0 / 6.0);
  const twelfth = f32x4.splat(1.0 / 12.0);
  const twentyFourth = f32x4.splat(1.0 / 24.0);
  const tap = (<usize>length) * 4;
  for (let offset: usize = 0; offset < tap; offset += 16) {
    let q = source + offset;
    let z = middle;
    const lastRow = middle + INPUTS * 3 * 16;
    while (z < lastRow) {
      const m0 = v128.load(q);
      q += sourcePoint;
      const m1 = v128.load(q);
      q += sourcePoint;
      const m2 = v128.load(q);
      q += sourcePoint;
      const m3 = v128.load(q);
      q += sourcePoint;
      const m4 = v128.load(q);
      q += sourcePoint;
      const m5 = v128.load(q);
      q += sourcePoint;
      const s2 = f32x4.add(m3, m4);
      const ends = f32x4.mul(f32x4.add(m1, m2), sixth);
      v128.store(z, f32x4.sub(madd(m0, quarter, f32x4.mul(s2, twentyFourth)), ends));
      v128.store(z, nmadd(f32x4.sub(m1, m2), sixth, f32x4.mul(f32x4.sub(m3, m4), twelfth)), 16);
      v128.store(z, f32x4.add(f32x4.sub(f32x4.mul(s2, sixth), ends), m5), 32);
      z += 3 * 16;
    }
    let o = dFilter + offset;
    z = middle;
    const lastColumn = middle + 3 * 16;
    while (z < lastColumn) {
      const m1 = v128.load(z, 1 * 3 * 16);
      const m2 = v128.load(z, 2 * 3 * 16);
      const m3 = v128.load(z, 3 * 3 * 16);
      const m4 = v128.load(z, 4 * 3 * 16);
      const s2 = f32x4.add(m3, m4);
      const ends = f32x4.mul(f32x4.add(m1, m2), sixth);
      v128.store(o, f32x4.sub(madd(v128.load(z), quarter, f32x4.mul(s2, twentyFourth)), ends));
      v128.store(o + 3 * tap, nmadd(f32x4.sub(m1, m2), sixth, f32x4.mul(f32x4.sub(m3, m4), twelfth)));
      v128.store(o + 6 * tap, f32x4.add(f32x4.sub(f32x4.mul(s2, sixth), ends), v128.load(z, 5 * 3 * 16)));
      o += tap;
      z += 16;
    }
  }
}

// ---- convolution: scratch is [middle | padded image | whole tiles' output | U | V | O]

// @ts-ignore: decorator
@inline
function imagesAtOnce(batch: i32, tiles: i32, channels: i32): i32 {
  return min(batch, max(1, max(32, FORWARD_FLOATS / channels) / tiles));
}

// @ts-ignore: decorator
@inline
function paddedBytes(tilesHigh: i32, tilesWide: i32, channels: i32): usize {
  return (<usize>((tilesHigh * OUTPUTS + 2) * (tilesWide * OUTPUTS + 2) * channels)) * 4;
}

// @ts-ignore: decorator
@inline
function wholeBytes(height: i32, width: i32, channels: i32): usize {
  if (height % OUTPUTS == 0 && width % OUTPUTS == 0) return 0;
  return (<usize>(tilesOver(height) * tilesOver(width) * OUTPUTS * OUTPUTS * channels)) * 4;
}

function convolveScratch(batch: i32, inChannels: i32, outHeight: i32, outWidth: i32, outChannels: i32): usize {
  const tilesHigh = tilesOver(outHeight);
  const tilesWide = tilesOver(outWidth);
  const tiles = tilesHigh * tilesWide;
  const rows = tiles * imagesAtOnce(batch, tiles, max(inChannels, outChannels));
  const filters = pointBytes(inChannels, (<usize>outChannels) * 4);
  const points: usize =
    filters + pointBytes(rows, rowBytes(inChannels)) + pointBytes(rows, rowBytes(outChannels));
  return (
    MIDDLE +
    paddedBytes(tilesHigh, tilesWide, inChannels) +
    wholeBytes(outHeight, outWidth, outChannels) +
    (<usize>POINTS) * points
  );
}

function convolve(
  batch: i32,
  inHeight: i32,
  inWidth: i32,
  inChannels: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
  x: usize,
  filter: usize,
  y: usize,
  middle: usize,
): void {
  const tilesHigh = tilesOver(outHeight);
  const tilesWide = tilesOver(outWidth);
  const tiles = tilesHigh * tilesWide;
  const step = imagesAtOnce(batch, tiles, max(inChannels, outChannels));
  const height = tilesHigh * OUTPUTS;
  const width = tilesWide * OUTPUTS;
  const inPixel = (<usize>inChannels) * 4;
  const outPixel = (<usize>outChannels) * 4;
  const inRow = rowBytes(inChannels);
  const outRow = rowBytes(outChannels);
  const inPoint = pointBytes(tiles * step, inRow);
  const outPoint = pointBytes(tiles * step, outRow);
  const filterPoint = pointBytes(inChannels, outPixel);
  const partial = wholeBytes(outHeight, outWidth, outChannels) > 0;

  const padded = middle + MIDDLE;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, inChannels);
  const panels = whole + wholeBytes(outHeight, outWidth, outChannels);
  const inputs = panels + (<usize>POINTS) * filterPoint;
  const outputs = inputs + (<usize>POINTS) * inPoint;

  transformFilter(filter, inChannels, outChannels, panels, filterPoint, middle);
  memory.fill(padded, 0, paddedBytes(tilesHigh, tilesWide, inChannels));
  for (let first = 0; first < batch; first += step) {
    const images = min(step, batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, inHeight, inWidth, inPixel, padded, height + 2, width + 2, padTop, padLeft);
      const rows = inputs + (<usize>(image * tiles)) * inRow;
      transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, middle);
      x += (<usize>(inHeight * inWidth)) * inPixel;
    }
    for (let point: usize = 0; point < (<usize>POINTS); point++) {
      multiplyPanels(
        inputs + point * inPoint, inRow, images * tiles, inChannels,
        panels + point * filterPoint, outputs + point * outPoint, outRow, outChannels,
      );
    }
    for (let image = 0; image < images; image++) {
      const rows = outputs + (<usize>(image * tiles)) * outRow;
      transformOutputs(rows, outRow, outPoint, partial ? whole : y, tilesHigh, tilesWide, outChannels, middle);
      if (partial) copyInto(whole, height, width, outPixel, y, outHeight, outWidth, 0, 0);
      y += (<usize>(outHeight * outWidth)) * outPixel;
    }
  }
}

/** Bytes of scratch that `winogradForward` needs. */
export function winogradForwardScratch(shape: usize): usize {
  const s = shapeAt(shape);
  return convolveScratch(s.batch, s.inChannels, s.outHeight, s.outWidth, s.outChannels);
}

/** As `conv2dForward`, for 3x3 filters without stride and dilation and channels in multiples of eight. */
export function winogradForward(shape: usize, x: usize, filter: usize, y: usize, scratch: usize): void {
  const s = shapeAt(shape);
  convolve(
    s.batch, s.inHeight, s.inWidth, s.inChannels, s.padTop, s.padLeft,
    s.outHeight, s.outWidth, s.outChannels, x, filter, y, scratch,
  );
}

// @ts-ignore: decorator
@inline
function filterBytes(s: ConvolutionShape): usize {
  return (<usize>(9 * s.inChannels * s.outChannels)) * 4;
}

/** Bytes of scratch that `winogradInputGradient` needs. */
export function winogradInputGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  return filterBytes(s) + convolveScratch(s.batch, s.outChannels, s.inHeight, s.inWidth, s.inChannels);
}

/** As `conv2dInputGradient`, where `winogradForward` applies and padding is at most 2. */
export function winogradInputGradient(shape: usize, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const tap = filterBytes(s) / 9;
  for (let i: usize = 0; i < 9; i++) {
    transpose(filter + i * tap, scratch + (8 - i) * tap, s.inChannels, s.outChannels);
  }
  convolve(
    s.batch, s.outHeight, s.outWidth, s.outChannels, 2 - s.padTop, 2 - s.padLeft,
    s.inHeight, s.inWidth, s.inChannels, dy, scratch, dx, scratch + filterBytes(s),
  );
}

// ---- filter gradient: scratch is [middle | padded image | dy in whole tiles | D | V | Y]

// @ts-ignore: decorator
@inline
function gradientImages(batch: i32, tiles: i32): i32 {
  return min(batch, max(1, GRADIENT_TILES / tiles));
}

/** Bytes of scratch that `winogradFilterGradient` needs. */
export function winogradFilterGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const tilesHigh = tilesOver(s.outHeight);
  const tilesWide = tilesOver(s.outWidth);
  const rows = tilesHigh * tilesWide * gradientImages(s.batch, tilesHigh * tilesWide);
  const points: usize =
    pointBytes(s.inChannels, (<usize>s.outChannels) * 4) +
    pointBytes(rows, rowBytes(s.inChannels)) +
    pointBytes(rows, rowBytes(s.outChannels));
  return (
    MIDDLE +
    paddedBytes(tilesHigh, tilesWide, s.inChannels) +
    wholeBytes(s.outHeight, s.outWidth, s.outChannels) +
    (<usize>POINTS) * points
  );
}

/** As `conv2dFilterGradient`, where `winogradForward` applies. */
export function winogradFilterGradient(shape: usize, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const inChannels = s.inChannels;
  const outChannels = s.outChannels;
  const tilesHigh = tilesOver(s.outHeight);
  const tilesWide = tilesOver(s.outWidth);
  const tiles = tilesHigh * tilesWide;
  const step = gradientImages(s.batch, tiles);
  const height = tilesHigh * OUTPUTS;
  const width = tilesWide * OUTPUTS;
  const inPixel = (<usize>inChannels) * 4;
  const outPixel = (<usize>outChannels) * 4;
  const inRow = rowBytes(inChannels);
  const outRow = rowBytes(outChannels);
  const inPoint = pointBytes(tiles * step, inRow);
  const outPoint = pointBytes(tiles * step, outRow);
  const filterPoint = pointBytes(inChannels, outPixel);
  const wholeSize = wholeBytes(s.outHeight, s.outWidth, outChannels);

  const padded = scratch + MIDDLE;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, inChannels);
  const products = whole + wholeSize;
  const inputs = products + (<usize>POINTS) * filterPoint;
  const gradients = inputs + (<usize>POINTS) * inPoint;

  memory.fill(padded, 0, paddedBytes(tilesHigh, tilesWide, inChannels) + wholeSize + (<usize>POINTS) * filterPoint);
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, s.inHeight, s.inWidth, inPixel, padded, height + 2, width + 2, s.padTop, s.padLeft);
      const rows = inputs + (<usize>(image * tiles)) * inRow;
      transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, scratch);
      let source = dy;
      if (wholeSize > 0) {
        copyInto(dy, s.outHeight, s.outWidth, outPixel, whole, height, width, 0, 0);
        source = whole;
      }
      const gradientRows = gradients + (<usize>(image * tiles)) * outRow;
      transformGradients(source, tilesHigh, tilesWide, outChannels, gradientRows, outRow, outPoint, scratch);
      x += (<usize>(s.inHeight * s.inWidth)) * inPixel;
      dy += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    }
    for (let point: usize = 0; point < (<usize>POINTS); point++) {
      addTransposedProduct(
        inputs + point * inPoint, inRow, inChannels,
        gradients + point * outPoint, outRow, outChannels,
        images * tiles, products + point * filterPoint,
      );
    }
  }
  transformFilterGradient(products, filterPoint, inChannels * outChannels, dFilter, scratch);
}
