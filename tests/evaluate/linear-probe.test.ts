import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { accuracy, fitLinearProbe, minimise } from '../../src/evaluate/index.js';

const WIDTH = 6;
const CLASSES = 4;

/** Rows that NumPy computes the same: float32 of a closed form. */
function rows(count: number, seed: number): { features: Float32Array; labels: Int32Array } {
  const labels = Int32Array.from({ length: count }, (_, i) => (i * 7 + seed) % CLASSES);
  const features = Float32Array.from({ length: count * WIDTH }, (_, at) => {
    const [i, j] = [Math.floor(at / WIDTH), at % WIDTH];
    return 2 * Math.sin(1.3 * (i * WIDTH + j + 1) + seed) + 0.9 * Math.cos(labels[i]! * (j + 1)) + 3 * j;
  });
  return { features, labels };
}

// LogisticRegression(C, tol=1e-10) on StandardScaler of the same rows, scikit-learn 1.9.1.
const SCIKIT_LEARN = [
  {
    c: 0.1,
    objective: 0.903106644643561,
    weights: [0.37240347, 0.52728294, 0.68101139],
    predicted: '2013201032103210321032103211301130113011',
  },
  {
    c: 1,
    objective: 0.3841071537705609,
    weights: [0.88976222, 1.19620286, 1.44992966],
    predicted: '1032103210321032301230123012303210321032',
  },
  {
    c: 10,
    objective: 0.10136214537854879,
    weights: [1.40077092, 1.88667094, 2.17491139],
    predicted: '1032103210321032103210321032103210321032',
  },
];

describe('fitLinearProbe', () => {
  const train = rows(60, 0);
  const test = rows(40, 1);

  it.each(SCIKIT_LEARN)(
    "is scikit-learn's logistic regression at C $c",
    async ({ c, objective, weights, predicted }) => {
      const probe = await fitLinearProbe(train.features, train.labels, WIDTH, { c });
      expect(probe.converged).toBe(true);
      expect(probe.value).toBeCloseTo(objective, 6);
      weights.forEach((weight, i) => {
        expect(probe.weights[i * CLASSES]).toBeCloseTo(weight, 3);
      });
      expect(probe.predict(test.features).join('')).toBe(predicted);
    },
  );

  it('does not care about the scale, the offset and constant columns of features', async () => {
    const wide = new Float32Array(60 * (WIDTH + 1)).fill(7);
    for (let i = 0; i < 60; i++) {
      for (let j = 0; j < WIDTH; j++) wide[i * (WIDTH + 1) + j] = 50 * train.features[i * WIDTH + j]! - 20;
    }
    const plain = await fitLinearProbe(train.features, train.labels, WIDTH, { c: 1 });
    const scaled = await fitLinearProbe(wide, train.labels, WIDTH + 1, { c: 1 });
    expect(scaled.value).toBeCloseTo(plain.value, 5);
  });

  it('gives the same probe for the same rows, whatever the labels are called', async () => {
    const named = await fitLinearProbe(
      train.features,
      Array.from(train.labels, (label) => 10 * label + 5),
      WIDTH,
    );
    const first = await fitLinearProbe(train.features, train.labels, WIDTH);
    const second = await fitLinearProbe(train.features, train.labels, WIDTH);
    expect(second.weights).toEqual(first.weights);
    expect(named.labels).toEqual([5, 15, 25, 35]);
    expect(named.predict(test.features)).toEqual(first.predict(test.features).map((label) => 10 * label + 5));
  });

  it('refuses one label alone, labels that are not one a row, and C that is not above 0', async () => {
    await expect(fitLinearProbe(train.features, new Int32Array(60), WIDTH)).rejects.toThrow(NearmissError);
    await expect(fitLinearProbe(train.features, [0, 1], WIDTH)).rejects.toMatchObject({ code: 'NM_SHAPE_MISMATCH' });
    const wrong = fitLinearProbe(train.features, train.labels, WIDTH, { c: 0 });
    await expect(wrong).rejects.toMatchObject({ code: 'NM_OPTION_INVALID' });
  });
});

describe('minimise', () => {
  it('finds the least of a stretched bowl', () => {
    const { x, converged } = minimise(
      (at, gradient) => {
        let value = 0;
        at.forEach((v, i) => {
          const steep = 10 ** i;
          value += 0.5 * steep * (v - i) ** 2;
          gradient[i] = steep * (v - i);
        });
        return value;
      },
      new Float64Array(5),
      { tolerance: 1e-9 },
    );
    expect(converged).toBe(true);
    x.forEach((v, i) => {
      expect(v).toBeCloseTo(i, 8);
    });
  });

  it('says when it did not get there', () => {
    const flat = minimise(
      (at, gradient) => {
        gradient[0] = Math.exp(-at[0]!) * -1;
        return Math.exp(-at[0]!);
      },
      new Float64Array(1),
      { tolerance: 1e-12, maxIterations: 3 },
    );
    expect(flat.converged).toBe(false);
    expect(flat.iterations).toBe(3);
  });
});

describe('accuracy', () => {
  it('is the share of equal labels', () => {
    expect(accuracy([1, 2, 3, 3], [1, 2, 3, 4])).toBe(0.75);
    expect(accuracy([], [])).toBe(0);
    expect(() => accuracy([1], [1, 2])).toThrow(NearmissError);
  });
});
