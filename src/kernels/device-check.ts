import { NearmissError } from '../errors.js';
import type { DeviceExports, DeviceKernel } from './device-exports.js';
import { type AddParameters, LANES, type LayerBlock, writeAddParameters, writeLayer } from './device-layout.js';
import { codePanels, type FilterShape, floatPanels } from './device-panels.js';

// A layer of 3x3 patches over a map of 4x7 pixels of eight channels, in whole numbers, so that every sum is exact: five
// pixels wide (a tile and one that overlaps it) and two wide (pixels one by one). The first page of memory holds all of it.
const ROWS = 4;
const COLUMNS = 7;
const HEIGHT = 2;
const WIDTH = 5;
const AT = { layer: 0, weights: 1024, source: 8192, other: 16384, out: 24576 };

const LOWEST = -20;
const FACTOR = 2;
const [LEAST, MOST] = [-128, 127];
/** Of codes: sums of 72 products of up to 255 · 128 mostly become codes, some must be clamped. */
const SCALE = 2 ** -14;
const ADDITION: AddParameters = { ratioA: 0.25, ratioB: 0.5, fixed: 3.25, zeroA: 1, zeroB: 2, zeroOut: 3 };

const whole = (i: number, from: number, to: number): number => from + ((i * 7919 + 13) % (to - from + 1));

function halfEven(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

const clamp = (value: number): number => Math.min(MOST, Math.max(LEAST, value));

/** Values of a map of whole numbers, by place. */
type Values = (y: number, x: number, channel: number) => number;

interface Trial {
  readonly kernel: DeviceKernel;
  readonly block: Partial<LayerBlock>;
  readonly expected: Values;
  /** Writes what the layer's `weights` point to. */
  prepare?(): void;
}

function run(exports: DeviceExports, trial: Trial, place: typeof Int16Array | typeof Float32Array, tier: string): void {
  const { memory } = exports;
  trial.prepare?.();
  writeLayer(memory, AT.layer, trial.block);
  exports[trial.kernel](AT.layer);
  const out = new place(memory.buffer, AT.out, HEIGHT * WIDTH * LANES);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < trial.block.width!; x++) {
      for (let channel = 0; channel < LANES; channel++) {
        const found = out[(y * WIDTH + x) * LANES + channel]!;
        const allowed = trial.expected(y, x, channel);
        if (found === allowed) continue;
        const where = `${trial.kernel}[${y}][${x}][${channel}]`;
        throw new NearmissError('NM_SELF_CHECK_FAILED', `${tier} SIMD: ${where} gave ${found}, allowed: ${allowed}`);
      }
    }
  }
}

/** The trials of maps of float32 or of codes. */
function trials(memory: WebAssembly.Memory, codes: boolean, place: typeof Int16Array | typeof Float32Array): Trial[] {
  const source = new place(memory.buffer, AT.source, ROWS * COLUMNS * LANES);
  for (let i = 0; i < source.length; i++) source[i] = codes ? whole(i, -255, 255) : whole(i, -9, 9);
  const other = new place(memory.buffer, AT.other, HEIGHT * WIDTH * LANES);
  for (let i = 0; i < other.length; i++) other[i] = whole(i, -99, 99);
  const input: Values = (y, x, channel) => source[(y * COLUMNS + x) * LANES + channel]!;
  const beside: Values = (y, x, channel) => other[(y * WIDTH + x) * LANES + channel]!;

  const weight = (i: number): number => (codes ? whole(i, -128, 127) : whole(i, -5, 5));
  const filter = Array.from({ length: 9 * LANES * LANES }, (_, i) => weight(i));
  const bias = Array.from({ length: LANES }, (_, i) => 3 * weight(i));
  const patch = (y: number, x: number, from: number, at: number): number => {
    let sum = 0;
    for (let p = 0; p < 9; p++) sum += input(y + Math.floor(p / 3), x + (p % 3), from) * (at < 0 ? 1 : filter[at + p]!);
    return sum;
  };
  const dense: Values = (y, x, output) => {
    let sum = bias[output]!;
    for (let from = 0; from < LANES; from++) sum += patch(y, x, from, (output * LANES + from) * 9);
    return sum;
  };
  const depthwise: Values = (y, x, output) => bias[output]! + patch(y, x, output, 9 * output);

  const pixel = LANES * place.BYTES_PER_ELEMENT;
  const block: Partial<LayerBlock> = {
    source: AT.source,
    sourceRow: COLUMNS * pixel,
    sourcePixel: pixel,
    patchRows: 3,
    patchRowStep: COLUMNS * pixel,
    length: 3,
    patchPixelStep: pixel,
    weights: AT.weights,
    out: AT.out,
    outRow: WIDTH * pixel,
    outPixel: pixel,
    height: HEIGHT,
    width: WIDTH,
    panels: 1,
    other: AT.other,
    otherRow: WIDTH * pixel,
    otherPixel: pixel,
    lowest: LOWEST,
    factor: FACTOR,
    least: LEAST,
    most: MOST,
  };
  const shape = (inputs: number): FilterShape => {
    return { outputs: LANES, inputs, pitch: inputs, height: 3, width: 3, depthwise: inputs === 1 };
  };
  const pack = (inputs: number) => (): void => {
    const scales = new Array<number>(LANES).fill(SCALE);
    const panels = codes
      ? codePanels(filter, bias, scales, shape(inputs))
      : new Uint8Array(floatPanels(filter, bias, shape(inputs)).buffer);
    new Uint8Array(memory.buffer, AT.weights).set(panels);
  };
  const both = (trial: Trial): Trial[] => [trial, { ...trial, block: { ...trial.block, width: 2 } }];

  if (codes) {
    const coded =
      (sum: Values): Values =>
      (y, x, channel) =>
        halfEven(clamp(sum(y, x, channel) * SCALE));
    const sum: Values = (y, x, channel) => {
      const { ratioA, ratioB, fixed, zeroA, zeroB, zeroOut } = ADDITION;
      const exact = (input(y, x, channel) + zeroA) * ratioA + (beside(y, x, channel) + zeroB) * ratioB + fixed;
      return clamp(halfEven(exact) - zeroOut);
    };
    return [
      ...both({
        kernel: 'convolveCodes',
        block: { ...block, length: (3 * LANES) / 2 },
        expected: coded(dense),
        prepare: pack(LANES),
      }),
      { kernel: 'depthwiseCodes', block, expected: coded(depthwise), prepare: pack(1) },
      { kernel: 'addCodes', block, expected: sum, prepare: () => writeAddParameters(memory, AT.weights, ADDITION) },
    ];
  }
  const joined =
    (sum: Values): Values =>
    (y, x, c) =>
      Math.max(LOWEST, sum(y, x, c) + beside(y, x, c));
  return [
    ...both({
      kernel: 'convolveFloats',
      block: { ...block, length: 3 * LANES },
      expected: joined(dense),
      prepare: pack(LANES),
    }),
    { kernel: 'depthwiseFloats', block, expected: joined(depthwise), prepare: pack(1) },
    { kernel: 'averageFloats', block, expected: (y, x, c) => FACTOR * patch(y, x, c, -1) },
    { kernel: 'joinFloats', block, expected: joined(input) },
  ];
}

/**
 * Compares every kernel of an instance with sums taken in JavaScript, in the first page of its memory, which is zeros
 * afterwards.
 *
 * @throws `NM_SELF_CHECK_FAILED`
 */
export function checkDevice(exports: DeviceExports, tier: string): void {
  for (const place of [Float32Array, Int16Array]) {
    for (const trial of trials(exports.memory, place === Int16Array, place)) run(exports, trial, place, tier);
  }
  new Uint8Array(exports.memory.buffer).fill(0);
}
