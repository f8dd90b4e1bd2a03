import { ConvolutionShape, copyInto, shapeAt } from './lib/convolution-shape';
import * as four from './lib/winograd-transforms';
import * as two from './lib/winograd-small-transforms';
import { filterPanelBytes } from './lib/panel';
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
// is about 1e-5 of the largest output. F(2x2, 3x3), 16 multiplications for 36, is as exact as a direct sum (1e-6): `side`
// is 4 or 2.
//
// Work on a batch may be cut into parts: what lasts from part to part (the filter's matrices U, or the sums of its
// gradient) is the `state`; `scratch` is free in between, [middle | padded image | whole tiles | V | O].

/** Bytes for one tile of eight channels in the middle of a transform. */
const MIDDLE: usize = 2048;

/** Bytes between the rows (tiles) of a point's matrix; from 64 channels on not a power of two, lest rows share a cache set. */
// @ts-ignore: decorator
@inline
function rowBytes(channels: i32): usize {
  return (<usize>(channels + (channels >= 64 ? 16 : 0))) * 4;
}

/** Bytes between the matrices of two points; the excess keeps the streams of writes out of one cache set. */
// @ts-ignore: decorator
@inline
function pointBytes(rows: i32, step: usize): usize {
  return (<usize>rows) * step + 192;
}

// @ts-ignore: decorator
@inline
function filterPoint(inChannels: i32, outChannels: i32): usize {
  return filterPanelBytes(inChannels, outChannels) + 192;
}

// @ts-ignore: decorator
@inline
function pointsOf(side: i32): i32 {
  return (side + 2) * (side + 2);
}

// @ts-ignore: decorator
@inline
function tilesOver(size: i32, side: i32): i32 {
  return (size + side - 1) / side;
}

/** Images whose tiles are multiplied together: V and O stay in the second-level cache, yet U is read seldom. */
// @ts-ignore: decorator
@inline
function imagesAtOnce(batch: i32, tiles: i32, channels: i32): i32 {
  return min(batch, max(1, max(32, 2048 / channels) / tiles));
}

/** The same where the products' sums are read and written once for all of them. */
// @ts-ignore: decorator
@inline
function gradientImages(batch: i32, tiles: i32): i32 {
  return min(batch, max(1, 64 / tiles));
}

// @ts-ignore: decorator
@inline
function paddedBytes(tilesHigh: i32, tilesWide: i32, side: i32, channels: i32): usize {
  return (<usize>((tilesHigh * side + 2) * (tilesWide * side + 2) * channels)) * 4;
}

/** True where an image ends in partial tiles. */
// @ts-ignore: decorator
@inline
function hasPartial(height: i32, width: i32, side: i32): bool {
  return height % side != 0 || width % side != 0;
}

/** Bytes of an image's whole tiles. */
// @ts-ignore: decorator
@inline
function wholeBytes(height: i32, width: i32, side: i32, channels: i32): usize {
  return (<usize>(tilesOver(height, side) * tilesOver(width, side) * side * side * channels)) * 4;
}

function stateBytes(shape: usize, side: i32): usize {
  const s = shapeAt(shape);
  return (<usize>pointsOf(side)) * filterPoint(s.inChannels, s.outChannels);
}

/** Scratch of any pass: of an image [height, width, channels] tiled, from images of `from` channels. */
function scratchFor(batch: i32, height: i32, width: i32, channels: i32, from: i32, side: i32): usize {
  const tilesHigh = tilesOver(height, side);
  const tilesWide = tilesOver(width, side);
  const tiles = tilesHigh * tilesWide;
  const rows =
    tiles * max(imagesAtOnce(batch, tiles, max(channels, from)), gradientImages(batch, tiles));
  return (
    MIDDLE +
    paddedBytes(tilesHigh, tilesWide, side, from) +
    wholeBytes(height, width, side, channels) +
    (<usize>pointsOf(side)) * (pointBytes(rows, rowBytes(channels)) + pointBytes(rows, rowBytes(from)))
  );
}

function scratchBytes(shape: usize, side: i32): usize {
  const s = shapeAt(shape);
  const taps = (<usize>(9 * s.inChannels * s.outChannels)) * 4;
  return max(
    MIDDLE + taps,
    max(
      scratchFor(s.batch, s.outHeight, s.outWidth, s.outChannels, s.inChannels, side),
      scratchFor(s.batch, s.inHeight, s.inWidth, s.inChannels, s.outChannels, side),
    ),
  );
}

// ---- filters

function prepare(filter: usize, inChannels: i32, outChannels: i32, panels: usize, side: i32, scratch: usize): void {
  const point = filterPoint(inChannels, outChannels);
  if (side == 4) four.transformFilter(filter, inChannels, outChannels, panels, point, scratch);
  else two.transformFilter(filter, inChannels, outChannels, panels, point, scratch);
}

/** The filter's matrices for the input's gradient: of the flipped, transposed filter. */
function prepareGradient(shape: usize, filter: usize, panels: usize, side: i32, scratch: usize): void {
  const s = shapeAt(shape);
  const tap = (<usize>(s.inChannels * s.outChannels)) * 4;
  const turned = scratch + MIDDLE;
  for (let i: usize = 0; i < 9; i++) {
    transpose(filter + i * tap, turned + (8 - i) * tap, s.inChannels, s.outChannels);
  }
  prepare(turned, s.outChannels, s.inChannels, panels, side, scratch);
}

// ---- convolution

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
  panels: usize,
  y: usize,
  side: i32,
  scratch: usize,
): void {
  const tilesHigh = tilesOver(outHeight, side);
  const tilesWide = tilesOver(outWidth, side);
  const tiles = tilesHigh * tilesWide;
  const step = imagesAtOnce(batch, tiles, max(inChannels, outChannels));
  const height = tilesHigh * side;
  const width = tilesWide * side;
  const points = <usize>pointsOf(side);
  const inPixel = (<usize>inChannels) * 4;
  const outPixel = (<usize>outChannels) * 4;
  const inRow = rowBytes(inChannels);
  const outRow = rowBytes(outChannels);
  const inPoint = pointBytes(tiles * step, inRow);
  const outPoint = pointBytes(tiles * step, outRow);
  const panelsPoint = filterPoint(inChannels, outChannels);
  const partial = hasPartial(outHeight, outWidth, side);
  const imageBytes = (<usize>(outHeight * outWidth)) * outPixel;

  const padded = scratch + MIDDLE;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, side, inChannels);
  const inputs = whole + wholeBytes(outHeight, outWidth, side, outChannels);
  const outputs = inputs + points * inPoint;

  memory.fill(padded, 0, whole - padded);
  for (let first = 0; first < batch; first += step) {
    const images = min(step, batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, inHeight, inWidth, inPixel, padded, height + 2, width + 2, padTop, padLeft);
      const rows = inputs + (<usize>(image * tiles)) * inRow;
      if (side == 4) four.transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, scratch);
      else two.transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, scratch);
      x += (<usize>(inHeight * inWidth)) * inPixel;
    }
    for (let point: usize = 0; point < points; point++) {
      multiplyPanels(
        inputs + point * inPoint, inRow, images * tiles, inChannels,
        panels + point * panelsPoint, outputs + point * outPoint, outRow, outChannels,
      );
    }
    for (let image = 0; image < images; image++) {
      const rows = outputs + (<usize>(image * tiles)) * outRow;
      if (side == 4) four.transformOutputs(rows, outRow, outPoint, whole, tilesHigh, tilesWide, outChannels, scratch);
      else two.transformOutputs(rows, outRow, outPoint, whole, tilesHigh, tilesWide, outChannels, scratch);
      // Scattered writes to memory that is not in the cache read it first; one copy of the image does not (1.7x faster).
      if (partial) copyInto(whole, height, width, outPixel, y, outHeight, outWidth, 0, 0);
      else memory.copy(y, whole, imageBytes);
      y += imageBytes;
    }
  }
}

function run(shape: usize, x: usize, panels: usize, y: usize, side: i32, scratch: usize): void {
  const s = shapeAt(shape);
  convolve(
    s.batch, s.inHeight, s.inWidth, s.inChannels, s.padTop, s.padLeft,
    s.outHeight, s.outWidth, s.outChannels, x, panels, y, side, scratch,
  );
}

function runGradient(shape: usize, dy: usize, panels: usize, dx: usize, side: i32, scratch: usize): void {
  const s = shapeAt(shape);
  convolve(
    s.batch, s.outHeight, s.outWidth, s.outChannels, 2 - s.padTop, 2 - s.padLeft,
    s.inHeight, s.inWidth, s.inChannels, dy, panels, dx, side, scratch,
  );
}

// ---- filter gradient: scratch is [middle | padded image | dy in whole tiles | V | Y]

function add(shape: usize, x: usize, dy: usize, products: usize, side: i32, scratch: usize): void {
  const s = shapeAt(shape);
  const inChannels = s.inChannels;
  const outChannels = s.outChannels;
  const tilesHigh = tilesOver(s.outHeight, side);
  const tilesWide = tilesOver(s.outWidth, side);
  const tiles = tilesHigh * tilesWide;
  const step = gradientImages(s.batch, tiles);
  const height = tilesHigh * side;
  const width = tilesWide * side;
  const points = <usize>pointsOf(side);
  const inPixel = (<usize>inChannels) * 4;
  const outPixel = (<usize>outChannels) * 4;
  const inRow = rowBytes(inChannels);
  const outRow = rowBytes(outChannels);
  const inPoint = pointBytes(tiles * step, inRow);
  const outPoint = pointBytes(tiles * step, outRow);
  const productPoint = filterPoint(inChannels, outChannels);
  const partial = hasPartial(s.outHeight, s.outWidth, side);

  const padded = scratch + MIDDLE;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, side, inChannels);
  const inputs = whole + wholeBytes(s.outHeight, s.outWidth, side, outChannels);
  const gradients = inputs + points * inPoint;

  memory.fill(padded, 0, (partial ? inputs : whole) - padded);
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, s.inHeight, s.inWidth, inPixel, padded, height + 2, width + 2, s.padTop, s.padLeft);
      const rows = inputs + (<usize>(image * tiles)) * inRow;
      if (side == 4) four.transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, scratch);
      else two.transformInputs(padded, tilesHigh, tilesWide, inChannels, rows, inRow, inPoint, scratch);
      let source = dy;
      if (partial) {
        copyInto(dy, s.outHeight, s.outWidth, outPixel, whole, height, width, 0, 0);
        source = whole;
      }
      const spread = gradients + (<usize>(image * tiles)) * outRow;
      if (side == 4) four.transformGradients(source, tilesHigh, tilesWide, outChannels, spread, outRow, outPoint, scratch);
      else two.transformGradients(source, tilesHigh, tilesWide, outChannels, spread, outRow, outPoint, scratch);
      x += (<usize>(s.inHeight * s.inWidth)) * inPixel;
      dy += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    }
    for (let point: usize = 0; point < points; point++) {
      addTransposedProduct(
        inputs + point * inPoint, inRow, inChannels,
        gradients + point * outPoint, outRow, outChannels,
        images * tiles, products + point * productPoint,
      );
    }
  }
}

function finish(shape: usize, products: usize, dFilter: usize, side: i32, scratch: usize): void {
  const s = shapeAt(shape);
  const length = s.inChannels * s.outChannels;
  const point = filterPoint(s.inChannels, s.outChannels);
  if (side == 4) four.transformFilterGradient(products, point, length, dFilter, scratch);
  else two.transformFilterGradient(products, point, length, dFilter, scratch);
}

// ---- exports: F(4x4, 3x3), then F(2x2, 3x3)

/** Bytes of a filter's matrices, or of its gradient's sums. */
export function winogradState(shape: usize): usize {
  return stateBytes(shape, 4);
}

/** Bytes of scratch that any of the parts below needs. */
export function winogradScratch(shape: usize): usize {
  return scratchBytes(shape, 4);
}

/** Puts the filter's matrices into `state`, for `winogradRun`. */
export function winogradPrepare(shape: usize, filter: usize, state: usize, scratch: usize): void {
  const s = shapeAt(shape);
  prepare(filter, s.inChannels, s.outChannels, state, 4, scratch);
}

/** Puts the filter's matrices into `state`, for `winogradRunGradient`. */
export function winogradPrepareGradient(shape: usize, filter: usize, state: usize, scratch: usize): void {
  prepareGradient(shape, filter, state, 4, scratch);
}

/** As `conv2dForward`, for 3x3 filters without stride and dilation and channels in multiples of eight. */
export function winogradRun(shape: usize, x: usize, state: usize, y: usize, scratch: usize): void {
  run(shape, x, state, y, 4, scratch);
}

/** As `conv2dInputGradient`, where `winogradRun` applies and padding is at most 2. */
export function winogradRunGradient(shape: usize, dy: usize, state: usize, dx: usize, scratch: usize): void {
  runGradient(shape, dy, state, dx, 4, scratch);
}

/** Adds the images' part of the filter's gradient to `state`, which starts as zeros. */
export function winogradAdd(shape: usize, x: usize, dy: usize, state: usize, scratch: usize): void {
  add(shape, x, dy, state, 4, scratch);
}

/** The filter's gradient of the sums in `state`. */
export function winogradFinish(shape: usize, state: usize, dFilter: usize, scratch: usize): void {
  finish(shape, state, dFilter, 4, scratch);
}

export function winogradSmallState(shape: usize): usize {
  return stateBytes(shape, 2);
}

export function winogradSmallScratch(shape: usize): usize {
  return scratchBytes(shape, 2);
}

export function winogradSmallPrepare(shape: usize, filter: usize, state: usize, scratch: usize): void {
  const s = shapeAt(shape);
  prepare(filter, s.inChannels, s.outChannels, state, 2, scratch);
}

export function winogradSmallPrepareGradient(shape: usize, filter: usize, state: usize, scratch: usize): void {
  prepareGradient(shape, filter, state, 2, scratch);
}

export function winogradSmallRun(shape: usize, x: usize, state: usize, y: usize, scratch: usize): void {
  run(shape, x, state, y, 2, scratch);
}

export function winogradSmallRunGradient(shape: usize, dy: usize, state: usize, dx: usize, scratch: usize): void {
  runGradient(shape, dy, state, dx, 2, scratch);
}

export function winogradSmallAdd(shape: usize, x: usize, dy: usize, state: usize, scratch: usize): void {
  add(shape, x, dy, state, 2, scratch);
}

export function winogradSmallFinish(shape: usize, state: usize, dFilter: usize, scratch: usize): void {
  finish(shape, state, dFilter, 2, scratch);
}
