import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html } from '../../src/report/html.js';
import { line, niceAxis, type Point, plot, smooth, stepAxis, thin, tickLabels } from '../../src/report/plot.js';

const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe('niceAxis', () => {
  it('covers the values with a few equal steps of round numbers', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 20 }), (values) => {
        const { from, to, ticks } = niceAxis(values);
        const step = ticks[1]! - ticks[0]!;
        const slack = 1e-6 * step;
        expect(from).toBeLessThanOrEqual(Math.min(...values) + slack);
        expect(to).toBeGreaterThanOrEqual(Math.max(...values) - slack);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(8);
        const mantissa = Number((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(6));
        expect([1, 2, 2.5, 5]).toContain(mantissa);
        ticks.forEach((tick, i) => {
          expect(Math.abs(tick - (ticks[0]! + i * step))).toBeLessThan(1e-6 * step * (i + 1) + 1e-12 * Math.abs(tick));
        });
      }),
    );
  });

  it('gives the ticks that a person would', () => {
    expect(niceAxis([0, 1]).ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(niceAxis([0, 0.3]).ticks).toEqual([0, 0.1, 0.2, 0.3]);
    expect(niceAxis([4.03, 5.9]).ticks).toEqual([4, 4.5, 5, 5.5, 6]);
    expect(niceAxis([-0.8, 0.7]).ticks).toEqual([-1, -0.5, 0, 0.5, 1]);
  });

  it('leaves values out that are not finite, and has an axis for none', () => {
    expect(niceAxis([1, Number.NaN, 2, Number.POSITIVE_INFINITY])).toEqual(niceAxis([1, 2]));
    expect(niceAxis([])).toEqual({ from: 0, to: 1, ticks: [0, 1] });
    expect(niceAxis([3, 3]).from).toBeLessThan(3);
    expect(niceAxis([0]).to).toBeGreaterThan(0);
  });
});

describe('stepAxis', () => {
  it('ends at the last step and marks round steps before it', () => {
    expect(stepAxis([0, 350, 700])).toEqual({ from: 0, to: 700, ticks: [0, 200, 400, 600] });
    expect(stepAxis([]).to).toBe(1);
  });
});

describe('tickLabels', () => {
  it('writes the same number of decimals, a proper minus, thousands and the unit', () => {
    expect(tickLabels({ from: -0.5, to: 0.5, ticks: [-0.5, 0, 0.5] })).toEqual(['−0.5', '0.0', '0.5']);
    expect(tickLabels({ from: 0, to: 2000, ticks: [0, 1000, 2000] })).toEqual(['0', '1,000', '2,000']);
    expect(tickLabels({ from: 0, to: 50, ticks: [0, 50] }, '%')).toEqual(['0%', '50%']);
    expect(tickLabels({ from: 0, to: 2e-8, ticks: [0, 1e-8, 2e-8] })[1]).toBe('1.0e−8');
  });
});

describe('line', () => {
  const same = (value: number): number => value;

  it('breaks where a value is not finite', () => {
    const points: Point[] = [
      [0, 1],
      [1, 2],
      [2, Number.NaN],
      [3, 4],
    ];
    expect(line(points, same, same, 'first').text).toContain('d="M0 1L1 2M3 4"');
  });

  it('draws nothing without a finite point', () => {
    expect(line([[0, Number.NaN]], same, same, 'first').text).toBe('');
  });
});

describe('smooth', () => {
  it('is the mean over a centred window that shrinks at the ends', () => {
    const points = [0, 3, 6, 0, 6].map((value, i): Point => [i, value]);
    expect(smooth(points, 3).map(([, value]) => value)).toEqual([0, 3, 3, 4, 6]);
    expect(smooth(points, 1)).toEqual(points);
  });
});

describe('thin', () => {
  it('keeps the least and greatest value and the order, with fewer points', () => {
    const points = Array.from({ length: 10_000 }, (_, i): Point => [i, Math.sin(i / 50) + (i === 4321 ? 9 : 0)]);
    const kept = thin(points, 500);
    expect(kept.length).toBeLessThanOrEqual(500);
    expect(Math.max(...kept.map(([, value]) => value))).toBe(points[4321]![1]);
    expect(Math.min(...kept.map(([, value]) => value))).toBe(Math.min(...points.map(([, value]) => value)));
    expect(kept.every(([step], i) => i === 0 || step > kept[i - 1]![0])).toBe(true);
    expect(thin(points.slice(0, 400), 500)).toHaveLength(400);
  });
});

describe('plot', () => {
  it('places ends of both axes at the ends of the drawing area, y upwards', () => {
    let places: number[] = [];
    const axis = niceAxis([0, 10]);
    const drawn = plot(
      { x: { axis, label: 'a < b' }, y: { axis, label: 'y' }, description: '"said"' },
      ({ x, y, bottom, top }) => {
        places = [x(0), x(10), y(0) - bottom, y(10) - top];
        return html`<g/>`;
      },
    );
    expect(places[0]).toBeLessThan(places[1]!);
    expect(places.slice(2)).toEqual([0, 0]);
    expect(drawn.text).toContain('a &lt; b');
    expect(drawn.text).toContain('aria-label="&quot;said&quot;"');
  });
});
