import { describe, expect, it } from 'vitest';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { decodeModel } from '../../src/onnx/model.js';
import { planQuantisation } from '../../src/onnx/quantise-graph.js';
import { calibrate, Histogram } from '../../src/onnx/quantise-ranges.js';
import { runGraph } from './integer-reference.js';
import { refusal } from './refusal.js';
import { details, randomPictures, randomReadout, specimen } from './specimen.js';

describe('a histogram', () => {
  it('leaves out equal shares at both ends, to the width of a bin', () => {
    const values = Float32Array.from({ length: 100_000 }, (_, i) => i / 50_000 - 1);
    const histogram = new Histogram({ min: -1, max: 1 });
    histogram.add(values.subarray(0, 30_000));
    histogram.add(values.subarray(30_000));
    const { min, max } = histogram.percentile(98);
    expect(min).toBeCloseTo(-0.98, 2);
    expect(max).toBeCloseTo(0.98, 2);
  });

  it('cuts off a few outliers and keeps 0', () => {
    const values = new Float32Array(50_000).fill(1);
    values[7] = 1000;
    const histogram = new Histogram({ min: 0, max: 1000 });
    histogram.add(values);
    const { min, max } = histogram.percentile(99.99);
    expect(min).toBe(0);
    expect(max).toBeGreaterThanOrEqual(1);
    expect(max).toBeLessThan(1.5);
  });

  it('keeps everything where nothing is far out, and a range of nothing', () => {
    const histogram = new Histogram({ min: 0, max: 4 });
    histogram.add(Float32Array.of(0, 1, 2, 3, 4));
    expect(histogram.percentile(99.99)).toEqual({ min: 0, max: 4 });
    const none = new Histogram({ min: 0, max: 0 });
    none.add(new Float32Array(10));
    expect(none.percentile(99.99).min).toBe(0);
  });
});

describe('calibrate', () => {
  const { graph, weights } = specimen('tiny-resnet-lab');
  const readout = randomReadout(graph, 2, 16);
  const file = encoderToOnnx({ graph, weights, size: 32, readout, card: details });
  const model = decodeModel(file);
  const plan = planQuantisation(model.graph!);
  const { tensors } = plan;

  it('gives the extremes of every tensor over all pictures, and the mean features', async () => {
    const pictures = randomPictures(35, 32);
    const { ranges } = await calibrate(model, plan, pictures, 32);
    // The float64 forward pass is slow: one picture of each batch must lie within, and alone be its own range.
    const one = pictures.subarray(0, 3072);
    const { ranges: own } = await calibrate(model, plan, one, 32);
    const reference = runGraph(file, one, 32);
    for (const tensor of tensors) {
      const values = reference.get(tensor)!.data;
      const [min, max] = [Math.min(0, ...values), Math.max(0, ...values)];
      const found = own['min-max'].get(tensor)!;
      expect(found.min).toBeCloseTo(min, 3);
      expect(found.max).toBeCloseTo(max, 3);
      const all = ranges['min-max'].get(tensor)!;
      expect(all.min).toBeLessThanOrEqual(found.min + 1e-4);
      expect(all.max).toBeGreaterThanOrEqual(found.max - 1e-4);
      const kept = ranges.percentile.get(tensor)!;
      expect(kept.min).toBeGreaterThanOrEqual(all.min - 1e-4);
      expect(kept.max).toBeLessThanOrEqual(all.max * (1 + 1e-6));
    }
    expect(
      tensors.some((tensor) => ranges.percentile.get(tensor)!.max < 0.95 * ranges['min-max'].get(tensor)!.max),
    ).toBe(true);
  });

  it('refuses pictures that are not whole, and none', async () => {
    for (const pictures of [new Uint8Array(0), randomPictures(1, 32).subarray(5)]) {
      expect((await refusal(calibrate(model, plan, pictures, 32))).code).toBe('NM_SHAPE_MISMATCH');
    }
  });
});

describe('planQuantisation', () => {
  const plan = (name: string): ReturnType<typeof planQuantisation> => {
    const { graph, weights } = specimen(name);
    const file = encoderToOnnx({ graph, weights, size: 32, readout: { pool: 1 }, card: details });
    return planQuantisation(decodeModel(file).graph!);
  };

  it('takes every convolution and residual addition, and tensors behind their ReLU', () => {
    const { tensors, integer, pixels } = plan('tiny-resnet');
    expect([...pixels]).toEqual(['pixels']);
    expect(integer.size).toBe(9 + 3);
    expect(tensors.slice(0, 4)).toEqual(['stem.norm', 'block1.conv1.norm', 'block1.conv2.norm', 'block1']);
    expect(tensors).toHaveLength(12);
  });

  it('leaves the conversion to Lab in float32, and quantises what it gives', () => {
    const { tensors, integer, pixels } = plan('tiny-resnet-lab');
    expect(pixels.size).toBe(0);
    expect(integer.size).toBe(2 * (9 + 3));
    expect(tensors.filter((tensor) => tensor.includes('lab'))).toEqual(['l.lab', 'ab.lab']);
    expect([...integer].filter((tensor) => tensor.includes('lab'))).toEqual([]);
  });
});
