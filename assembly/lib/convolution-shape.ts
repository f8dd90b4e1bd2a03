/** What a convolution works on, as the caller writes it to memory: sizes in elements, NHWC. */
@unmanaged
export class ConvolutionShape {
  batch: i32;
  inHeight: i32;
  inWidth: i32;
  inChannels: i32;
  outHeight: i32;
  outWidth: i32;
  /** For a depthwise convolution inChannels times the channel multiplier. */
  outChannels: i32;
  filterHeight: i32;
  filterWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
}

// @ts-ignore: decorator
@inline
export function shapeAt(address: usize): ConvolutionShape {
  return changetype<ConvolutionShape>(address);
}

/** Rows of the padded image that the outputs read. */
// @ts-ignore: decorator
@inline
export function readHeight(s: ConvolutionShape): i32 {
  return (s.outHeight - 1) * s.strideHeight + (s.filterHeight - 1) * s.dilationHeight + 1;
}

/** Columns of the padded image that the outputs read. */
// @ts-ignore: decorator
@inline
export function readWidth(s: ConvolutionShape): i32 {
  return (s.outWidth - 1) * s.strideWidth + (s.filterWidth - 1) * s.dilationWidth + 1;
}

/** True when all that the outputs read lies in the image, so that no padded copy is needed. */
// @ts-ignore: decorator
@inline
export function readsInside(s: ConvolutionShape): bool {
  return s.padTop == 0 && s.padLeft == 0 && readHeight(s) <= s.inHeight && readWidth(s) <= s.inWidth;
}

/** True for a 1x1 convolution without stride and padding: a matrix product over all pixels. */
// @ts-ignore: decorator
@inline
export function isPointwise(s: ConvolutionShape): bool {
  return (
    s.filterHeight == 1 &&
    s.filterWidth == 1 &&
    s.strideHeight == 1 &&
    s.strideWidth == 1 &&
    s.outHeight == s.inHeight &&
    s.outWidth == s.inWidth &&
    readsInside(s)
  );
}

/**
 * Copies an image [height, width] of `pixel` bytes each into a larger one [*, targetWidth], with its corner at
 * (top, left); what does not fit is left out.
 */
export function copyInto(
  source: usize,
  height: i32,
  width: i32,
  pixel: usize,
  target: usize,
  targetHeight: i32,
  targetWidth: i32,
  top: i32,
  left: i32,
): void {
  const rows = min(height, targetHeight - top);
  const columns = min(width, targetWidth - left);
  if (columns <= 0) return;
  const bytes = (<usize>columns) * pixel;
  let to = target + (<usize>(top * targetWidth + left)) * pixel;
  for (let row = 0; row < rows; row++) {
    memory.copy(to, source, bytes);
    source += (<usize>width) * pixel;
    to += (<usize>targetWidth) * pixel;
  }
}
