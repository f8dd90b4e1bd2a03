import type { ConvolutionShape } from './convolution.js';
import type { ConvolutionParts } from './convolution-parts.js';

/** Kernels of assembly/polyphase.ts. */
export type PolyphaseExports = ConvolutionParts<'polyphase'>;

/** Outputs along a side of a tile. */
const TILE = 4;

/** Share of the tiles' outputs that are of use from which on phases beat the direct sum. */
const FULL_ENOUGH = 0.7;

/**
 * True where a 3x3 convolution of stride 2 is faster by phases than as a direct sum: no dilation, padding up to 2, and
 * channels in multiples of 8, at least 16, and tiles that are not mostly padding.
 */
export function suitsPolyphase(shape: ConvolutionShape): boolean {
  const full = (size: number, tile: number): number => size / (tile * Math.ceil(size / tile));
  return (
    shape.filterHeight === 3 &&
    shape.filterWidth === 3 &&
    shape.strideHeight === 2 &&
    shape.strideWidth === 2 &&
    shape.dilationHeight === 1 &&
    shape.dilationWidth === 1 &&
    shape.padTop <= 2 &&
    shape.padLeft <= 2 &&
    shape.inChannels % 8 === 0 &&
    shape.outChannels % 8 === 0 &&
    Math.min(shape.inChannels, shape.outChannels) >= 16 &&
    full(shape.outHeight, TILE) * full(shape.outWidth, TILE) >= FULL_ENOUGH &&
    full(shape.inHeight, 2 * TILE) * full(shape.inWidth, 2 * TILE) >= FULL_ENOUGH
  );
}
