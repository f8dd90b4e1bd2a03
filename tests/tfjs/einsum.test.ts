import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, largestError, uniform } from './convolution-reference.js';

const SIZES: Readonly<Record<string, number>> = { b: 2, c: 3, h: 2, i: 5, j: 4, k: 7 };
const shapeOf = (term: string): number[] => [...term].map((label) => SIZES[label]!);
const sizeOf = (term: string): number => shapeOf(term).reduce((a, b) => a * b, 1);

/** Place of the labels' values in a row-major tensor of these labels. */
const placeIn = (term: string, values: Readonly<Record<string, number>>): number =>
  [...term].reduce((place, label) => place * SIZES[label]! + values[label]!, 0);

/** Calls `visit` for every combination of values of the labels: an einsum is the sum over all of them. */
function eachCombination(labels: readonly string[], visit: (values: Record<string, number>) => void): void {
  const values: Record<string, number> = {};
  const descend = (depth: number): void => {
    const label = labels[depth];
    if (label === undefined) {
      visit(values);
      return;
    }
    for (let value = 0; value < SIZES[label]!; value++) {
      values[label] = value;
      descend(depth + 1);
    }
  };
  descend(0);
}

interface Reference {
  readonly value: Float64Array;
  readonly gradients: readonly Float64Array[];
}

function reference(
  inputs: readonly string[],
  output: string,
  data: readonly Float32Array[],
  dy: Float32Array,
): Reference {
  const value = new Float64Array(sizeOf(output));
  const gradients = inputs.map((term) => new Float64Array(sizeOf(term)));
  eachCombination([...new Set(inputs.join(''))], (values) => {
    const at = placeIn(output, values);
    const factors = inputs.map((term, n) => data[n]![placeIn(term, values)]!);
    value[at]! += factors.reduce((a, b) => a * b, 1);
    inputs.forEach((term, n) => {
      gradients[n]![placeIn(term, values)]! += dy[at]! * factors.filter((_, m) => m !== n).reduce((a, b) => a * b, 1);
    });
  });
  return { value, gradients };
}

const EQUATIONS = [
  'ij->ji',
  'ij->i',
  'ij->',
  'bij->jb',
  ',->',
  'i,->i',
  'i,i->',
  'i,i->i',
  'i,j->ij',
  'i,j->ji',
  'ij,jk->ik',
  'ij,kj->ki',
  'ji,jk->ki',
  'bij,bjk->bik',
  'bij,bkj->ikb',
  'bhic,bhjc->bhij',
  'bihc,bjhc->bhij',
  'bij,j->bi',
  'bij,k->b',
  'ij,ij->i',
  'ijb,jki->kb',
  'bchi,hjc->ij',
] as const;

/** tfjs's cpu backend gives another shape for the first and throws on the second, which are valid equations. */
const CPU_IS_WRONG: readonly string[] = ['bij,k->b', 'bchi,hjc->ij'];

const parts = (equation: string): { inputs: string[]; output: string } => {
  const [left, output] = equation.split('->') as [string, string];
  return { inputs: left.split(','), output };
};

describe.each(TESTED_TIERS)('einsum, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  test.each(EQUATIONS)(
    '%s has the value and the gradients of the sum over all labels, and leaves nothing',
    (equation) => {
      const { inputs, output } = parts(equation);
      const data = inputs.map((term, n) => uniform(sizeOf(term), n + 1));
      const dy = uniform(sizeOf(output), 9);
      const expected = reference(inputs, output, data, dy);
      const terms = new Set(inputs.join('')).size;
      const tolerance =
        8 * EPS * Math.sqrt([...new Set(inputs.join(''))].reduce((n, l) => n * SIZES[l]!, 1)) * (1 + terms);
      const before = tf.memory();
      tf.tidy(() => {
        const tensors = inputs.map((term, n) => tf.tensor(data[n]!, shapeOf(term)));
        const run = (...operands: tf.Tensor[]): tf.Tensor => tf.einsum(equation, ...operands);
        const found = run(...tensors);
        expect(found.shape).toEqual(shapeOf(output));
        expect(largestError(found.dataSync(), expected.value)).toBeLessThan(tolerance);
        const gradients = tf.grads(run)(tensors, tf.tensor(dy, shapeOf(output)));
        gradients.forEach((gradient, n) => {
          expect(gradient.shape).toEqual(shapeOf(inputs[n]!));
          expect(largestError(gradient.dataSync(), expected.gradients[n]!)).toBeLessThan(tolerance);
        });
      });
      expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    },
  );

  test.each(EQUATIONS)('%s of int32 is exact, as on the cpu backend', async (equation) => {
    const { inputs, output } = parts(equation);
    const data = inputs.map((term, n) => uniform(sizeOf(term), n + 1).map((value) => Math.round(9 * value)));
    const exact = reference(inputs, output, data, new Float32Array(sizeOf(output))).value;
    const run = (): number[] =>
      tf.tidy(() => {
        const tensors = inputs.map((term, n) => tf.tensor(Int32Array.from(data[n]!), shapeOf(term), 'int32'));
        const found = tf.einsum(equation, ...tensors);
        expect(found.dtype).toBe('int32');
        expect(found.shape).toEqual(shapeOf(output));
        return [...found.dataSync()];
      });
    expect(run()).toEqual([...exact]);
    if (CPU_IS_WRONG.includes(equation)) return;
    await tf.setBackend('cpu');
    try {
      expect(run()).toEqual([...exact]);
    } finally {
      await tf.setBackend('wasm');
    }
  });
});

test('refuses an output that names a label twice', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  const code = expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' });
  expect(() => tf.einsum('i->ii', tf.ones([2]))).toThrow(code);
  uninstall(tf);
});
