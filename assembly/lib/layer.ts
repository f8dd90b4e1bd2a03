/**
 * What a kernel of the device module works on, as src/kernels/device-layout.ts writes it to memory. Maps are NHWC of one
 * picture with a border of zeros, so that a patch at the edge is read like any other. Steps are in bytes.
 */
@unmanaged
export class Layer {
  /** The patch of the first output. */
  source: usize;
  /** Between vertically and horizontally neighbouring outputs' patches. */
  sourceRow: usize;
  sourcePixel: usize;
  patchRows: i32;
  patchRowStep: usize;
  /** Convolutions: floats, or pairs of codes, in a row of a patch. Others: pixels in it. */
  length: i32;
  patchPixelStep: usize;
  weights: usize;
  out: usize;
  outRow: usize;
  outPixel: usize;
  height: i32;
  width: i32;
  /** Groups of eight channels. */
  panels: i32;
  /** A map of the output's shape that is added; 0: none. */
  other: usize;
  otherRow: usize;
  otherPixel: usize;
  /** Floats: what a smaller result becomes, 0 (ReLU) or -infinity. */
  lowest: f32;
  /** Average pooling: 1 / pixels of a patch. */
  factor: f32;
  /** Codes, without their zero point: the smallest and the largest. */
  least: f32;
  most: f32;
}

// @ts-ignore: decorator
@inline
export function layerAt(address: usize): Layer {
  return changetype<Layer>(address);
}

/** Channels of a panel. */
export const LANES: i32 = 8;
