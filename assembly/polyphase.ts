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
// and the filter's is the adjoint, G' (V' · Y) G. Scratch is [middle | filter matrices | padded image | whole tiles | V | O].

// @ts-ignore: decorator
@inline
function rowBytes(channels: i32): usize {
  return (<usize>(channels + (channels >= 64 ? 16 : 0))) * 4;
}

// @ts-ignore: decorator
@inline
function filterMatrix(inChannels: i32, outChannels: i32): usize {
  return (<usize>(inChannels * outChannels)) * 4 + 192;
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

/** Bytes of whole tiles of an image where the image has partial ones. */
// @ts-ignore: decorator
@inline
function wholeBytes(height: i32, width: i32, side: i32, channels: i32): usize {
  if (height % side == 0 && width % side == 0) return 0;
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

// ---- forward

/** Bytes of scratch that `polyphaseForward` needs. */
export function polyphaseForwardScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const tilesHigh = over(s.outHeight, OUTPUTS);
  const tilesWide = over(s.outWidth, OUTPUTS);
  const tiles = tilesHigh * tilesWide * imagesAtOnce(s.batch, tilesHigh * tilesWide, s.inChannels);
  return (
    MIDDLE_BYTES +
    filterMatrices(s) +
    paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels) +
    wholeBytes(s.outHeight, s.outWidth, OUTPUTS, s.outChannels) +
    matricesBytes(tiles, rowBytes(s.inChannels)) +
    matricesBytes(tiles, rowBytes(s.outChannels))
  );
}

/** As `conv2dForward`, for 3x3 filters of stride 2 without dilation and channels in multiples of eight. */
export function polyphaseForward(shape: usize, x: usize, filter: usize, y: usize, scratch: usize): void {
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

  const panels = scratch + MIDDLE_BYTES;
  const padded = panels + filterMatrices(s);
  const whole = padded + paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels);
  const inputs = whole + wholeSize;
  const outputs = inputs + matricesBytes(tiles, inRow);

  transformFilter(filter, s.inChannels, s.outChannels, panels, panelsMatrix, scratch);
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
      inputs, inRow, s.inChannels, panels, panelsMatrix, outputs, outRow, s.outChannels, images * imageTiles, tiles,
    );
    for (let image = 0; image < images; image++) {
      const target = wholeSize > 0 ? whole : y;
      transformOutputs(
        outputs, outRow, image * imageTiles, tiles, target, tilesHigh, tilesWide, s.outChannels, scratch,
      );
      if (wholeSize > 0) {
        copyInto(
          whole, tilesHigh * OUTPUTS, tilesWide * OUTPUTS, outPixel, y, s.outHeight, s.outWidth, 0, 0,
        );
      }
      y += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    }
  }
}

// ---- input gradient: tiles of 8x8 of dx, from windows of 5x5 of dy

/** Bytes of scratch that `polyphaseInputGradient` needs. */
export function polyphaseInputGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const tilesHigh = over(s.inHeight, OUTPUTS * STRIDE);
  const tilesWide = over(s.inWidth, OUTPUTS * STRIDE);
  const tiles = tilesHigh * tilesWide * imagesAtOnce(s.batch, tilesHigh * tilesWide, s.inChannels);
  return (
    MIDDLE_BYTES +
    filterMatrices(s) +
    max(filterTaps(s), paddedBytes(tilesHigh, tilesWide, OUTPUTS, s.outChannels)) +
    wholeBytes(s.inHeight, s.inWidth, OUTPUTS * STRIDE, s.inChannels) +
    matricesBytes(tiles, rowBytes(s.inChannels)) +
    matricesBytes(tiles, rowBytes(s.outChannels))
  );
}

// @ts-ignore: decorator
@inline
function filterTaps(s: ConvolutionShape): usize {
  return (<usize>(9 * s.inChannels * s.outChannels)) * 4;
}

/** As `conv2dInputGradient`, where `polyphaseForward` applies and padding is at most 2. */
export function polyphaseInputGradient(shape: usize, dy: usize, filter: usize, dx: usize, scratch: usize): void {
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
  const paddedSize = paddedBytes(tilesHigh, tilesWide, OUTPUTS, s.outChannels);

  const panels = scratch + MIDDLE_BYTES;
  const padded = panels + filterMatrices(s);
  const whole = padded + max(filterTaps(s), paddedSize);
  const gradients = whole + wholeSize;
  const outputs = gradients + matricesBytes(tiles, dyRow);

  const tap = filterTaps(s) / 9;
  for (let i: usize = 0; i < 9; i++) {
    transpose(filter + i * tap, padded + (8 - i) * tap, s.inChannels, s.outChannels);
  }
  transformFilter(padded, s.outChannels, s.inChannels, panels, panelsMatrix, scratch);
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
      gradients, dyRow, s.outChannels, panels, panelsMatrix, outputs, dxRow, s.inChannels, images * imageTiles, tiles,
    );
    for (let image = 0; image < images; image++) {
      const target = wholeSize > 0 ? whole : dx;
      transformWindowOutputs(
        outputs, dxRow, image * imageTiles, tiles, target, tilesHigh, tilesWide, s.inChannels,
        evenTop, evenLeft, scratch,
      );
      if (wholeSize > 0) {
        copyInto(
          whole, tilesHigh * OUTPUTS * STRIDE, tilesWide * OUTPUTS * STRIDE, dxPixel, dx, s.inHeight, s.inWidth, 0, 0,
        );
      }
      dx += (<usize>(s.inHeight * s.inWidth)) * dxPixel;
    }
  }
}

// ---- filter gradient

/** Images whose tiles are summed before they are added to the products. */
// @ts-ignore: decorator
@inline
function gradientImages(batch: i32, tiles: i32): i32 {
  return min(batch, max(1, 32 / tiles));
}

/** Bytes of scratch that `polyphaseFilterGradient` needs. */
export function polyphaseFilterGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const tilesHigh = over(s.outHeight, OUTPUTS);
  const tilesWide = over(s.outWidth, OUTPUTS);
  const tiles = tilesHigh * tilesWide * gradientImages(s.batch, tilesHigh * tilesWide);
  return (
    MIDDLE_BYTES +
    filterMatrices(s) +
    paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels) +
    wholeBytes(s.outHeight, s.outWidth, OUTPUTS, s.outChannels) +
    matricesBytes(tiles, rowBytes(s.inChannels)) +
    matricesBytes(tiles, rowBytes(s.outChannels))
  );
}

/** As `conv2dFilterGradient`, where `polyphaseForward` applies. */
export function polyphaseFilterGradient(shape: usize, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
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

  const products = scratch + MIDDLE_BYTES;
  const padded = products + filterMatrices(s);
  const whole = padded + paddedBytes(tilesHigh, tilesWide, OUTPUTS * STRIDE, s.inChannels);
  const inputs = whole + wholeSize;
  const gradients = inputs + matricesBytes(tiles, inRow);

  memory.fill(products, 0, inputs - products);
  for (let first = 0; first < s.batch; first += step) {
    const images = min(step, s.batch - first);
    for (let image = 0; image < images; image++) {
      copyInto(x, s.inHeight, s.inWidth, inPixel, padded, height, width, s.padTop, s.padLeft);
      transformInputs(
        padded, tilesHigh, tilesWide, s.inChannels, inputs, inRow, image * imageTiles, tiles, scratch,
      );
      let source = dy;
      if (wholeSize > 0) {
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
          images * imageTiles * matrixRows(r, c), products + (<usize>(r * VALUES + c)) * productMatrix,
        );
      }
    }
  }
  transformFilterGradient(products, productMatrix, s.inChannels * s.outChannels, dFilter, scratch);
}
