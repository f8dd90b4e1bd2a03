import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { NearmissError } from '../errors.js';
import { BYTES_TYPE, PICTURE_TYPES } from './bodies.js';
import type { EmbeddingService } from './embedding.js';
import type { ServiceLimits } from './options.js';

/** Pictures of a request: files, or pixels uint8 [count, size, size, 3]. */
export type Pictures =
  | { readonly files: readonly Uint8Array[]; readonly fields: Readonly<Record<string, string>> }
  | { readonly pixels: Uint8Array; readonly count: number };

function invalid(message: string): NearmissError {
  return new NearmissError('NM_REQUEST_INVALID', message);
}

/** The encoder of a service; `NM_MODEL_ABSENT` where it has none. */
export function encoderOf(embedding: EmbeddingService | undefined): EmbeddingService {
  if (embedding) return embedding;
  throw new NearmissError(
    'NM_MODEL_ABSENT',
    'found a picture, but this service runs without a model; allowed: vectors, ids',
  );
}

/** The bytes of a base64 text. */
export function fromBase64(text: string, place: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  // Node skips what is not base64; then there are fewer bytes than the length says.
  if (text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding) return bytes;
  throw invalid(`${place}: found text that is no base64`);
}

export function checkBatch(count: number, limits: ServiceLimits, what: string): void {
  if (count <= limits.maxBatch) return;
  throw new NearmissError(
    'NM_REQUEST_TOO_LARGE',
    `${what}: found ${count}, allowed: at most ${limits.maxBatch} in a request`,
  );
}

/**
 * The pictures of a body that is not JSON: one picture file, the files of a form, or, where the address gives `size`, pixels.
 *
 * @throws `NM_MEDIA_TYPE_UNSUPPORTED`, `NM_REQUEST_INVALID`, `NM_REQUEST_TOO_LARGE`, `NM_SHAPE_MISMATCH`
 */
export async function readPictures(
  request: FastifyRequest,
  size: number | undefined,
  limits: ServiceLimits,
  embedding: EmbeddingService | undefined,
): Promise<Pictures> {
  const type = request.mediaType;
  if (type !== BYTES_TYPE && size !== undefined) {
    throw invalid(`address.size: found with a body of ${type ?? 'no type'}, allowed: with ${BYTES_TYPE}`);
  }
  if (type === BYTES_TYPE && size !== undefined)
    return rawPixels(bodyBytes(request), size, limits, encoderOf(embedding));
  if (type === BYTES_TYPE || PICTURE_TYPES.some((each) => each === type))
    return { files: [bodyBytes(request)], fields: {} };
  if (type === 'multipart/form-data') return readForm(request, limits);
  throw new NearmissError(
    'NM_MEDIA_TYPE_UNSUPPORTED',
    `Content-Type: found ${type ?? 'none'}, allowed: application/json, multipart/form-data, ${BYTES_TYPE}, ${PICTURE_TYPES.join(', ')}`,
  );
}

function bodyBytes({ body }: FastifyRequest): Uint8Array {
  if (Buffer.isBuffer(body) && body.length > 0) return body;
  throw invalid('body: found nothing, allowed: a picture');
}

function rawPixels(pixels: Uint8Array, size: number, limits: ServiceLimits, embedding: EmbeddingService): Pictures {
  if (size !== embedding.size) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `size: found ${size}, allowed: ${embedding.size}, that of the model`);
  }
  const picture = size * size * 3;
  if (pixels.length % picture !== 0) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `body: found ${pixels.length} bytes, allowed: a multiple of ${picture} (${size} x ${size} x 3)`,
    );
  }
  const count = pixels.length / picture;
  checkBatch(count, limits, 'pictures');
  return { pixels, count };
}

/** Files of a form in their order, whatever they are called, and its text fields. */
async function readForm(request: FastifyRequest, limits: ServiceLimits): Promise<Pictures> {
  try {
    return await parseForm(request, limits);
  } catch (error) {
    // The parser says in plain errors, without codes, that it cannot read a form; a mistake of ours is of another class.
    if (error instanceof Error && error.constructor === Error && !('code' in error)) {
      const reason = error.message.replace(/^multipart: /i, '').slice(0, 200);
      throw new NearmissError('NM_REQUEST_INVALID', `multipart: ${reason}`, { cause: error });
    }
    throw error;
  }
}

async function parseForm(request: FastifyRequest, limits: ServiceLimits): Promise<Pictures> {
  const files: Uint8Array[] = [];
  const fields: Record<string, string> = {};
  let bytes = 0;
  const sizes = { fileSize: limits.maxBodyBytes, fieldSize: 64 * 1024, fieldNameSize: 100, headerPairs: 20 };
  const counts = { files: limits.maxBatch, fields: 8, parts: limits.maxBatch + 8 };
  for await (const part of request.parts({ limits: { ...sizes, ...counts } })) {
    if (part.type === 'field') {
      if (part.valueTruncated || typeof part.value !== 'string')
        throw invalid(`multipart: field ${part.fieldname.slice(0, 40)} is too long`);
      if (Object.hasOwn(fields, part.fieldname))
        throw invalid(`multipart: found field ${part.fieldname.slice(0, 40)} twice`);
      fields[part.fieldname] = part.value;
      continue;
    }
    const file = await (part as MultipartFile).toBuffer();
    bytes += file.length;
    if (bytes > limits.maxBodyBytes) {
      throw new NearmissError(
        'NM_REQUEST_TOO_LARGE',
        `multipart: found more than ${limits.maxBodyBytes} bytes of files`,
      );
    }
    if (file.length === 0) throw invalid('multipart: found an empty file, allowed: pictures');
    files.push(file);
  }
  if (files.length === 0) throw invalid('multipart: found no file, allowed: pictures');
  return { files, fields };
}

/** Vectors [pictures, dimension] of a request's pictures. */
export function embed(embedding: EmbeddingService, pictures: Pictures, signal: AbortSignal): Promise<Float32Array> {
  return 'pixels' in pictures
    ? embedding.embedPixels(pictures.pixels, signal)
    : embedding.embedPictures(pictures.files, signal);
}

/** The rows of a matrix [count, dimension], as views. */
export function rowsOf(matrix: Float32Array, dimension: number): Float32Array[] {
  return Array.from({ length: matrix.length / dimension }, (_, i) =>
    matrix.subarray(i * dimension, (i + 1) * dimension),
  );
}

/** Numbers of a request as a vector of the store. */
export function vectorFrom(numbers: readonly number[], dimension: number, place: string): Float32Array {
  if (numbers.length === dimension) return Float32Array.from(numbers);
  throw new NearmissError('NM_SHAPE_MISMATCH', `${place}: found ${numbers.length} dimensions, allowed: ${dimension}`);
}

/** `NM_ENCODER_MISMATCH` for vectors of another encoder than the store's. */
export function checkEncoder(allowed: string, found: string | undefined, place: string): void {
  if (found === undefined || found === allowed) return;
  throw new NearmissError(
    'NM_ENCODER_MISMATCH',
    `${place}: found ${found}, allowed: ${allowed}, which filled the store`,
  );
}
