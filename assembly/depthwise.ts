import { ConvolutionShape, readHeight, readWidth, shapeAt } from './lib/convolution-shape';
import { addRowProducts, resizeRows, spreadInto, sweepDepthwise } from './lib/depthwise-sweep';
import { gradientExtent, phaseCount, phaseFirst, phaseTaps } from './lib/phases';

// Depthwise convolutions. Everything runs over `lanes` = outChannels rounded up to four, on a padded copy of an image in
// which each input channel stands as often as the multiplier says; so the kernels below know one kind of channel only.

// @ts-ignore: decorator
@inline
function lanesOf(s: ConvolutionShape): i32 {
  return (s.outChannels + 3) & ~3;
}

// @ts-ignore: decorator
@inline
function weightBytes(s: ConvolutionShape): usize {
  return (<usize>(s.filterHeight * s.filterWidth * lanesOf(s))) * 4;
}

// @ts-ignore: decorator
@inline
function spreadBytes(s: ConvolutionShape): usize {
  return (<usize>(readHeight(s) * readWidth(s) * lanesOf(s))) * 4;
}

/** Bytes of scratch that `depthwiseForward` needs: [weights | padded image]. */
export function depthwiseForwardScratch(shape: usize): usize {
  const s = shapeAt(shape);
  return weightBytes(s) + spreadBytes(s);
}

/** y [batch, outHeight, outWidth, in · multiplier] of x and filter [height, width, in, multiplier]. */
export function depthwiseForward(shape: usize, x: usize, filter: usize, y: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const lanes = lanesOf(s);
  const padded = scratch + weightBytes(s);
  memory.fill(scratch, 0, weightBytes(s) + spreadBytes(s));
  resizeRows(filter, s.outChannels, scratch, lanes, s.filterHeight * s.filterWidth);
  const width = readWidth(s);
  const pixel = (<usize>lanes) * 4;
  const rowBytes = (<usize>width) * pixel;
  const outPixel = (<usize>s.outChannels) * 4;
  const outRow = (<usize>s.outWidth) * outPixel;
  for (let image = 0; image < s.batch; image++) {
    spreadInto(
      x, s.inHeight, s.inWidth, s.inChannels, s.outChannels / s.inChannels, lanes,
      padded, readHeight(s), width, s.padTop, s.padLeft,
    );
    sweepDepthwise(
      padded, (<usize>s.strideHeight) * rowBytes, (<usize>s.strideWidth) * pixel,
      s.filterHeight, (<usize>s.dilationHeight) * rowBytes, s.filterWidth, (<usize>s.dilationWidth) * pixel,
      scratch, lanes, y, outRow, outPixel, s.outHeight, s.outWidth, s.outChannels,
    );
    x += (<usize>(s.inHeight * s.inWidth * s.inChannels)) * 4;
    y += (<usize>s.outHeight) * outRow;
  }
}

// ---- input gradient, by the phases of lib/phases.ts; dilation without stride only

// @ts-ignore: decorator
@inline
function dyHeight(s: ConvolutionShape): i32 {
  const taps = phaseTaps(s.filterHeight, s.strideHeight, 0);
  return gradientExtent(s.inHeight, s.padTop, s.strideHeight, taps, s.dilationHeight);
}

// @ts-ignore: decorator
@inline
function dyWidth(s: ConvolutionShape): i32 {
  const taps = phaseTaps(s.filterWidth, s.strideWidth, 0);
  return gradientExtent(s.inWidth, s.padLeft, s.strideWidth, taps, s.dilationWidth);
}

/** Bytes of scratch that `depthwiseInputGradient` needs: [weights of all phases | padded dy | dx before the sum]. */
export function depthwiseInputGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const image = s.outChannels == s.inChannels ? 0 : s.inHeight * s.inWidth * s.outChannels;
  return weightBytes(s) + (<usize>(dyHeight(s) * dyWidth(s) * lanesOf(s) + image)) * 4;
}

/** dx [batch, inHeight, inWidth, in] of dy and filter. */
export function depthwiseInputGradient(shape: usize, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const lanes = lanesOf(s);
  const height = dyHeight(s);
  const width = dyWidth(s);
  const pixel = (<usize>lanes) * 4;
  const rowBytes = (<usize>width) * pixel;
  const padded = scratch + weightBytes(s);
  const spread = padded + (<usize>height) * rowBytes;
  const single = s.outChannels == s.inChannels;
  const tapRows = phaseTaps(s.filterHeight, s.strideHeight, 0);
  const tapColumns = phaseTaps(s.filterWidth, s.strideWidth, 0);
  const outPixel = (<usize>s.outChannels) * 4;
  const outRow = (<usize>s.inWidth) * outPixel;
  const dxImage = (<usize>(s.inHeight * s.inWidth * s.inChannels)) * 4;
  memory.fill(scratch, 0, weightBytes(s) + (<usize>height) * rowBytes);
  packTaps(s, filter, lanes, scratch);
  // A stride larger than the filter leaves input pixels that no output saw.
  if (single) memory.fill(dx, 0, (<usize>s.batch) * dxImage);
  else memory.fill(spread, 0, (<usize>s.inHeight) * outRow);
  for (let image = 0; image < s.batch; image++) {
    spreadInto(
      dy, s.outHeight, s.outWidth, s.outChannels, 1, lanes,
      padded, height, width, (tapRows - 1) * s.dilationHeight, (tapColumns - 1) * s.dilationWidth,
    );
    const out = single ? dx : spread;
    let weights = scratch;
    for (let phaseY = 0; phaseY < s.strideHeight; phaseY++) {
      const rows = phaseTaps(s.filterHeight, s.strideHeight, phaseY);
      const firstY = phaseFirst(s.padTop, s.strideHeight, phaseY);
      const y = s.strideHeight * firstY + phaseY - s.padTop;
      for (let phaseX = 0; phaseX < s.strideWidth; phaseX++) {
        const columns = phaseTaps(s.filterWidth, s.strideWidth, phaseX);
        const firstX = phaseFirst(s.padLeft, s.strideWidth, phaseX);
        const x = s.strideWidth * firstX + phaseX - s.padLeft;
        if (rows > 0 && columns > 0) {
          sweepDepthwise(
            padded +
              (<usize>(firstY + (tapRows - rows) * s.dilationHeight)) * rowBytes +
              (<usize>(firstX + (tapColumns - columns) * s.dilationWidth)) * pixel,
            rowBytes, pixel,
            rows, (<usize>s.dilationHeight) * rowBytes, columns, (<usize>s.dilationWidth) * pixel,
            weights, lanes,
            out + (<usize>y) * outRow + (<usize>x) * outPixel,
            (<usize>s.strideHeight) * outRow, (<usize>s.strideWidth) * outPixel,
            phaseCount(s.inHeight, s.padTop, s.strideHeight, phaseY, firstY),
            phaseCount(s.inWidth, s.padLeft, s.strideWidth, phaseX, firstX),
            s.outChannels,
          );
        }
        weights += (<usize>(rows * columns)) * pixel;
      }
    }
    if (!single) sumCopies(spread, dx, s.inHeight * s.inWidth * s.inChannels, s.outChannels / s.inChannels);
    dy += (<usize>(s.outHeight * s.outWidth)) * outPixel;
    dx += dxImage;
  }
}

/** The filter's taps phase after phase, last first, each [lanes]. */
function packTaps(s: ConvolutionShape, filter: usize, lanes: i32, target: usize): void {
  const bytes = (<usize>s.outChannels) * 4;
  for (let phaseY = 0; phaseY < s.strideHeight; phaseY++) {
    for (let phaseX = 0; phaseX < s.strideWidth; phaseX++) {
      const columns = phaseTaps(s.filterWidth, s.strideWidth, phaseX);
      for (let row = phaseTaps(s.filterHeight, s.strideHeight, phaseY) - 1; row >= 0; row--) {
        for (let column = columns - 1; column >= 0; column--) {
          const tap = (phaseY + row * s.strideHeight) * s.filterWidth + phaseX + column * s.strideWidth;
          memory.copy(target, filter + (<usize>tap) * bytes, bytes);
          target += (<usize>lanes) * 4;
        }
      }
    }
  }
}

/** target[i] = sum of `copies` neighbours. */
function sumCopies(source: usize, target: usize, count: i32, copies: i32): void {
  for (let i = 0; i < count; i++) {
    let sum: f32 = 0;
    for (let copy = 0; copy < copies; copy++) {
      sum += load<f32>(source);
      source += 4;
    }
    store<f32>(target, sum);
    target += 4;
  }
}

// ---- filter gradient

/** Bytes of scratch that `depthwiseFilterGradient` needs: [sums | padded image | widened dy]. */
export function depthwiseFilterGradientScratch(shape: usize): usize {
  const s = shapeAt(shape);
  const widened = s.outChannels == lanesOf(s) ? 0 : s.outHeight * s.outWidth * lanesOf(s);
  return weightBytes(s) + spreadBytes(s) + (<usize>widened) * 4;
}

/** dFilter [height, width, in, multiplier] of x and dy. */
export function depthwiseFilterGradient(shape: usize, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
  const s = shapeAt(shape);
  const lanes = lanesOf(s);
  const pixel = (<usize>lanes) * 4;
  const padded = scratch + weightBytes(s);
  const widened = padded + spreadBytes(s);
  const whole = lanes == s.outChannels;
  const width = readWidth(s);
  const rowBytes = (<usize>width) * pixel;
  const dyRow = (<usize>s.outWidth) * pixel;
  memory.fill(scratch, 0, weightBytes(s) + spreadBytes(s) + (whole ? 0 : (<usize>s.outHeight) * dyRow));
  for (let image = 0; image < s.batch; image++) {
    spreadInto(
      x, s.inHeight, s.inWidth, s.inChannels, s.outChannels / s.inChannels, lanes,
      padded, readHeight(s), width, s.padTop, s.padLeft,
    );
    let gradient = dy;
    if (!whole) {
      resizeRows(dy, s.outChannels, widened, lanes, s.outHeight * s.outWidth);
      gradient = widened;
    }
    for (let y = 0; y < s.outHeight; y++) {
      let sums = scratch;
      for (let ky = 0; ky < s.filterHeight; ky++) {
        let from = padded + (<usize>(y * s.strideHeight + ky * s.dilationHeight)) * rowBytes;
        for (let kx = 0; kx < s.filterWidth; kx++) {
          addRowProducts(from, (<usize>s.strideWidth) * pixel, gradient, pixel, s.outWidth, sums);
          from += (<usize>s.dilationWidth) * pixel;
          sums += pixel;
        }
      }
      gradient += dyRow;
    }
    x += (<usize>(s.inHeight * s.inWidth * s.inChannels)) * 4;
    dy += (<usize>(s.outHeight * s.outWidth * s.outChannels)) * 4;
  }
  resizeRows(scratch, lanes, dFilter, s.outChannels, s.filterHeight * s.filterWidth);
}
