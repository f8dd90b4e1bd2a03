import type { ConvolutionShape } from './convolution.js';
import type { ConvolutionParts } from './convolution-parts.js';

/** Kernels of assembly/winograd.ts: F(4x4, 3x3), and F(2x2, 3x3) as `winogradSmall`. */
export type WinogradExports = ConvolutionParts<'winograd'> & ConvolutionParts<'winogradSmall'>;

/** Outputs along a side of a tile. */
const TILE = 4;

/** Share of the tiles' outputs that are of use from which on Winograd beats the direct sum. */
const FULL_ENOUGH = 0.4;

/**
 * True where Winograd's F(4x4, 3x3) applies and is faster than the direct sum: 3x3 filters, no stride, no dilation,
 * padding up to 2, channels in multiples of 8 and at least 16, and tiles that are not mostly padding.
 */
export function suitsWinograd(shape: ConvolutionShape): boolean {
  const full = (size: number): number => size / (TILE * Math.ceil(size / TILE));
  return (
    shape.filterHeight === 3 &&
    shape.filterWidth === 3 &&
    shape.strideHeight === 1 &&
    shape.strideWidth === 1 &&
    shape.dilationHeight === 1 &&
    shape.dilationWidth === 1 &&
    shape.padTop <= 2 &&
    shape.padLeft <= 2 &&
    shape.inChannels % 8 === 0 &&
    shape.outChannels % 8 === 0 &&
    Math.min(shape.inChannels, shape.outChannels) >= 16 &&
    full(shape.outHeight) * full(shape.outWidth) >= FULL_ENOUGH &&
    full(shape.inHeight) * full(shape.inWidth) >= FULL_ENOUGH
  );
}
