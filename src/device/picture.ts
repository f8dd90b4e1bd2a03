import { NearmissError } from '../errors.js';
import { pictureHeader } from '../images/formats.js';
import { type Fit, resizeArea } from '../images/resize.js';
import { pictureSize } from './picture-size.js';

export interface PictureLimits {
  /** Largest file, bytes. Default 64 MiB, as in Node. */
  readonly maxBytes?: number;
  /** Largest picture, width x height. Default 64 million: a browser on a phone holds four bytes of each. */
  readonly maxPixels?: number;
}

/** A picture that a browser has decoded. */
export interface DevicePicture {
  readonly width: number;
  readonly height: number;
  /**
   * The square that an encoder sees: on white, fitted and area averaged as in Node (`resizeArea`); uint8 [size, size, 3].
   * The browser's decoder and colour management may differ from Node's by a level or two.
   */
  pixels(size: number, fit?: Fit): Uint8Array;
  /** A small copy on white whose longer side is at most `side` pixels, as a WebP file, or PNG where the browser has none. */
  thumbnail(side: number): Promise<Blob>;
  close(): void;
}

export const MAX_BYTES: number = 64 * 1024 * 1024;
export const MAX_PIXELS = 64_000_000;
/** Canvases of more pixels fail on iPhones. Larger pictures are brought to this size by the browser first. */
const CANVAS_PIXELS = 4096 * 4096;
/** Where a header says its size, it does so within so many bytes, unless metadata of unusual length comes first. */
const HEADER_BYTES = 256 * 1024;

/**
 * Decodes a PNG, JPEG, WebP, AVIF or GIF (its first frame) in a browser's page or worker, EXIF orientation applied.
 *
 * @throws `NM_PICTURE_INVALID` with the reason: not a picture, damaged, over a limit (checked before any pixel is decoded
 *   where the header says the size)
 */
export async function openPicture(file: Blob, limits: PictureLimits = {}): Promise<DevicePicture> {
  const { maxBytes = MAX_BYTES, maxPixels = MAX_PIXELS } = limits;
  if (file.size > maxBytes) refuse(`${file.size} bytes, allowed: ${maxBytes}`);
  const start = new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer());
  const header = pictureHeader(start);
  if ('reason' in header) refuse(header.reason);
  const { width, height } = header;
  const size = width !== undefined && height !== undefined ? { width, height } : pictureSize(start, header.format);
  if (size) checkPixels(size, maxPixels);
  const bitmap = await createImageBitmap(file).catch((cause: unknown) =>
    refuse(
      `the ${header.format.toUpperCase()} cannot be decoded: it is damaged, or this browser does not read it`,
      cause,
    ),
  );
  try {
    checkPixels(bitmap, maxPixels);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return new BitmapPicture(bitmap);
}

function checkPixels({ width, height }: { readonly width: number; readonly height: number }, maxPixels: number): void {
  if (width < 1 || height < 1) refuse(`${width}x${height} pixels, allowed: at least 1x1`);
  if (width * height > maxPixels) refuse(`${width}x${height} pixels, allowed: ${maxPixels}`);
}

function refuse(reason: string, cause?: unknown): never {
  throw new NearmissError('NM_PICTURE_INVALID', `picture: ${reason}`, { cause });
}

class BitmapPicture implements DevicePicture {
  readonly width: number;
  readonly height: number;
  readonly #bitmap: ImageBitmap;

  constructor(bitmap: ImageBitmap) {
    this.#bitmap = bitmap;
    this.width = bitmap.width;
    this.height = bitmap.height;
  }

  pixels(size: number, fit: Fit = 'pad'): Uint8Array {
    const { width, height } = this;
    const scale = Math.min(1, Math.sqrt(CANVAS_PIXELS / (width * height)));
    const { canvas, context } = this.#draw(scale);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const pixels = { data: bytes, width: canvas.width, height: canvas.height, channels: 4 };
    return resizeArea(pixels, size, fit, { width, height });
  }

  thumbnail(side: number): Promise<Blob> {
    const { canvas } = this.#draw(Math.min(1, side / Math.max(this.width, this.height)));
    return canvas.convertToBlob({ type: 'image/webp', quality: 0.85 });
  }

  close(): void {
    this.#bitmap.close();
  }

  #draw(scale: number): { canvas: OffscreenCanvas; context: OffscreenCanvasRenderingContext2D } {
    const width = Math.max(1, Math.floor(this.width * scale));
    const height = Math.max(1, Math.floor(this.height * scale));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (!context) throw new NearmissError('NM_OUT_OF_MEMORY', `no canvas of ${width}x${height} pixels could be made`);
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#bitmap, 0, 0, width, height);
    return { canvas, context };
  }
}
