/** Exports of assembly/augment.ts; addresses and sizes are bytes and counts on the module's heap. */
export interface AugmentExports {
  /** Floats of work space that `augmentPicture` needs for a source of `width` and an output of `size`. */
  augmentScratch(width: number, size: number): number;
  /** u8 [height, width, 3] at `source` to f32 [size, size, 3], (p - 128) / 64, at `output`. */
  augmentPicture(
    source: number,
    height: number,
    width: number,
    output: number,
    size: number,
    parameters: number,
    scratch: number,
  ): void;
  /** output[i] = (source[i] - 128) / 64 for `count` bytes. */
  normalisePixels(source: number, output: number, count: number): void;
}

/** Bytes of the parameter block of `augmentPicture`. */
export const AUGMENT_PARAMETER_BYTES = 224;
/** Largest blur radius, in output pixels. */
export const MAX_BLUR_RADIUS = 31;

/** What happens to one picture, in numbers; the output pixel (i, j) is sampled at (startY + i stepY, startX + j stepX). */
export interface AugmentParameters {
  /** Source coordinates of the centre of output pixel (0, 0), in pixels; a centre of a source pixel is a whole number. */
  readonly startX: number;
  readonly startY: number;
  /** Source pixels an output pixel; `stepX` is negative in a flipped picture. */
  readonly stepX: number;
  readonly stepY: number;
  /** Colour changes, or undefined to leave the colours exactly as they are. */
  readonly colour?: {
    /** Factor of all values. */
    readonly brightness: number;
    /** Factor of the distance to the picture's mean luminance. */
    readonly contrast: number;
    /** RGB to RGB, row-major `[3, 3]`: saturation, hue and grayscale. */
    readonly matrix: readonly number[];
  };
  /** Blur weights of the centre and of the distances 1, 2, … output pixels, or undefined for none. */
  readonly taps?: readonly number[];
}

/** Writes a parameter block for `augmentPicture` at `address`. */
export function writeAugmentParameters(buffer: ArrayBufferLike, address: number, parameters: AugmentParameters): void {
  const { startX, stepX, startY, stepY, colour, taps } = parameters;
  const view = new DataView(buffer, address, AUGMENT_PARAMETER_BYTES);
  [startX, stepX, startY, stepY].forEach((value, i) => {
    view.setFloat64(8 * i, value, true);
  });
  view.setFloat32(32, colour?.brightness ?? 1, true);
  view.setFloat32(36, colour?.contrast ?? 1, true);
  view.setInt32(40, colour ? 1 : 0, true);
  view.setInt32(44, taps ? taps.length - 1 : 0, true);
  colour?.matrix.forEach((value, i) => {
    view.setFloat32(48 + 4 * i, value, true);
  });
  taps?.forEach((value, i) => {
    view.setFloat32(96 + 4 * i, value, true);
  });
}
