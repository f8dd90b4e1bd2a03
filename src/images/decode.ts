import { NearmissError } from '../errors.js';
import { pictureHeader } from './formats.js';
import { FITS, type Fit, fittedExtent, resizeArea } from './resize.js';

/** How a picture becomes a square of pixels, and what is refused before it is decoded. */
export interface DecodeOptions {
  /** Side of the square, 1 … 1024 pixels. */
  readonly size: number;
  /** `pad` (default): the whole picture on a white square, so nothing at its edges is lost; `crop`: the centred square. */
  readonly fit?: Fit;
  /** Largest encoded file, bytes. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Largest picture, width x height, checked in the header. Default 100 million. */
  readonly maxPixels?: number;
  /**
   * Longest time that decoding may take, whole seconds, 1 … 3600; default: any. It is looked at between lines: interlaced
   * pictures and AVIF are decoded in one go, however long that takes, and `maxPixels` bounds them.
   */
  readonly maxSeconds?: number;
}

export const DEFAULT_MAX_BYTES: number = 64 * 1024 * 1024;
export const DEFAULT_MAX_PIXELS = 100_000_000;
/** Pictures above this many pixels are decoded one at a time, so that concurrency does not multiply their memory. */
const LARGE = 16_000_000;

type Sharp = typeof import('sharp').default;
let loading: Promise<Sharp> | undefined;

/** Loads sharp on first use; `NM_SHARP_MISSING` says what to install. */
export function loadSharp(load: () => Promise<{ default: Sharp }> = () => import('sharp')): Promise<Sharp> {
  loading ??= load().then(
    (module) => module.default,
    (cause: unknown) => {
      loading = undefined;
      const found = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
      throw new NearmissError('NM_SHARP_MISSING', `pictures are read by sharp, which does not load: ${found}`, {
        cause,
      });
    },
  );
  return loading;
}

/** Checked options with their defaults filled in. */
export function decodeSettings(options: DecodeOptions): Required<DecodeOptions> {
  const { size, fit = 'pad', maxBytes = DEFAULT_MAX_BYTES, maxPixels = DEFAULT_MAX_PIXELS, maxSeconds = 0 } = options;
  if (!Number.isInteger(size) || size < 1 || size > 1024) {
    throw new NearmissError('NM_OPTION_INVALID', `size: found ${size}, allowed: a whole number 1 to 1024`);
  }
  if (!FITS.includes(fit)) {
    throw new NearmissError('NM_OPTION_INVALID', `fit: found ${JSON.stringify(fit)}, allowed: ${FITS.join(', ')}`);
  }
  for (const [name, value] of [
    ['maxBytes', maxBytes],
    ['maxPixels', maxPixels],
  ] as const) {
    if (!(value > 0))
      throw new NearmissError('NM_OPTION_INVALID', `${name}: found ${value}, allowed: a number above 0`);
  }
  if (options.maxSeconds !== undefined && !(Number.isInteger(maxSeconds) && maxSeconds >= 1 && maxSeconds <= 3600)) {
    const allowed = 'a whole number 1 to 3600';
    throw new NearmissError('NM_OPTION_INVALID', `maxSeconds: found ${maxSeconds}, allowed: ${allowed}`);
  }
  return { size, fit, maxBytes, maxPixels, maxSeconds };
}

function refuse(message: string, cause?: unknown): never {
  throw new NearmissError('NM_PICTURE_INVALID', message, { cause });
}

function checkPixels(width: number, height: number, maxPixels: number): void {
  if (width < 1 || height < 1) refuse(`${width}x${height} pixels, allowed: at least 1x1`);
  if (width * height > maxPixels) refuse(`${width}x${height} pixels, allowed: ${maxPixels}`);
}

let turn: Promise<unknown> = Promise.resolve();

function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work);
  turn = mine.catch(() => undefined);
  return mine;
}

/** What libvips says, without its internals: the first line that is not about seeking, its loader's name taken off. */
function vipsReason(error: unknown): string {
  if (error instanceof Error && error.message.startsWith('timeout: ')) return 'takes too long to decode';
  const message = (error instanceof Error ? error.message : String(error)).replace(
    'Input buffer has corrupt header: ',
    '',
  );
  const line = message.split('\n').find((part) => part.trim() !== '' && !part.startsWith('source: ')) ?? message;
  return `cannot be decoded (${line.replace(/^\w+: /, '')})`;
}

/** Side, in multiples of the output's, to which libvips brings a JPEG before the area average. */
const JPEG_MARGIN = 4;

/**
 * Size at which to decode a JPEG that is far larger than the output, or undefined to decode it whole. libjpeg halves up
 * to three times while it decodes, 8 times faster for a 12-megapixel photo; a margin stays for the area average, and
 * values differ from a whole decode by 0.4 levels on average. The same files give the same pixels.
 */
function jpegSize(
  width: number,
  height: number,
  size: number,
  fit: Fit,
): { width: number; height: number } | undefined {
  const extent = fittedExtent({ width, height }, fit);
  if (extent < 3 * JPEG_MARGIN * size) return undefined;
  const scale = (JPEG_MARGIN * size) / extent;
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Turns and mirrors a square picture as EXIF orientation 1 … 8 says. */
function orient(square: Uint8Array<ArrayBuffer>, size: number, orientation: number): Uint8Array<ArrayBuffer> {
  if (orientation < 2 || orientation > 8) return square;
  const result = new Uint8Array(square.length);
  const last = size - 1;
  const transposed = orientation >= 5;
  const mirroredX = [2, 3, 7, 8].includes(orientation);
  const mirroredY = [3, 4, 6, 7].includes(orientation);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      // Pixel (i, j) of the upright picture, looked up in the stored one.
      const [a, b] = transposed ? [j, i] : [i, j];
      const from = ((mirroredY ? last - a : a) * size + (mirroredX ? last - b : b)) * 3;
      result.set(square.subarray(from, from + 3), (i * size + j) * 3);
    }
  }
  return result;
}

/**
 * Decodes one picture in memory (PNG, JPEG, WebP, AVIF, first frame of a GIF): EXIF orientation applied, converted to
 * 8-bit sRGB from any depth or colour space, composited on white, fitted on a square and area averaged.
 *
 * @param bytes the encoded file
 * @returns `[size, size, 3]` RGB
 * @throws `NM_PICTURE_INVALID` with the reason: not a picture, corrupt, truncated, over a limit (limits are checked
 *   before any pixel is decoded); `NM_SHARP_MISSING`; `NM_OPTION_INVALID`
 * @example
 * const pixels = await decodePicture(await readFile('shoe.jpg'), { size: 64 });
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { size, fit, maxBytes, maxPixels, maxSeconds } = decodeSettings(options);
  if (bytes.length > maxBytes) refuse(`${bytes.length} bytes, allowed: ${maxBytes}`);
  const header = pictureHeader(bytes);
  if ('reason' in header) refuse(header.reason);
  const sharp = await loadSharp();
  // 'error' refuses truncated and corrupt data but not the harmless oddities that cameras write ('warning' would).
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels }).timeout({ seconds: maxSeconds });
  let { width, height } = header;
  let orientation = 1;
  if (width === undefined || height === undefined) {
    try {
      // This reads the header only; the limit on pixels is checked below, where it can be named.
      const metadata = await sharp(bytes, { failOn: 'error', limitInputPixels: false }).metadata();
      ({ width, height } = metadata);
      if (header.format === 'jpeg') orientation = metadata.orientation ?? 1;
    } catch (error) {
      refuse(vipsReason(error), error);
    }
  }
  checkPixels(width, height, maxPixels);
  const smaller = header.format === 'jpeg' ? jpegSize(width, height, size, fit) : undefined;
  // A JPEG is turned after the resize: libvips does not shrink while decoding when it also turns.
  const upright = header.format === 'jpeg' ? image : image.autoOrient();
  const resized = smaller ? upright.resize({ ...smaller, fit: 'fill', kernel: 'linear' }) : upright;
  const decode = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const { data, info } = await resized
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = { data, width: info.width, height: info.height, channels: info.channels };
    const square = resizeArea(pixels, size, fit, smaller && { width, height });
    return orient(square, size, orientation);
  };
  try {
    return await (width * height > LARGE && !smaller ? oneAtATime(decode) : decode());
  } catch (error) {
    return refuse(vipsReason(error), error);
  }
}
