import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { averagePrecisionAtR, meanOfNumbers } from '../../src/evaluate/index.js';

const unit = (...degrees: number[]): Float32Array =>
  Float32Array.from(degrees.flatMap((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)]));

describe('averagePrecisionAtR', () => {
  it('counts the precision at each right place among the first R', () => {
    // By distance from 0°: classes 1, 0, 1, 1, 0. R = 3: right at places 1 and 3 of the first three.
    const gallery = unit(5, 10, 20, 30, 40);
    const found = averagePrecisionAtR(unit(0), [1], gallery, [1, 0, 1, 1, 0], 2);
    expect(found[0]).toBeCloseTo((1 / 1 + 2 / 3) / 3, 12);
    // R = 2 for class 0: right at place 2 only.
    expect(averagePrecisionAtR(unit(0), [0], gallery, [1, 0, 1, 1, 0], 2)[0]).toBeCloseTo(1 / 2 / 2, 12);
  });

  it('counts ties against the query and leaves out the query itself and classes of one', () => {
    expect(averagePrecisionAtR(unit(0), [1], unit(10, 10), [1, 0], 2)[0]).toBe(0);
    const rows = unit(0, 1, 90);
    const found = averagePrecisionAtR(rows, [0, 0, 1], rows, [0, 0, 1], 2, { leaveOneOut: true });
    expect(found[0]).toBe(1);
    expect(found[2]).toBeNaN();
    expect(meanOfNumbers(found)).toBe(1);
    expect(meanOfNumbers(Float64Array.of(Number.NaN))).toBe(0);
  });

  it('equals the definition written out in full', () => {
    const scores = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.boolean()), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(scores, (drawn) => {
        const gallery = Float32Array.from(drawn, ([score]) => score);
        const labels = drawn.map(([, right]) => (right ? 1 : 0));
        const relevant = labels.filter((label) => label === 1).length;
        const order = drawn.map(([score], row) => ({ score, right: labels[row] === 1 }));
        order.sort((a, b) => b.score - a.score || Number(a.right) - Number(b.right));
        let hits = 0;
        let sum = 0;
        order.slice(0, relevant).forEach(({ right }, place) => {
          if (!right) return;
          hits++;
          sum += hits / (place + 1);
        });
        const [found] = averagePrecisionAtR(Float32Array.of(1), [1], gallery, labels, 1);
        if (relevant === 0) expect(found).toBeNaN();
        else expect(found).toBeCloseTo(sum / relevant, 12);
      }),
    );
  });
});
