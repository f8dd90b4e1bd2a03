import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { loadDeviceKernels } from '../../src/kernels/device.js';
import type { DeviceExports, DeviceKernel } from '../../src/kernels/device-exports.js';
import { type LayerBlock, writeAddParameters, writeLayer } from '../../src/kernels/device-layout.js';
import { codePanels, floatPanels, panelCount } from '../../src/kernels/device-panels.js';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { DataType, encodeModel } from '../../src/onnx/model.js';
import { makeNode, makeTensor, makeTensorValueInfo } from '../../src/onnx/nodes.js';
import { randomStream } from '../../src/random.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

/** The bytes of a built module with every occurrence of an instruction replaced by another of its length. */
async function altered(tier: string, from: readonly number[], to: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(await readFile(new URL(`../../dist/wasm/device-${tier}.wasm`, import.meta.url)));
  let count = 0;
  for (let i = 0; i + from.length <= bytes.length; i++) {
    if (!from.every((byte, j) => bytes[i + j] === byte)) continue;
    bytes.set(to, i);
    count += 1;
  }
  expect(count).toBeGreaterThan(0);
  return bytes;
}

const MADD = [0xfd, 0x85, 0x02];
const NMADD = [0xfd, 0x86, 0x02];
/** Instructions and others of their length and type. */
const FAULTS: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['i32x4.dot_i16x8_s → i32x4.mul', [0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]],
  ['i32x4.extmul_high_i16x8_s → extmul_low', [0xfd, 0xbd, 0x01], [0xfd, 0xbc, 0x01]],
  ['f32x4.nearest → f32x4.floor', [0xfd, 0x6a], [0xfd, 0x68]],
  ['f32x4.max → f32x4.min', [0xfd, 0xe9, 0x01], [0xfd, 0xe8, 0x01]],
  ['f64x2.add → f64x2.sub', [0xfd, 0xf0, 0x01], [0xfd, 0xf1, 0x01]],
];

describe('loadDeviceKernels', () => {
  it.each(SIMD_TIERS)('loads %s kernels with a clean memory of their own', async (tier) => {
    const [first, second] = [await loadDeviceKernels({ tier }), await loadDeviceKernels({ tier })];
    expect(first.tier).toBe(tier);
    expect(first.passedOver).toBeUndefined();
    const bytes = new Uint8Array(first.exports.memory.buffer);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    bytes[0] = 1;
    expect(new Uint8Array(second.exports.memory.buffer)[0]).toBe(0);
  });

  it('falls back to plain SIMD where relaxed SIMD is wrong, and says so; never where it was asked for', async () => {
    const relaxed = await altered('relaxed', MADD, NMADD);
    const kernels = await loadDeviceKernels({ modules: { relaxed } });
    expect(kernels.tier).toBe('plain');
    expect(kernels.passedOver).toContain('relaxed SIMD');
    await expect(loadDeviceKernels({ tier: 'relaxed', modules: { relaxed } })).rejects.toThrow(
      code('NM_SELF_CHECK_FAILED'),
    );
  });

  it.each(FAULTS)('refuses code with a fault: %s', async (_, from, to) => {
    const plain = await altered('plain', from, to);
    await expect(loadDeviceKernels({ tier: 'plain', modules: { plain } })).rejects.toThrow(
      code('NM_SELF_CHECK_FAILED'),
    );
  });
});

interface Case {
  readonly inputs: number;
  readonly outputs: number;
  readonly width: number;
  readonly stride: number;
  readonly side: number;
}

/** Widths around the tile's four pixels, channels around the panel's eight. */
const CASES: readonly Case[] = [
  { inputs: 1, outputs: 1, width: 1, stride: 1, side: 1 },
  { inputs: 3, outputs: 7, width: 3, stride: 1, side: 3 },
  { inputs: 7, outputs: 8, width: 4, stride: 2, side: 3 },
  { inputs: 8, outputs: 9, width: 5, stride: 1, side: 3 },
  { inputs: 9, outputs: 16, width: 11, stride: 2, side: 1 },
  { inputs: 16, outputs: 19, width: 8, stride: 3, side: 2 },
];
const HEIGHT = 2;

/** Runs a convolution at addresses that nothing is aligned to; out [height, width, panels of 8]. */
function convolve(
  exports: DeviceExports,
  kernel: DeviceKernel,
  { inputs, outputs, width, stride, side }: Case,
  pitch: number,
  source: Float32Array | Int16Array,
  panels: Uint8Array,
  more: Partial<LayerBlock>,
): (y: number, x: number, channel: number) => number {
  const { memory } = exports;
  if (memory.buffer.byteLength < 2 ** 20) memory.grow(16);
  const bytes = source.BYTES_PER_ELEMENT;
  const columns = (width - 1) * stride + side;
  const at = { layer: 68, source: 1026, weights: 70_006, out: 400_010 };
  const lanes = panelCount(outputs) * 8;
  const all = new Uint8Array(memory.buffer);
  all.set(new Uint8Array(source.buffer), at.source);
  all.set(panels, at.weights);
  const depthwise = kernel.startsWith('depthwise');
  writeLayer(memory, at.layer, {
    source: at.source,
    sourceRow: stride * columns * pitch * bytes,
    sourcePixel: stride * pitch * bytes,
    patchRows: side,
    patchRowStep: columns * pitch * bytes,
    length: depthwise ? side : (side * pitch) / (bytes === 2 ? 2 : 1),
    patchPixelStep: pitch * bytes,
    weights: at.weights,
    out: at.out,
    outRow: width * lanes * bytes,
    outPixel: lanes * bytes,
    height: HEIGHT,
    width,
    panels: panelCount(outputs),
    ...more,
  });
  expect(inputs).toBeLessThanOrEqual(pitch);
  exports[kernel](at.layer);
  const view = new DataView(memory.buffer, at.out);
  return (y, x, channel) => {
    const index = ((y * width + x) * lanes + channel) * bytes;
    return bytes === 2 ? view.getInt16(index, true) : view.getFloat32(index, true);
  };
}

describe.each(SIMD_TIERS)('%s kernels', (tier) => {
  it.each(CASES)(
    'convolve floats and codes: $inputs to $outputs channels, $width pixels, stride $stride',
    async (shape) => {
      const { exports } = await loadDeviceKernels({ tier });
      const { inputs, outputs, width, stride, side } = shape;
      const random = randomStream(3, inputs, outputs);
      const rows = (HEIGHT - 1) * stride + side;
      const columns = (width - 1) * stride + side;
      for (const [kernel, depthwise] of [
        ['convolveFloats', false],
        ['convolveCodes', false],
        ['depthwiseFloats', true],
        ['depthwiseCodes', true],
      ] as const) {
        const codes = kernel.endsWith('Codes');
        const perFilter = depthwise ? 1 : inputs;
        const channels = depthwise ? outputs : inputs;
        const pitch = depthwise ? panelCount(outputs) * 8 : codes ? inputs + (inputs % 2) : inputs;
        const draw = (limit: number): number =>
          codes ? Math.round(limit * (2 * random.uniform() - 1)) : Math.fround(2 * random.uniform() - 1);
        const source = new (codes ? Int16Array : Float32Array)(rows * columns * pitch);
        // Filling between the channels is garbage, which weights of 0 leave out.
        for (let i = 0; i < source.length; i++) source[i] = draw(255);
        const filter = Array.from({ length: outputs * perFilter * side * side }, () => draw(128));
        const bias = Array.from({ length: outputs }, () => draw(1000));
        const scales = Float32Array.from({ length: outputs }, () => (0.5 + random.uniform()) / 800);
        const filling = depthwise ? 1 : pitch;
        const form = { outputs, inputs: perFilter, pitch: filling, height: side, width: side, depthwise };
        const panels = codes
          ? codePanels(filter, bias, scales, form)
          : new Uint8Array(floatPanels(filter, bias, form).buffer);
        const [least, most] = [-100, 90];
        const lowest = -0.25;
        const found = convolve(exports, kernel, { ...shape, inputs: channels }, pitch, source, panels, {
          least,
          most,
          lowest,
        });
        for (let y = 0; y < HEIGHT; y++) {
          for (let x = 0; x < width; x++) {
            for (let output = 0; output < outputs; output++) {
              let sum = bias[output]!;
              let size = Math.abs(sum);
              for (let input = 0; input < perFilter; input++) {
                for (let place = 0; place < side * side; place++) {
                  const [row, column] = [y * stride + Math.floor(place / side), x * stride + (place % side)];
                  const from = source[(row * columns + column) * pitch + (depthwise ? output : input)]!;
                  const term = from * filter[(output * perFilter + input) * side * side + place]!;
                  sum += term;
                  size += Math.abs(term);
                }
              }
              const where = `${kernel}[${y}][${x}][${output}]`;
              if (codes) {
                const scaled = Math.min(most, Math.max(least, Math.fround(Math.fround(sum) * scales[output]!)));
                const expected =
                  Math.round(scaled) - (scaled % 1 !== 0 && scaled % 0.5 === 0 && Math.round(scaled) % 2 !== 0 ? 1 : 0);
                if (found(y, x, output) !== expected) expect.fail(`${where}: ${found(y, x, output)}, not ${expected}`);
              } else {
                const error = Math.abs(found(y, x, output) - Math.max(lowest, sum));
                const terms = 1 + perFilter * side * side;
                if (!(error <= 2 ** -23 * Math.sqrt(terms) * size))
                  expect.fail(`${where}: off by ${error}, of ${size}`);
              }
            }
          }
        }
      }
    },
  );

  it("adds all pairs of codes as onnxruntime's QLinearAdd", async () => {
    const { exports } = await loadDeviceKernels({ tier });
    exports.memory.grow(8);
    const random = randomStream(5, 1);
    const pairs = 65_536;
    const a = Uint8Array.from({ length: pairs }, (_, i) => i & 255);
    const b = Uint8Array.from({ length: pairs }, (_, i) => i >> 8);
    for (let trial = 0; trial < 6; trial++) {
      const scale = (): number => Math.fround(0.01 + 0.06 * random.uniform());
      const scales = [scale(), scale(), scale()] as const;
      const zeros = [random.integer(256), random.integer(256), trial % 2 ? 0 : random.integer(256)] as const;
      const expected = await runtimeSum(a, b, scales, zeros);
      const [zeroA, zeroB, zeroOut] = zeros;
      const at = { layer: 64, weights: 256, a: 1024, b: 140_000, out: 280_000 };
      new Int16Array(exports.memory.buffer, at.a, pairs).set(Int16Array.from(a, (byte) => byte - zeroA));
      new Int16Array(exports.memory.buffer, at.b, pairs).set(Int16Array.from(b, (byte) => byte - zeroB));
      const [ratioA, ratioB] = [Math.fround(scales[0] / scales[2]), Math.fround(scales[1] / scales[2])];
      const fixed = Math.fround(zeroOut - Math.fround(ratioA * zeroA + Math.fround(ratioB * zeroB)));
      writeAddParameters(exports.memory, at.weights, { ratioA, ratioB, fixed, zeroA, zeroB, zeroOut });
      writeLayer(exports.memory, at.layer, {
        ...{
          source: at.a,
          sourcePixel: 2 * pairs,
          other: at.b,
          otherPixel: 2 * pairs,
          out: at.out,
          outPixel: 2 * pairs,
        },
        ...{ weights: at.weights, height: 1, width: 1, panels: pairs / 8, least: -zeroOut, most: 255 - zeroOut },
      });
      exports.addCodes(at.layer);
      const found = new Int16Array(exports.memory.buffer, at.out, pairs);
      const wrong = found.findIndex((sum, i) => sum + zeroOut !== expected[i]);
      expect(wrong, `pair ${a[wrong]}, ${b[wrong]} of scales ${scales}, zero points ${zeros}`).toBe(-1);
    }
  });
});

/** QLinearAdd, as onnxruntime makes it of its parts: scales and zero points of the addends and of the sum. */
async function runtimeSum(
  a: Uint8Array,
  b: Uint8Array,
  scales: readonly number[],
  zeros: readonly number[],
): Promise<Uint8Array> {
  const decode = (name: string, i: number): ReturnType<typeof makeNode> =>
    makeNode('DequantizeLinear', [name, `scale${i}`, `zero${i}`], `${name}.number`);
  const value = (name: string): ReturnType<typeof makeTensorValueInfo> =>
    makeTensorValueInfo(name, DataType.UINT8, [a.length]);
  const bytes = encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [],
    graph: {
      name: 'sum',
      node: [
        decode('a', 0),
        decode('b', 1),
        makeNode('Add', ['a.number', 'b.number'], 'sum'),
        makeNode('QuantizeLinear', ['sum', 'scale2', 'zero2'], 'out'),
      ],
      initializer: [
        ...scales.map((scale, i) => makeTensor(`scale${i}`, [], Float32Array.of(scale))),
        ...zeros.map((zero, i) => makeTensor(`zero${i}`, [], Uint8Array.of(zero))),
      ],
      input: [value('a'), value('b')],
      output: [value('out')],
      valueInfo: [],
    },
  });
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'all' });
  const result = await session.run({ a: new Tensor('uint8', a, [a.length]), b: new Tensor('uint8', b, [b.length]) });
  await session.release();
  return result['out']!.data as Uint8Array;
}
