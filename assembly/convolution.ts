import {
  ConvolutionShape,
  copyInto,
  isPointwise,
  readHeight,
  readsInside,
  readWidth,
  shapeAt,
} from './lib/convolution-shape';
import { narrowRows, packPanels, packTransposed, widenRows } from './lib/panels';
import { Sweep, SWEEP_BYTES, sweep } from './lib/sweep';
import { addOuterProducts1, addOuterProducts4, PANEL, panelled, TILE } from './lib/tiles';
import { gradientExtent, phaseCount, phaseFirst, phaseTaps } from './lib/phases';
import { matmul, matmulScratch, matmulTransposedA, matmulTransposedAScratch } from './matmul';

// Direct convolutions without an im2col buffer. In a padded NHWC image the filterWidth · channels values under a row of
// the filter are contiguous, so a pixel's row of the (never built) patch matrix is a few runs of memory:
//
//     padded image            filter 3x3           a pixel's patch: 3 runs of 3 · channels floats
//     . . . . . .
//     . ▪▪▪ . . .   run 0
//     . ▪▪▪ . . .   run 1
//     . ▪▪▪ . . .   run 2

// ---- forward: scratch is [sweep | panels | padded image]

function forwardPanelBytes(s: ConvolutionShape): usize {
  return (<usize>(s.filterHeight * s.filterWidth * s.inChannels)) * (<usize>panelled(s.outChannels)) * 4;
}

function paddedBytes(s: ConvolutionShape): usize {
  return (<usize>readHeight(s)) * (<usize>readWidth(s)) * (<usize>s.inChannels) * 4;
}

/** Bytes of scratch that `conv2dForward` needs. */
export function conv2dForwardScratch(shape: usize): usize {
  const s = shapeAt(shape);
  if (isPointwise(s)) return matmulScratch(s.inChannels, s.outChannels);
  return SWEEP_BYTES + forwardPanelBytes(s) + (readsInside(s) ? 0 : paddedBytes(s));
}

/** y = x * filter: x [batch, inHeight, inWidth, in], filter [height, width, in, out], y [batch, outHeight, outWidth, out]. */
export function conv2dForward(shape: usize, x: usize, filter: usize, y: usize, scratch: usize): void {
  const s = shapeAt(shape);
  if (isPointwise(s)) {
    matmul(x, filter, y, s.batch * s.inHeight * s.inWidth, s.inChannels, s.outChannels, false, scratch);
    return;
  }
  const w = changetype<Sweep>(scratch);
  const panels = scratch + SWEEP_BYTES;
  const padded = panels + forwardPanelBytes(s);
  const pixel = (<usize>s.inChannels) * 4;
  packPanels(
    filter, (<usize>s.outChannels) * 4, s.filterHeight * s.filterWidth * s.inChannels, s.outChannels, panels,
  );
  const inside = readsInside(s);
  const height = readHeight(s);
  const width = readWidth(s);
  const rowBytes = (<usize>(inside ? s.inWidth : width)) * pixel;
  w.sourceRow = (<usize>s.strideHeight) * rowBytes;
  w.sourcePixel = (<usize>s.strideWidth) * pixel;
  w.rowRuns = s.filterHeight;
  w.rowRunStep = (<usize>s.dilationHeight) * rowBytes;
  const contiguous = s.dilationWidth == 1;
  w.columnRuns = contiguous ? 1 : s.filterWidth;
  w.columnRunStep = (<usize>s.dilationWidth) * pixel;
  w.length = contiguous ? s.filterWidth * s.inChannels : s.inChannels;
  w.outPixel = (<usize>s.outChannels) * 4;
  w.outRow = (<usize>s.outWidth) * w.outPixel;
  w.height = s.outHeight;
  w.width = s.outWidth;
  w.channels = s.outChannels;
  const xImage = (<usize>(s.inHeight * s.inWidth)) * pixel;
  const yImage = (<usize>s.outHeight) * w.outRow;
  if (!inside) memory.fill(padded, 0, paddedBytes(s));
  for (let image = 0; image < s.batch; image++) {
    if (inside) {
      sweep(w, x, panels, y);
    } else {
      copyInto(x, s.inHeight, s.inWidth, pixel, padded, height, width, s.padTop, s.padLeft);
      sweep(w, padded, panels, y);
    }
    x += xImage;
    y += yImage;
  }
}

// ---- input gradient, without dilation: scratch is [sweep | panels of all phases | padded dy]

function inputGradientPanelBytes(s: ConvolutionShape): usize {
  return (<usize>(s.filterHeight * s.filterWidth * s.outChannels)) * (<usize>panelled(s.inChannels)) * 4;
}

/** Bytes of scratch that `conv2dInputGradient` needs. */
export function conv2dInputGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  if (isPointwise(s)) return matmulScratch(s.outChannels, s.inChannels);
  const tapRows = phaseTaps(s.filterHeight, s.strideHeight, 0);
  const tapColumns = phaseTaps(s.filterWidth, s.strideWidth, 0);
  const height = gradientExtent(s.inHeight, s.padTop, s.strideHeight, tapRows, 1);
  const width = gradientExtent(s.inWidth, s.padLeft, s.strideWidth, tapColumns, 1);
  return SWEEP_BYTES + inputGradientPanelBytes(s) + (<usize>height) * (<usize>width) * (<usize>s.outChannels) * 4;
}

/** dx [batch, inHeight, inWidth, in] of dy [batch, outHeight, outWidth, out]. */
export function conv2dInputGradient(shape: usize, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const s = shapeAt(shape);
  if (isPointwise(s)) {
    matmul(dy, filter, dx, s.batch * s.inHeight * s.inWidth, s.outChannels, s.inChannels, true, scratch);
    return;
  }
  const panels = scratch + SWEEP_BYTES;
  const padded = panels + inputGradientPanelBytes(s);
  const strideH = s.strideHeight;
  const strideW = s.strideWidth;
  const tapRows = phaseTaps(s.filterHeight, strideH, 0);
  const tapColumns = phaseTaps(s.filterWidth, strideW, 0);
  const height = gradientExtent(s.inHeight, s.padTop, strideH, tapRows, 1);
  const width = gradientExtent(s.inWidth, s.padLeft, strideW, tapColumns, 1);
  const dyPixel = (<usize>s.outChannels) * 4;
  const dyImage = (<usize>(s.outHeight * s.outWidth)) * dyPixel;
  const dxPixel = (<usize>s.inChannels) * 4;
  const dxImage = (<usize>(s.inHeight * s.inWidth)) * dxPixel;
  // A stride larger than the filter leaves input pixels that no output saw.
  if (s.filterHeight < strideH || s.filterWidth < strideW) memory.fill(dx, 0, (<usize>s.batch) * dxImage);
  let panel = panels;
  for (let phaseY = 0; phaseY < strideH; phaseY++) {
    for (let phaseX = 0; phaseX < strideW; phaseX++) panel = packPhase(s, filter, phaseY, phaseX, panel);
  }
  memory.fill(padded, 0, (<usize>height) * (<usize>width) * dyPixel);
  const w = changetype<Sweep>(scratch);
  const rowBytes = (<usize>width) * dyPixel;
  w.sourceRow = rowBytes;
  w.sourcePixel = dyPixel;
  w.rowRunStep = rowBytes;
  w.columnRuns = 1;
  w.columnRunStep = 0;
  w.outRow = (<usize>(strideH * s.inWidth)) * dxPixel;
  w.outPixel = (<usize>strideW) * dxPixel;
  w.channels = s.inChannels;
  const tapBytes = (<usize>s.outChannels) * (<usize>panelled(s.inChannels)) * 4;
  for (let image = 0; image < s.batch; image++) {
    copyInto(dy, s.outHeight, s.outWidth, dyPixel, padded, height, width, tapRows - 1, tapColumns - 1);
    panel = panels;
    for (let phaseY = 0; phaseY < strideH; phaseY++) {
      const rows = phaseTaps(s.filterHeight, strideH, phaseY);
      const firstY = phaseFirst(s.padTop, strideH, phaseY);
      w.rowRuns = rows;
      w.height = phaseCount(s.inHeight, s.padTop, strideH, phaseY, firstY);
      const y = strideH * firstY + phaseY - s.padTop;
      for (let phaseX = 0; phaseX < strideW; phaseX++) {
        const columns = phaseTaps(s.filterWidth, strideW, phaseX);
        const firstX = phaseFirst(s.padLeft, strideW, phaseX);
        w.length = columns * s.outChannels;
        w.width = phaseCount(s.inWidth, s.padLeft, strideW, phaseX, firstX);
        const x = strideW * firstX + phaseX - s.padLeft;
        if (rows > 0 && columns > 0) {
          const from =
            padded + (<usize>(firstY + tapRows - rows)) * rowBytes + (<usize>(firstX + tapColumns - columns)) * dyPixel;
          sweep(w, from, panel, dx + (<usize>(y * s.inWidth + x)) * dxPixel);
        }
        panel += (<usize>(rows * columns)) * tapBytes;
      }
    }
    dy += dyImage;
    dx += dxImage;
  }
}

/** Packs one phase's taps, last first: panels over input channels, rows (tap row, tap column, output channel). */
function packPhase(s: ConvolutionShape, filter: usize, phaseY: i32, phaseX: i32, panels: usize): usize {
  const rows = phaseTaps(s.filterHeight, s.strideHeight, phaseY);
  const columns = phaseTaps(s.filterWidth, s.strideWidth, phaseX);
  const out = <usize>s.outChannels;
  const tapBytes = (<usize>s.inChannels) * out * 4;
  const panelStep = (<usize>(rows * columns)) * out * (PANEL * 4);
  let target = panels;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const tap = (phaseY + row * s.strideHeight) * s.filterWidth + phaseX + column * s.strideWidth;
      packTransposed(filter + (<usize>tap) * tapBytes, out * 4, s.outChannels, s.inChannels, target, panelStep);
      target += out * (PANEL * 4);
    }
  }
  return panels + (<usize>(rows * columns)) * out * (<usize>panelled(s.inChannels)) * 4;
}

// ---- filter gradient: scratch is [sum if dy is widened | widened dy | padded images]

/** Output pixels whose images are worked on together: enough to store a register tile rarely, few enough for dy in L1. */
const PIXELS: i32 = 64;

// @ts-ignore: decorator
@inline
function imagesAtOnce(s: ConvolutionShape): i32 {
  return min(s.batch, max(1, PIXELS / (s.outHeight * s.outWidth)));
}

function sumBytes(s: ConvolutionShape): usize {
  if (s.outChannels % PANEL == 0) return 0;
  return (<usize>(s.filterHeight * s.filterWidth * s.inChannels)) * (<usize>panelled(s.outChannels)) * 4;
}

function widenedBytes(s: ConvolutionShape): usize {
  if (s.outChannels % PANEL == 0) return 0;
  return (<usize>(imagesAtOnce(s) * s.outHeight * s.outWidth)) * (<usize>panelled(s.outChannels)) * 4;
}

/** Bytes of scratch that `conv2dFilterGradient` needs. */
export function conv2dFilterGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  if (isPointwise(s)) {
    return matmulTransposedAScratch(s.inChannels, s.batch * s.inHeight * s.inWidth, s.outChannels);
  }
  const padded: usize = readsInside(s) ? 0 : (<usize>imagesAtOnce(s)) * paddedBytes(s);
  return sumBytes(s) + widenedBytes(s) + padded;
}

/** dFilter [height, width, in, out] of x [batch, inHeight, inWidth, in] and dy [batch, outHeight, outWidth, out]. */
export function conv2dFilterGradient(shape: usize, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
  const s = shapeAt(shape);
  if (isPointwise(s)) {
    const pixels = s.batch * s.inHeight * s.inWidth;
    matmulTransposedA(x, dy, dFilter, s.inChannels, pixels, s.outChannels, scratch);
    return;
  }
  const outChannels = panelled(s.outChannels);
  const whole = outChannels == s.outChannels;
  const inside = readsInside(s);
  const sum = whole ? dFilter : scratch;
  const widened = scratch + sumBytes(s);
  const padded = widened + widenedBytes(s);
  const pixel = (<usize>s.inChannels) * 4;
  const height = readHeight(s);
  const width = readWidth(s);
  const paddedImage = paddedBytes(s);
  const xImage = (<usize>(s.inHeight * s.inWidth)) * pixel;
  const pixels = s.outHeight * s.outWidth;
  const dyImage = (<usize>(pixels * s.outChannels)) * 4;
  const filterRows = s.filterHeight * s.filterWidth * s.inChannels;
  const step = imagesAtOnce(s);
  memory.fill(sum, 0, (<usize>filterRows) * (<usize>outChannels) * 4);
  if (!inside) memory.fill(padded, 0, (<usize>step) * paddedImage);
  for (let image = 0; image < s.batch; image += step) {
    const images = min(step, s.batch - image);
    let gradient = dy + (<usize>image) * dyImage;
    if (!whole) {
      widenRows(gradient, widened, images * pixels, s.outChannels);
      gradient = widened;
    }
    let source = x + (<usize>image) * xImage;
    if (!inside) {
      for (let i = 0; i < images; i++) {
        const target = padded + (<usize>i) * paddedImage;
        copyInto(source, s.inHeight, s.inWidth, pixel, target, height, width, s.padTop, s.padLeft);
        source += xImage;
      }
      source = padded;
    }
    addFilterGradient(
      s, source, inside ? xImage : paddedImage, (<usize>(inside ? s.inWidth : width)) * pixel,
      gradient, outChannels, images, sum,
    );
  }
  if (!whole) narrowRows(sum, dFilter, filterRows, s.outChannels);
}

/**
 * Adds `images` images' part of the gradient. The rows of the filter (filterWidth · in of them under each filter row,
 * for their inputs are contiguous) are taken four at a time, the output channels eight.
 */
function addFilterGradient(
  s: ConvolutionShape,
  source: usize,
  sourceImage: usize,
  sourceRow: usize,
  dy: usize,
  outChannels: i32,
  images: i32,
  sum: usize,
): void {
  const pixel = (<usize>s.inChannels) * 4;
  const aPixel = (<usize>s.strideWidth) * pixel;
  const aRow = (<usize>s.strideHeight) * sourceRow;
  const bPixel = (<usize>outChannels) * 4;
  const bRow = (<usize>s.outWidth) * bPixel;
  const bImage = (<usize>s.outHeight) * bRow;
  const contiguous = s.dilationWidth == 1;
  const runs = contiguous ? 1 : s.filterWidth;
  const rows = contiguous ? s.filterWidth * s.inChannels : s.inChannels;
  for (let filterY = 0; filterY < s.filterHeight; filterY++) {
    for (let run = 0; run < runs; run++) {
      const start =
        source + (<usize>(filterY * s.dilationHeight)) * sourceRow + (<usize>(run * s.dilationWidth)) * pixel;
      let row = 0;
      for (; row + TILE <= rows; row += TILE) {
        for (let channel: usize = 0; channel < bPixel; channel += PANEL * 4) {
          addOuterProducts4(
            start + (<usize>row) * 4, aPixel, aRow, sourceImage, dy + channel, bPixel, bRow, bImage,
            s.outWidth, s.outHeight, images, sum + (<usize>row) * bPixel + channel, bPixel,
          );
        }
      }
      for (; row < rows; row++) {
        for (let channel: usize = 0; channel < bPixel; channel += PANEL * 4) {
          addOuterProducts1(
            start + (<usize>row) * 4, aPixel, aRow, sourceImage, dy + channel, bPixel, bRow, bImage,
            s.outWidth, s.outHeight, images, sum + (<usize>row) * bPixel + channel,
          );
        }
      }
      sum += (<usize>rows) * bPixel;
    }
  }
}
