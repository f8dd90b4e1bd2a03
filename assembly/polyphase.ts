import { ConvolutionShape, copyInto, shapeAt } from './lib/convolution-shape';
import {
  matricesBytes,
  matrixOffset,
  matrixRows,
  MIDDLE_BYTES,
  OUTPUTS,
  STRIDE,
  transformFilter,
  transformFilterGradient,
  transformGradients,
  transformInputs,
  transformOutputs,
  transformWindowOutputs,
  transformWindows,
  VALUES,
} from './lib/polyphase-transforms';
import { filterPanelBytes } from './lib/panel';
import { addTransposedProduct, multiplyPanels, transpose } from './matmul';

// 3x3 convolutions with stride 2 by phases and Winograd's F(4, 2). Along a side the outputs are
//
//     y[o] = x[2o] w[0] + x[2o + 2] w[2]        even inputs, two taps: F(4, 2), 5 products for 4 outputs
//          + x[2o + 1] w[1]                     odd inputs, one tap: 4 products for 4 outputs
//
// so 9 products where the direct sum has 12, and in the plane 81 for 16 outputs where it has 144. The 81 points have 36
// different filter values, so they are 36 matrix products over 1, 4 or 16 rows a tile (lib/polyphase-transforms.ts).
// The input's gradient is the same with roles changed: its rows and columns fall into phases,
//
//     dx[2j + 1 - pad…] = dy[j] w[1]        dx[2j - pad…] = dy[j] w[0] + dy[j - 1] w[2]
//
// and the filter's is the adjoint, G' (V' · Y) G. As in winograd.ts work on a batch may be cut into parts: `state` lasts
// from part to part (the filter's 36 matrices, or the sums of its gradient), `scratch` is free in between,
// [middle | padded image | whole tiles | V | O].

// @ts-ignore: decorator
@inline
function rowBytes(channels: i32): usize {
  return (<usize>(channels + (channels >= 64 ? 16 : 0))) * 4;
}

// @ts-ignore: decorator
@inline
function filterMatrix(inChannels: i32, outChannels: i32): usize {
  return filterPanelBytes(inChannels, outChannels) + 192;
}

// @ts-ignore: decorator
@inline
function filterMatrices(s: ConvolutionShape): usize {
  return (<usize>(VALUES * VALUES)) * filterMatrix(s.inChannels, s.outChannels);
}

// @ts-ignore: decorator
@inline
function over(size: i32, side: i32): i32 {
  return (size + side - 1) / side;
}

/** Images whose tiles are multiplied together: their matrices stay in the second-level cache. */
// @ts-ignore: decorator
@inline
function imagesAtOnce(batch: i32, tiles: i32, channels: i32): i32 {
  return min(batch, max(1, max(16, 1024 / channels) / tiles));
}

/** Images whose tiles are summed before they are added to the products. */
// @ts-ignore: decorator
@inline
function gradientImages(batch: i32, tiles: i32): i32 {
  return min(batch, max(1, 32 / tiles));
}

/** True where an image ends in partial tiles. */
// @ts-ignore: decorator
@inline
function hasPartial(height: i32, width: i32, side: i32): bool {
  return height % side != 0 || width % side != 0;
}

/** Bytes of an image's whole tiles: results go there first (see winograd.ts). */
// @ts-ignore: decorator
@inline
function wholeBytes(height: i32, width: i32, side: i32, channels: i32): usize {
  return (<usize>(over(height, side) * over(width, side) * side * side * channels)) * 4;
}

// @ts-ignore: decorator
@inline
function paddedBytes(tilesHigh: i32, tilesWide: i32, side: i32, channels: i32): usize {
  return (<usize>((tilesHigh * side + 1) * (tilesWide * side + 1) * channels)) * 4;
}

function multiplyMatrices(
  inputs: usize,
  inRow: usize,
  inChannels: i32,
  panels: usize,
  panelsMatrix: usize,
  outputs: usize,
  outRow: usize,
  outChannels: i32,
  used: i32,
  tiles: i32,
): void {
  for (let r = 0; r < VALUES; r++) {
    for (let c = 0; c < VALUES; c++) {
      multiplyPanels(
        inputs + matrixOffset(r, c, tiles, inRow), inRow, used * matrixRows(r, c), inChannels,
        panels + (<usize>(r * VALUES + c)) * panelsMatrix,
        outputs + matrixOffset(r, c, tiles, outRow), outRow, outChannels,
      );
    }
  }
}

/** Scratch of a pass over `tilesHigh` x `tilesWide` tiles an image, for images of `from` channels, `padded` bytes. */
function passBytes(s: ConvolutionShape, tiles: i32, padded: usize, whole: usize): usize {
  const images = max(imagesAtOnce(s.batch, tiles, s.inChannels), gradientImages(s.batch, tiles));
  return (
    MIDDLE_BYTES +
    padded +
    whole +
    matricesBytes(tiles * images, rowBytes(s.inChannels)) +
    matricesBytes(tiles * images, rowBytes(s.outChannels))
  );
}

/** Bytes of a filter's matrices, or of its gradient's sums. */
export function polyphaseState(shape: usize): usize {
  return filterMatrices(shapeAt(shape));
}

/** Bytes of scratch that any of the parts below needs. */
export function polyphaseScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const high = over(s.outHeight, OUTPUTS);
  const wide = over(s.outWidth, OUTPUTS);
  const inHigh = over(s.inHeight, OUTPUTS * STRIDE);
  const inWide = over(s.inWidth, OUTPUTS * STRIDE);
  const forward = passBytes(
    s, high * wide,
    paddedBytes(high, wide, OUTPUTS * STRIDE, s.inChannels),
    wholeBytes(s.outHeight, s.outWidth, OUTPUTS, s.outChannels),
  );
  const gradient = passBytes(
    s, inHigh * inWide,
    paddedBytes(inHigh, inWide, OUTPUTS, s.outChannels),
    wholeBytes(s.inHeight, s.inWidth, OUTPUTS * STRIDE, s.inChannels),
  );
  const taps = (<usize>(9 * s.inChannels * s.outChannels)) * 4;
  return max(MIDDLE_BYTES + taps, max(forward, gradient));
}

// ---- forward

/** Puts the filter's matrices into `state`, for `polyphaseRun`. */
export function polyphasePrepare(shape: usize, filter: usize, state: usize, scratch: usize): void {
  const s = shapeAt(shape);
  transformFilter(filter, s.inChannels, s.outChannels, state, filterMatrix(s.inChannels, s.outChannels), scratch);
}

/** As `conv2dForward`, for 3x3 filters of stride 2 without dilation and channels in multiples of eight. */
export function polyphaseRun(shape: usize, x: usize, state: usize, y: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const tilesHigh = over(s.outHeight, OUTPUTS);
  const tilesWide = over(s.outWidth, OUTPUTS);
  const imageTiles = tilesHigh * tilesWide;
  const step = imagesAtOnce(s.batch, imageTiles, s.inChannels);
  const tiles = imageTiles * step;
  const height = tilesHigh * OUTPUTS * STRIDE + 1;
  const width = tilesWide * OUTPUTS * STRIDE + 1;
  const inPixel = (<usize>s.inChannels) * 4;
  const outPixel = (<usize>s.outChannels) * 4;
  const inRow = rowBytes(s.inChannels);
  const outRow = rowBytes(s.outChannels);
  const panelsMatrix = filterMatrix(s.inChannels, s.outChannels);
  const wholeSize = wholeBytes(s.outHeight, s.outWidth, OUTPUTS, s.outChannels);
  const partial = hasPartial(s.outHeight, s.outWidth, OUTPUTS);

  const padded = scratch + MIDDLE_BYTES;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels);
  const inputs = whole + wholeSize;
  const outputs = inputs + matricesBytes(tiles, inRow);

  memory.fill(padded, 0, whole - padded);
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, s.inHeight, s.inWidth, inPixel, padded, height, width, s.padTop, s.padLeft);
      transformInputs(
        padded, tilesHigh, tilesWide, s.inChannels, inputs, inRow, image * imageTiles, tiles, scratch,
      );
      x += (<usize>(s.inHeight * s.inWidth)) * inPixel;
    }
    multiplyMatrices(
      inputs, inRow, s.inChannels, state, panelsMatrix, outputs, outRow, s.outChannels, images * imageTiles, tiles,
    );
    for (let image = 0; image < images; image++) {
      transformOutputs(
        outputs, outRow, image * imageTiles, tiles, whole, tilesHigh, tilesWide, s.outChannels, scratch,
      );
      if (partial) {
        copyInto(
          whole, tilesHigh * OUTPUTS, tilesWide * OUTPUTS, outPixel, y, s.outHeight, s.outWidth, 0, 0,
        );
      } else {
        memory.copy(y, whole, wholeSize);
      }
      y += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    }
  }
}

// ---- input gradient: tiles of 8x8 of dx, from windows of 5x5 of dy

/** Puts the filter's matrices into `state`, for `polyphaseRunGradient`: of the flipped, transposed filter. */
export function polyphasePrepareGradient(shape: usize, filter: usize, state: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const tap = (<usize>(s.inChannels * s.outChannels)) * 4;
  const turned = scratch + MIDDLE_BYTES;
  for (let i: usize = 0; i < 9; i++) {
    transpose(filter + i * tap, turned + (8 - i) * tap, s.inChannels, s.outChannels);
  }
  transformFilter(turned, s.outChannels, s.inChannels, state, filterMatrix(s.inChannels, s.outChannels), scratch);
}

/** As `conv2dInputGradient`, where `polyphaseRun` applies and padding is at most 2. */
export function polyphaseRunGradient(shape: usize, dy: usize, state: usize, dx: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const tilesHigh = over(s.inHeight, OUTPUTS * STRIDE);
  const tilesWide = over(s.inWidth, OUTPUTS * STRIDE);
  const imageTiles = tilesHigh * tilesWide;
  const step = imagesAtOnce(s.batch, imageTiles, s.inChannels);
  const tiles = imageTiles * step;
  const dxPixel = (<usize>s.inChannels) * 4;
  const dyPixel = (<usize>s.outChannels) * 4;
  const dxRow = rowBytes(s.inChannels);
  const dyRow = rowBytes(s.outChannels);
  const panelsMatrix = filterMatrix(s.inChannels, s.outChannels);
  const wholeSize = wholeBytes(s.inHeight, s.inWidth, OUTPUTS * STRIDE, s.inChannels);
  const partial = hasPartial(s.inHeight, s.inWidth, OUTPUTS * STRIDE);
  const paddedSize = paddedBytes(tilesHigh, tilesWide, OUTPUTS, s.outChannels);

  const padded = scratch + MIDDLE_BYTES;
  const whole = padded + paddedSize;
  const gradients = whole + wholeSize;
  const outputs = gradients + matricesBytes(tiles, dyRow);

  memory.fill(padded, 0, paddedSize);
  // The window of the first tile starts with the dy that reaches its first row from the last tap, or one before.
  const top = s.padTop == 0 ? 1 : 0;
  const left = s.padLeft == 0 ? 1 : 0;
  const evenTop = s.padTop & 1;
  const evenLeft = s.padLeft & 1;
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(
        dy, s.outHeight, s.outWidth, dyPixel, padded, tilesHigh * OUTPUTS + 1, tilesWide * OUTPUTS + 1, top, left,
      );
      transformWindows(
        padded, tilesHigh, tilesWide, s.outChannels, 1 - evenTop, 1 - evenLeft,
        gradients, dyRow, image * imageTiles, tiles, scratch,
      );
      dy += (<usize>(s.outHeight * s.outWidth)) * dyPixel;
    }
    multiplyMatrices(
      gradients, dyRow, s.outChannels, state, panelsMatrix, outputs, dxRow, s.inChannels, images * imageTiles, tiles,
    );
    for (let image = 0; image < images; image++) {
      transformWindowOutputs(
        outputs, dxRow, image * imageTiles, tiles, whole, tilesHigh, tilesWide, s.inChannels,
        evenTop, evenLeft, scratch,
      );
      if (partial) {
        copyInto(
          whole, tilesHigh * OUTPUTS * STRIDE, tilesWide * OUTPUTS * STRIDE, dxPixel, dx, s.inHeight, s.inWidth, 0, 0,
        );
      } else {
        memory.copy(dx, whole, wholeSize);
      }
      dx += (<usize>(s.inHeight * s.inWidth)) * dxPixel;
    }
  }
}

// ---- filter gradient

/** Adds the images' part of the filter's gradient to `state`, which starts as zeros. */
export function polyphaseAdd(shape: usize, x: usize, dy: usize, state: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const tilesHigh = over(s.outHeight, OUTPUTS);
  const tilesWide = over(s.outWidth, OUTPUTS);
  const imageTiles = tilesHigh * tilesWide;
  const step = gradientImages(s.batch, imageTiles);
  const tiles = imageTiles * step;
  const height = tilesHigh * OUTPUTS * STRIDE + 1;
  const width = tilesWide * OUTPUTS * STRIDE + 1;
  const inPixel = (<usize>s.inChannels) * 4;
  const outPixel = (<usize>s.outChannels) * 4;
  const inRow = rowBytes(s.inChannels);
  const outRow = rowBytes(s.outChannels);
  const productMatrix = filterMatrix(s.inChannels, s.outChannels);
  const wholeSize = wholeBytes(s.outHeight, s.outWidth, OUTPUTS, s.outChannels);
  const partial = hasPartial(s.outHeight, s.outWidth, OUTPUTS);

  const padded = scratch + MIDDLE_BYTES;
  const whole = padded + paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels);
  const inputs = whole + wholeSize;
  const gradients = inputs + matricesBytes(tiles, inRow);

  memory.fill(padded, 0, (partial ? inputs : whole) - padded);
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, s.inHeight, s.inWidth, inPixel, padded, height, width, s.padTop, s.padLeft);
      transformInputs(
        padded, tilesHigh, tilesWide, s.inChannels, inputs, inRow, image * imageTiles, tiles, scratch,
      );
      let source = dy;
      if (partial) {
        copyInto(
          dy, s.outHeight, s.outWidth, outPixel, whole, tilesHigh * OUTPUTS, tilesWide * OUTPUTS, 0, 0,
        );
        source = whole;
      }
      transformGradients(
        source, tilesHigh, tilesWide, s.outChannels, gradients, outRow, image * imageTiles, tiles, scratch,
      );
      x += (<usize>(s.inHeight * s.inWidth)) * inPixel;
      dy += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    }
    for (let r = 0; r < VALUES; r++) {
      for (let c = 0; c < VALUES; c++) {
        addTransposedProduct(
          inputs + matrixOffset(r, c, tiles, inRow), inRow, s.inChannels,
          gradients + matrixOffset(r, c, tiles, outRow), outRow, s.outChannels,
          images * imageTiles * matrixRows(r, c), state + (<usize>(r * VALUES + c)) * productMatrix,
        );
      }
    }
  }
}

/** The filter's gradient of the sums in `state`. */
export function polyphaseFinish(shape: usize, state: usize, dFilter: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const matrix = filterMatrix(s.inChannels, s.outChannels);
  transformFilterGradient(state, matrix, s.inChannels * s.outChannels, dFilter, scratch);
}
