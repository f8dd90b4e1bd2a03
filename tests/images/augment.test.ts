import { beforeAll, describe, expect, test } from 'vitest';
import {
  type AugmentRecipe,
  augment,
  augmentedPictures,
  drawAugmentation,
  NO_AUGMENTATION,
  normalise,
  PAIRED_RECIPE,
  SIMCLR_BLUR_RECIPE,
  SIMCLR_RECIPE,
} from '../../src/images/index.js';
import { AUGMENT_PARAMETER_BYTES, type AugmentParameters, writeAugmentParameters } from '../../src/kernels/augment.js';
import { bytes, floats, loadTrainingKernels, standaloneHeap, type TrainingKernels } from '../../src/kernels/index.js';
import { randomStream } from '../../src/random.js';
import { TESTED_TIERS } from '../kernels/tiers.js';

function noise(count: number, seed = 1): Uint8Array {
  const random = randomStream(seed);
  return Uint8Array.from({ length: count }, () => random.integer(256));
}

const clamp = (value: number, high: number): number => Math.min(high, Math.max(0, value));

/** The definition, in float64 on values 0 … 1, one output pixel at a time, each step as a picture of its own. */
function reference(source: Uint8Array, sourceSize: number, size: number, p: AugmentParameters): Float64Array {
  const at = (y: number, x: number, c: number): number =>
    (source[(clamp(y, sourceSize - 1) * sourceSize + clamp(x, sourceSize - 1)) * 3 + c] as number) / 255;
  let picture = new Float64Array(size * size * 3);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const x = clamp(p.startX + j * p.stepX, sourceSize - 1);
      const y = clamp(p.startY + i * p.stepY, sourceSize - 1);
      const [x0, y0] = [Math.floor(x), Math.floor(y)];
      for (let c = 0; c < 3; c++) {
        picture[(i * size + j) * 3 + c] =
          at(y0, x0, c) * (1 - (x - x0)) * (1 - (y - y0)) +
          at(y0, x0 + 1, c) * (x - x0) * (1 - (y - y0)) +
          at(y0 + 1, x0, c) * (1 - (x - x0)) * (y - y0) +
          at(y0 + 1, x0 + 1, c) * (x - x0) * (y - y0);
      }
    }
  }
  if (p.colour) {
    const { brightness, contrast, matrix } = p.colour;
    picture = picture.map((value) => clamp(value * brightness, 1));
    let mean = 0;
    picture.forEach((value, k) => {
      mean += (value * ([0.299, 0.587, 0.114][k % 3] as number)) / (size * size);
    });
    picture = picture.map((value) => clamp(value * contrast + mean * (1 - contrast), 1));
    picture = picture.map((_, k) => {
      const [pixel, row] = [k - (k % 3), 3 * (k % 3)];
      let value = 0;
      for (let c = 0; c < 3; c++) value += (matrix[row + c] as number) * (picture[pixel + c] as number);
      return clamp(value, 1);
    });
  }
  const { taps } = p;
  if (taps) {
    for (const [dy, dx] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const before = picture;
      picture = before.map((_, k) => {
        const [i, j, c] = [Math.floor(k / (3 * size)), Math.floor(k / 3) % size, k % 3];
        let value = 0;
        for (let t = 1 - taps.length; t < taps.length; t++) {
          const from = (clamp(i + t * dy, size - 1) * size + clamp(j + t * dx, size - 1)) * 3 + c;
          value += (taps[Math.abs(t)] as number) * (before[from] as number);
        }
        return value;
      });
    }
  }
  return picture.map((value) => (value * 255 - 128) / 64);
}

/** Strong everything, so that every step of the kernel acts. */
const EVERYTHING: AugmentRecipe = {
  cropScale: [0.1, 0.9],
  aspect: [0.5, 2],
  flip: 0.5,
  jitter: { probability: 1, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.3 },
  grayscale: 0.2,
  blur: { probability: 1, sigma: [0.3, 4] },
};

describe.each(TESTED_TIERS)('augmentation, %s SIMD', (tier) => {
  let kernels: TrainingKernels;
  beforeAll(async () => {
    kernels = await loadTrainingKernels(standaloneHeap(), { tier });
  });

  function run(input: Omit<Parameters<typeof augment>[1], 'output'>): Float32Array {
    const { heap } = kernels;
    const length = input.rows.length * input.size * input.size * 3;
    const output = heap.malloc(4 * (length + 4));
    try {
      floats(heap, output, length + 4).fill(777);
      augment(kernels, { ...input, output });
      expect([...floats(heap, output + 4 * length, 4)]).toEqual([777, 777, 777, 777]);
      return floats(heap, output, length).slice();
    } finally {
      heap.free(output);
    }
  }
  const key = { seed: 3, purpose: 1, step: 2, view: 0 };

  test.each([
    [32, 32],
    [64, 32],
    [32, 48],
    [5, 4],
    [4, 5],
    [7, 7],
    [1, 3],
    [3, 1],
    [33, 31],
  ])('equals the float64 reference from %i to %i pixels', (sourceSize, size) => {
    const source = noise(8 * sourceSize * sourceSize * 3, sourceSize);
    const rows = Int32Array.of(7, 0, 3, 3);
    const recipes = [EVERYTHING, { ...EVERYTHING, blur: NO_AUGMENTATION.blur }, PAIRED_RECIPE, SIMCLR_RECIPE];
    for (const recipe of recipes) {
      const views = run({ source, sourceSize, size, rows, items: [5, 6, 7, 8], recipe, ...key });
      rows.forEach((row, i) => {
        const parameters = drawAugmentation(recipe, randomStream(3, 1, 2, 5 + i, 0), sourceSize, size);
        const length = sourceSize * sourceSize * 3;
        const wanted = reference(source.subarray(row * length, (row + 1) * length), sourceSize, size, parameters);
        const found = views.subarray(i * wanted.length, (i + 1) * wanted.length);
        // Values reach 255; about 30 roundings at that size, divided by 64.
        const error = wanted.reduce((most, value, k) => Math.max(most, Math.abs((found[k] as number) - value)), 0);
        expect(error).toBeLessThan((30 * 255 * 2 ** -24) / 64);
      });
    }
  });

  test('clamps sampling to the border when the crop reaches past it', () => {
    const { heap, exports } = kernels;
    const size = 6;
    const source = noise(size * size * 3);
    const parameters = { startX: -3, stepX: 2.3, startY: 8, stepY: -2.1 };
    const scratch = heap.malloc(4 * exports.augmentScratch(size, size));
    const block = heap.malloc(AUGMENT_PARAMETER_BYTES);
    const picture = heap.malloc(source.length);
    const output = heap.malloc(4 * source.length);
    bytes(heap, picture, source.length).set(source);
    writeAugmentParameters(heap.memory.buffer, block, parameters);
    exports.augmentPicture(picture, size, size, output, size, block, scratch);
    const wanted = reference(source, size, size, parameters);
    floats(heap, output, source.length).forEach((value, k) => {
      expect(value).toBeCloseTo(wanted[k] as number, 5);
    });
    for (const address of [scratch, block, picture, output]) heap.free(address);
  });

  test.each([32, 48, 7, 1])('leaves %i pixels exactly as they are when nothing is asked for', (size) => {
    const source = noise(2 * size * size * 3);
    const wanted = Float32Array.from(source, (p) => (p - 128) / 64);
    expect(run({ source, size, rows: [0, 1], recipe: NO_AUGMENTATION, ...key })).toEqual(wanted);
  });

  test('mirrors exactly', () => {
    const size = 32;
    const source = noise(size * size * 3);
    const views = run({ source, size, rows: [0], recipe: { ...NO_AUGMENTATION, flip: 1 }, ...key });
    const wanted = views.map((_, k) => {
      const [i, j, c] = [Math.floor(k / (3 * size)), Math.floor(k / 3) % size, k % 3];
      return ((source[(i * size + size - 1 - j) * 3 + c] as number) - 128) / 64;
    });
    expect(views).toEqual(wanted);
  });

  test('takes all colour away and keeps the luminance', () => {
    const source = noise(16 * 16 * 3);
    const views = run({ source, size: 16, rows: [0], recipe: { ...NO_AUGMENTATION, grayscale: 1 }, ...key });
    for (let k = 0; k < source.length; k += 3) {
      const [r, g, b] = [...source.subarray(k, k + 3)] as [number, number, number];
      const luminance = (0.299 * r + 0.587 * g + 0.114 * b - 128) / 64;
      for (let c = 0; c < 3; c++) expect(views[k + c]).toBeCloseTo(luminance, 4);
    }
  });

  test('keeps flat pictures flat under blur', () => {
    const recipe = { ...NO_AUGMENTATION, blur: { probability: 1, sigma: [5, 5] as const } };
    const views = run({ source: new Uint8Array(16 * 16 * 3).fill(200), size: 16, rows: [0], recipe, ...key });
    for (const value of views) expect(value).toBeCloseTo((200 - 128) / 64, 5);
  });

  test('depends on the key alone, not on what else is in the call', () => {
    const source = noise(4 * 32 * 32 * 3);
    const together = run({ source, size: 32, rows: [2, 1, 0], items: [9, 4, 1], recipe: SIMCLR_BLUR_RECIPE, ...key });
    const alone = run({ source, size: 32, rows: [1], items: [4], recipe: SIMCLR_BLUR_RECIPE, ...key });
    expect(together.subarray(alone.length, 2 * alone.length)).toEqual(alone);
    for (const other of [{ seed: 4 }, { purpose: 2 }, { step: 3 }, { view: 1 }, { items: [5] }]) {
      const changed = { source, size: 32, rows: [1], items: [4], recipe: SIMCLR_BLUR_RECIPE, ...key, ...other };
      expect(run(changed)).not.toEqual(alone);
    }
  });

  test('names items by their rows when no items are given', () => {
    const source = noise(4 * 8 * 8 * 3);
    const input = { source, size: 8, rows: [3, 1], recipe: SIMCLR_RECIPE, ...key };
    expect(run(input)).toEqual(run({ ...input, items: [3, 1] }));
  });

  test('shows views as pictures', () => {
    const source = noise(2 * 8 * 8 * 3);
    expect(augmentedPictures(kernels, { source, size: 8, rows: [1, 0], recipe: NO_AUGMENTATION, ...key })).toEqual(
      Uint8Array.of(...source.subarray(192), ...source.subarray(0, 192)),
    );
    const input = { source, size: 8, rows: [0], recipe: SIMCLR_RECIPE, ...key };
    const seen = augmentedPictures(kernels, input);
    run(input).forEach((value, k) => {
      expect(Math.abs(value * 64 + 128 - (seen[k] as number))).toBeLessThanOrEqual(0.5);
    });
  });

  test.each([0, 1, 7, 8, 9, 19, 300_000])('normalises %i bytes exactly, from any address', (count) => {
    const { heap } = kernels;
    const source = noise(count + 1).subarray(1);
    const output = heap.malloc(4 * count + 8);
    floats(heap, output, count + 2).fill(777);
    normalise(kernels, { source, output: output + 4 });
    const all = floats(heap, output, count + 2);
    expect(all.subarray(1, -1).every((value, k) => value === ((source[k] as number) - 128) / 64)).toBe(true);
    expect([all[0], all.at(-1)]).toEqual([777, 777]);
    heap.free(output);
  });

  test('frees what it took, also when it throws', () => {
    const heap = standaloneHeap();
    const own = { ...kernels, heap };
    const source = noise(8 * 8 * 3);
    expect(() => augmentedPictures(own, { source, size: 8, rows: [1], recipe: NO_AUGMENTATION, ...key })).toThrow(
      'rows: found 1, allowed: whole numbers 0 to 0',
    );
    expect(heap.used).toBe(0);
  });

  test('refuses shapes that do not fit', () => {
    const source = noise(8 * 8 * 3);
    const input = { size: 8, rows: [0], recipe: NO_AUGMENTATION, ...key };
    const code = (change: object): unknown => {
      try {
        augmentedPictures(kernels, { source, ...input, ...change });
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
      return undefined;
    };
    expect(code({ source: noise(100) })).toBe('NM_SHAPE_MISMATCH');
    expect(code({ items: [1, 2] })).toBe('NM_SHAPE_MISMATCH');
    expect(code({ rows: [0.5] })).toBe('NM_OPTION_INVALID');
    expect(code({ rows: [-1] })).toBe('NM_OPTION_INVALID');
  });
});

describe('what is drawn', () => {
  const draws = 20_000;
  const drawn = (recipe: AugmentRecipe): AugmentParameters[] =>
    Array.from({ length: draws }, (_, item) => drawAugmentation(recipe, randomStream(7, item), 32, 32));
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

  test('crops cover the area uniformly in scale, log-uniformly in aspect, anywhere inside the picture', () => {
    const all = drawn({ ...NO_AUGMENTATION, cropScale: [0.2, 0.7], aspect: [3 / 4, 4 / 3] });
    // At an area of at most .7 and an aspect of at most 4/3 no side is clipped.
    const area = all.map(({ stepX, stepY }) => stepX * stepY).sort((a, b) => a - b);
    const aspect = all.map(({ stepX, stepY }) => Math.log(stepX / stepY)).sort((a, b) => a - b);
    const limit = Math.log(4 / 3);
    for (const q of [0.01, 0.25, 0.5, 0.75, 0.99]) {
      expect(area[Math.floor(q * draws)]).toBeCloseTo(0.2 + 0.5 * q, 1.7);
      expect(aspect[Math.floor(q * draws)]).toBeCloseTo(limit * (2 * q - 1), 1.7);
    }
    // The crop's edges: half a step outside the outermost sampling points, within half a pixel outside the picture's.
    const edges = all.flatMap(({ startX, stepX, startY, stepY }) => [
      startX - stepX / 2,
      startY - stepY / 2,
      31 - startX - 31.5 * stepX,
      31 - startY - 31.5 * stepY,
    ]);
    const outermost = edges.reduce((least, edge) => Math.min(least, edge), 0);
    expect(outermost).toBeGreaterThanOrEqual(-0.5 - 1e-9);
    expect(outermost).toBeLessThan(-0.49);
  });

  test('the centre is uniform over the places where the crop fits', () => {
    const all = drawn({ ...NO_AUGMENTATION, cropScale: [0.25, 0.25] });
    const left = all.map(({ startX, stepX }) => startX - stepX / 2 + 0.5).sort((a, b) => a - b);
    for (const q of [0.1, 0.5, 0.9]) expect(left[Math.floor(q * draws)]).toBeCloseTo(16 * q, 0);
  });

  test('flip, jitter, grayscale and blur come as often as asked, with the ranges asked', () => {
    const all = drawn({ ...SIMCLR_BLUR_RECIPE, grayscale: 0 });
    expect(mean(all.map(({ stepX }) => (stepX < 0 ? 1 : 0)))).toBeCloseTo(0.5, 1.5);
    const colours = all.flatMap(({ colour }) => colour ?? []);
    expect(colours.length / draws).toBeCloseTo(0.8, 1.5);
    for (const values of [colours.map((c) => c.brightness), colours.map((c) => c.contrast)]) {
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0.6);
      expect(Math.min(...values)).toBeLessThan(0.602);
      expect(Math.max(...values)).toBeLessThanOrEqual(1.4);
      expect(Math.max(...values)).toBeGreaterThan(1.398);
      expect(mean(values)).toBeCloseTo(1, 1.7);
    }
    expect(mean(all.map(({ taps }) => (taps ? 1 : 0)))).toBeCloseTo(0.5, 1.5);
    const gray = drawn({ ...NO_AUGMENTATION, grayscale: 0.2 }).flatMap(({ colour }) => colour ?? []);
    expect(gray.length / draws).toBeCloseTo(0.2, 1.5);
    for (const { matrix } of gray.slice(0, 3)) {
      [0.299, 0.587, 0.114, 0.299, 0.587, 0.114, 0.299, 0.587, 0.114].forEach((weight, k) => {
        expect(matrix[k]).toBeCloseTo(weight, 12);
      });
    }
  });

  test('the colour matrix keeps grey and, at a whole turn of hue, every colour', () => {
    const jitter = { probability: 1, brightness: 0, contrast: 0, saturation: 0.4, hue: 0.1 };
    for (const { colour } of drawn({ ...NO_AUGMENTATION, jitter }).slice(0, 50)) {
      const matrix = colour?.matrix ?? [];
      for (let row = 0; row < 3; row++) {
        expect(
          (matrix[3 * row] as number) + (matrix[3 * row + 1] as number) + (matrix[3 * row + 2] as number),
        ).toBeCloseTo(1, 10);
      }
    }
    const still = drawAugmentation(
      { ...NO_AUGMENTATION, jitter: { ...jitter, saturation: 0, hue: 0 } },
      randomStream(1),
      32,
      32,
    );
    [1, 0, 0, 0, 1, 0, 0, 0, 1].forEach((value, k) => {
      expect(still.colour?.matrix[k]).toBeCloseTo(value, 12);
    });
  });

  test('a change of one range leaves the other numbers alone', () => {
    const one = drawAugmentation(SIMCLR_RECIPE, randomStream(5), 32, 32);
    const other = drawAugmentation(
      { ...SIMCLR_RECIPE, flip: 0, blur: { probability: 1, sigma: [1, 2] } },
      randomStream(5),
      32,
      32,
    );
    expect(other.startY).toBe(one.startY);
    expect(Math.abs(other.stepX)).toBe(Math.abs(one.stepX));
    expect(other.colour).toEqual(one.colour);
  });
});
