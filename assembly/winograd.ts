import { ConvolutionShape, copyInto, shapeAt } from './lib/convolution-shape';
import {
  OUTPUTS,
  POINTS,
  transformFilter,
  transformFilterGradient,
  transformGradients,
  transformInputs,
  transformOutputs,
} from './lib/winograd-transforms';
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

/** Bytes for one tile of eight channels in the middle of a transform. */
const MIDDLE: usize = 2048;
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
