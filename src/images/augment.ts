import { NearmissError } from '../errors.js';
import {
  AUGMENT_PARAMETER_BYTES,
  type AugmentParameters,
  MAX_BLUR_RADIUS,
  writeAugmentParameters,
} from '../kernels/augment.js';
import type { TrainingKernels } from '../kernels/index.js';
import { bytes, floats } from '../kernels/index.js';
import type { Random } from '../random.js';
import { randomStream } from '../random.js';
import type { AugmentRecipe } from './recipe.js';

/** RGB to YIQ, and back: luminance apart from colour, in whose plane saturation scales and hue turns. */
const YIQ = [0.299, 0.587, 0.114, 0.596, -0.274, -0.322, 0.211, -0.523, 0.312] as const;
const RGB_OF_YIQ = invert(YIQ);

function product(a: readonly number[], b: readonly number[]): number[] {
  const result = new Array<number>(9).fill(0);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      for (let k = 0; k < 3; k++) result[3 * i + j]! += a[3 * i + k]! * b[3 * k + j]!;
    }
  }
  return result;
}

function invert(m: readonly number[]): number[] {
  const [a, b, c, d, e, f, g, h, i] = m as [number, number, number, number, number, number, number, number, number];
  const adjugate = [e * i - f * h, c * h - b * i, b * f - c * e];
  adjugate.push(f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d);
  const determinant = a * adjugate[0]! + b * adjugate[3]! + c * adjugate[6]!;
  return adjugate.map((value) => value / determinant);
}

/** Matrix that scales saturation by `saturation` (0 is grayscale) and turns hue by `angle` radians. */
function colourMatrix(saturation: number, angle: number): number[] {
  const cos = saturation * Math.cos(angle);
  const sin = saturation * Math.sin(angle);
  return product(RGB_OF_YIQ, product([1, 0, 0, 0, cos, -sin, 0, sin, cos], YIQ));
}

/** Normalised weights of a Gaussian at 0, 1, … pixels, out to three standard deviations. */
function blurTaps(sigma: number): number[] {
  const radius = Math.min(MAX_BLUR_RADIUS, Math.max(1, Math.ceil(3 * sigma)));
  const taps = Array.from({ length: radius + 1 }, (_, t) => Math.exp((-t * t) / (2 * sigma * sigma)));
  const sum = taps.reduce((total, tap, t) => total + (t === 0 ? tap : 2 * tap), 0);
  return taps.map((tap) => tap / sum);
}

/**
 * Draws what happens to one picture: random resized crop (area uniform, aspect log-uniform, clipped to the picture,
 * place uniform), flip, colour jitter in the fixed order brightness, contrast, saturation and hue, grayscale, blur.
 * Always the same number of draws, so a change of one range leaves the other numbers alone.
 *
 * @param sourceSize side of the source picture, pixels
 * @param size side of the view, pixels
 */
export function drawAugmentation(
  recipe: AugmentRecipe,
  random: Random,
  sourceSize: number,
  size: number,
): AugmentParameters {
  const { cropScale, aspect, flip, jitter, grayscale, blur } = recipe;
  const within = ([low, high]: readonly [number, number]): number => low + (high - low) * random.uniform();
  const around = (): number => 2 * random.uniform() - 1;
  const area = within(cropScale);
  const ratio = Math.exp(within([Math.log(aspect[0]), Math.log(aspect[1])]));
  const width = Math.min(1, Math.sqrt(area * ratio));
  const height = Math.min(1, Math.sqrt(area / ratio));
  const centreX = around() * (1 - width);
  const centreY = around() * (1 - height);
  const mirror = random.uniform() < flip ? -1 : 1;
  const jittered = random.uniform() < jitter.probability;
  const factor = (range: number): number => {
    const draw = around();
    return jittered ? 1 + draw * range : 1;
  };
  const brightness = factor(jitter.brightness);
  const contrast = factor(jitter.contrast);
  const saturation = factor(jitter.saturation);
  const turn = around();
  const angle = jittered ? turn * jitter.hue * 2 * Math.PI : 0;
  const gray = random.uniform() < grayscale;
  const blurred = random.uniform() < blur.probability;
  const sigma = within(blur.sigma);

  // The crop in coordinates -1 … 1 has its centre at `centre` and half its extent is `width`; output pixel j lies at
  // ((2 j + 1) / size - 1) of it (affine_grid and grid_sample with align_corners = False, in PyTorch's terms). Written so
  // that a whole crop of the same size gives whole numbers without rounding.
  const start = (centre: number, extent: number): number =>
    ((centre + 1) * sourceSize - 1) / 2 + (extent * sourceSize * (1 - size)) / (2 * size);
  const step = (extent: number): number => (extent * sourceSize) / size;
  return {
    startX: start(centreX, mirror * width),
    stepX: step(mirror * width),
    startY: start(centreY, height),
    stepY: step(height),
    ...((jittered || gray) && {
      colour: { brightness, contrast, matrix: colourMatrix(gray ? 0 : saturation, angle) },
    }),
    ...(blurred && { taps: blurTaps(sigma) }),
  };
}

/** What `augment` makes views of. */
export interface AugmentInput {
  /** Pictures, `[count, sourceSize, sourceSize, 3]`. */
  readonly source: Uint8Array;
  /** Side of a view, pixels. */
  readonly size: number;
  /** Side of a picture, pixels. Default `size`. A view is sampled bilinearly: keep it at most 2 `size`. */
  readonly sourceSize?: number;
  /** Which pictures, one a view. */
  readonly rows: ArrayLike<number>;
  /** Names each view's random stream: its place in the batch or the item's number. Default `rows`. */
  readonly items?: ArrayLike<number>;
  readonly recipe: AugmentRecipe;
  readonly seed: number;
  /** Names what the numbers are for, beside other streams of the same seed. */
  readonly purpose: number;
  readonly step: number;
  readonly view: number;
}

function checkPictures(source: Uint8Array, size: number): number {
  const length = size * size * 3;
  if (Number.isInteger(size) && size >= 1 && source.length % length === 0) return source.length / length;
  throw new NearmissError(
    'NM_SHAPE_MISMATCH',
    `source: found ${source.length} bytes, allowed: a multiple of ${length} (pictures of ${size}x${size}x3)`,
  );
}

function checkRows(input: AugmentInput, count: number): void {
  const { rows, items = rows } = input;
  if (rows.length !== items.length) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `items: found ${items.length}, allowed: ${rows.length}, one a row`);
  }
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (!Number.isInteger(row) || row < 0 || row >= count) {
      throw new NearmissError('NM_OPTION_INVALID', `rows: found ${row}, allowed: whole numbers 0 to ${count - 1}`);
    }
  }
}

/**
 * Makes one augmented view of each row and writes them, normalised to (p - 128) / 64, as float32
 * `[rows, size, size, 3]`. The numbers depend on (seed, purpose, step, item, view) alone.
 *
 * @param input.output address on the kernels' heap of `rows * size * size * 3` floats
 * @throws `NM_SHAPE_MISMATCH`, `NM_OPTION_INVALID`
 */
export function augment(kernels: TrainingKernels, input: AugmentInput & { readonly output: number }): void {
  const { source, size, sourceSize = size, rows, items = rows, output, recipe, seed, purpose, step, view } = input;
  checkRows(input, checkPictures(source, sourceSize));
  const { heap, exports } = kernels;
  const length = sourceSize * sourceSize * 3;
  const scratchBytes = 4 * exports.augmentScratch(sourceSize, size);
  // One picture at a time: source, parameters and planes stay in the cache.
  const block = heap.malloc(AUGMENT_PARAMETER_BYTES + scratchBytes + length);
  try {
    const scratch = block + AUGMENT_PARAMETER_BYTES;
    const picture = scratch + scratchBytes;
    const target = bytes(heap, picture, length);
    for (let i = 0; i < rows.length; i++) {
      const random = randomStream(seed, purpose, step, items[i]!, view);
      const parameters = drawAugmentation(recipe, random, sourceSize, size);
      writeAugmentParameters(heap.memory.buffer, block, parameters);
      target.set(source.subarray(rows[i]! * length, (rows[i]! + 1) * length));
      const to = output + 4 * i * size * size * 3;
      exports.augmentPicture(picture, sourceSize, sourceSize, to, size, block, scratch);
    }
  } finally {
    heap.free(block);
  }
}

/**
 * The same views as `augment` makes, as pictures to look at: uint8 `[rows, size, size, 3]`, rounded.
 */
export function augmentedPictures(kernels: TrainingKernels, input: AugmentInput): Uint8Array {
  const { heap } = kernels;
  const length = input.rows.length * input.size * input.size * 3;
  const output = heap.malloc(4 * length);
  try {
    augment(kernels, { ...input, output });
    // A clamped array rounds halves to even and keeps 0 … 255.
    return new Uint8Array(Uint8ClampedArray.from(floats(heap, output, length), (value) => 64 * value + 128).buffer);
  } finally {
    heap.free(output);
  }
}

/** Bytes copied to the heap at a time by `normalise`. */
const CHUNK = 1 << 18;

/**
 * Writes uint8 pictures as float32, (p - 128) / 64, exactly: what evaluation and export see.
 *
 * @param input.source any number of bytes, such as `[count, size, size, 3]`
 * @param input.output address on the kernels' heap of as many floats
 */
export function normalise(
  kernels: TrainingKernels,
  input: { readonly source: Uint8Array; readonly output: number },
): void {
  const { heap, exports } = kernels;
  const { source, output } = input;
  const chunk = Math.min(CHUNK, source.length);
  if (chunk === 0) return;
  const block = heap.malloc(chunk);
  try {
    const target = bytes(heap, block, chunk);
    for (let at = 0; at < source.length; at += chunk) {
      const part = source.subarray(at, at + chunk);
      target.set(part);
      exports.normalisePixels(block, output + 4 * at, part.length);
    }
  } finally {
    heap.free(block);
  }
}
