/**
 * The one resize of nearmiss: training, the service and the device all call it, so that they see the same pixels. Pure
 * TypeScript over decoded pixels, the same to the bit in every engine.
 */

/** `pad` shows the whole picture on a white square; `crop` keeps the largest centred square. */
export type Fit = 'pad' | 'crop';
export const FITS: readonly Fit[] = ['pad', 'crop'];

/** Decoded 8-bit pixels: channels 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha), not premultiplied. */
export interface DecodedPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** Side of the square of the picture's own pixels that becomes the output. */
export function fittedExtent(picture: { readonly width: number; readonly height: number }, fit: Fit): number {
  return fit === 'pad' ? Math.max(picture.width, picture.height) : Math.min(picture.width, picture.height);
}

/** value * alpha on white, rounded to nearest (exact for all 65,536 pairs). */
function onWhite(value: number, alpha: number): number {
  const t = value * alpha + 255 * (255 - alpha) + 128;
  return (t + (t >> 8)) >> 8;
}

/** RGB on white, `[height, width, 3]`. */
function flatten({ data, width, height, channels }: DecodedPixels): Uint8Array {
  if (channels === 3) return data;
  const pixels = width * height;
  const rgb = new Uint8Array(pixels * 3);
  const step = channels;
  const green = channels > 2 ? 1 : 0;
  const blue = channels > 2 ? 2 : 0;
  const alphaAt = channels === 4 ? 3 : channels === 2 ? 1 : -1;
  for (let i = 0, from = 0, to = 0; i < pixels; i++, from += step, to += 3) {
    const alpha = alphaAt < 0 ? 255 : data[from + alphaAt]!;
    rgb[to] = onWhite(data[from]!, alpha);
    rgb[to + 1] = onWhite(data[from + green]!, alpha);
    rgb[to + 2] = onWhite(data[from + blue]!, alpha);
  }
  return rgb;
}

/**
 * Where each output cell lies on an axis of `length` pixels that starts at `origin` and spans `extent`: first pixel,
 * number of pixels, weight of the first and of the last (the inner ones weigh 1), and the weight of white outside.
 */
interface Axis {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly head: Float64Array;
  readonly tail: Float64Array;
  readonly white: Float64Array;
  /** Width of a cell in pixels: the sum of all weights of a cell. */
  readonly cell: number;
}

function axis(length: number, origin: number, extent: number, size: number): Axis {
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const head = new Float64Array(size);
  const tail = new Float64Array(size);
  const white = new Float64Array(size);
  const cell = extent / size;
  for (let i = 0; i < size; i++) {
    const from = Math.max(0, origin + (i * extent) / size);
    const to = Math.min(length, origin + ((i + 1) * extent) / size);
    if (to <= from) {
      white[i] = cell;
      continue;
    }
    const start = Math.floor(from);
    const end = Math.ceil(to);
    first[i] = start;
    count[i] = end - start;
    head[i] = Math.min(to, start + 1) - from;
    tail[i] = end - start > 1 ? to - (end - 1) : 0;
    // What rounding leaves of a cell that lies wholly inside is not white.
    white[i] = cell - (to - from) > 1e-9 * cell ? cell - (to - from) : 0;
  }
  return { first, count, head, tail, white, cell };
}

/** One pass over `lines` lines: output `[lines, size, 3]` or, down the columns, `[size, lines, 3]`. */
function pass(
  from: Uint8Array,
  to: Uint8Array,
  lines: number,
  along: Axis,
  fromLine: number,
  fromStep: number,
  toLine: number,
  toStep: number,
): void {
  const size = along.first.length;
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < size; i++) {
      const count = along.count[i]!;
      let at = line * fromLine + along.first[i]! * fromStep;
      let red = along.white[i]! * 255;
      let green = red;
      let blue = red;
      if (count > 0) {
        const head = along.head[i]!;
        red += from[at]! * head;
        green += from[at + 1]! * head;
        blue += from[at + 2]! * head;
        for (let n = count - 2; n > 0; n--) {
          at += fromStep;
          red += from[at]!;
          green += from[at + 1]!;
          blue += from[at + 2]!;
        }
        if (count > 1) {
          const tail = along.tail[i]!;
          at += fromStep;
          red += from[at]! * tail;
          green += from[at + 1]! * tail;
          blue += from[at + 2]! * tail;
        }
      }
      const target = line * toLine + i * toStep;
      // Halves round up, in each of the two passes, as Pillow's BOX does.
      to[target] = Math.floor(red / along.cell + 0.5);
      to[target + 1] = Math.floor(green / along.cell + 0.5);
      to[target + 2] = Math.floor(blue / along.cell + 0.5);
    }
  }
}

/**
 * Fits decoded pixels on a square by area averaging (box filter): composite on white, fit, average the part of the
 * picture under each output pixel, rows first, then columns, each rounded to 8 bits, halves up. At whole factors this
 * equals Pillow's `Image.BOX` to the bit.
 *
 * @param pixels decoded picture, any size of at least 1x1
 * @param size side of the output, in pixels
 * @param original size of the picture that `pixels` is a reduction of, if it is one: its proportions decide the fit
 * @returns `[size, size, 3]` RGB on white
 */
export function resizeArea(
  pixels: DecodedPixels,
  size: number,
  fit: Fit = 'pad',
  original: { readonly width: number; readonly height: number } = pixels,
): Uint8Array<ArrayBuffer> {
  const { width, height } = pixels;
  const extent = fittedExtent(original, fit);
  const along = (length: number, of: number): Axis =>
    axis(length, ((of - extent) / 2) * (length / of), extent * (length / of), size);
  const across = along(width, original.width);
  const down = along(height, original.height);
  const rgb = flatten(pixels);
  const rows = new Uint8Array(height * size * 3);
  pass(rgb, rows, height, across, width * 3, 3, size * 3, 3);
  const square = new Uint8Array(size * size * 3);
  pass(rows, square, size, down, 3, size * 3, 3, size * 3);
  return square;
}
