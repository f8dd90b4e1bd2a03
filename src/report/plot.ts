import { Html, type HtmlValue, html } from './html.js';

/** Units of the drawing; it scales with the page's column, so text stays readable on a phone. */
const WIDTH = 440;
const HEIGHT = 250;
const TOP = 10;
const BOTTOM = 42;
const LEFT = 60;

/** From and to of an axis, and the numbers marked on it. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/**
 * An axis over the finite values, from one round number to another, with about `count` steps of 1, 2, 2.5 or 5 times a
 * power of ten. Values that are all equal (to 9 digits) get some room around them.
 */
export function niceAxis(values: Iterable<number>, count = 5): Axis {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { from: 0, to: 1, ticks: [0, 1] };
  const magnitude = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= 1e-9 * magnitude || magnitude < 1e-12) {
    const room = magnitude < 1e-12 ? 0.5 : magnitude / 2;
    low -= room;
    high += room;
  }
  const step = niceStep((high - low) / count);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  // Multiples of the step, rounded to its digits, so that 0.30000000000000004 is 0.3.
  const digits = Math.max(0, 2 - Math.floor(Math.log10(step)));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toFixed(Math.min(digits, 100))),
  );
  return { from: ticks[0]!, to: ticks[ticks.length - 1]!, ticks };
}

/** An axis for steps: from 0 to the last one exactly. */
export function stepAxis(steps: readonly number[]): Axis {
  const to = Math.max(1, ...steps.filter(Number.isFinite));
  return { from: 0, to, ticks: niceAxis([0, to]).ticks.filter((tick) => tick <= to) };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => rough <= candidate * power * (1 + 1e-9)) ?? 10;
  return factor * power;
}

/** The ticks' texts: all with the same number of decimals, thousands separated. */
export function tickLabels(axis: Axis, unit = ''): string[] {
  const decimals = Math.max(...axis.ticks.map((tick) => (String(tick).split('.')[1] ?? '').length));
  const plain = axis.ticks.some((tick) => Math.abs(tick) >= 1e7 || (tick !== 0 && Math.abs(tick) < 1e-6));
  return axis.ticks.map((tick) => {
    const text = plain ? tick.toExponential(1) : tick.toLocaleString('en-US', { minimumFractionDigits: decimals });
    return `${text.replace('-', '−')}${unit}`;
  });
}

export interface AxisSpec {
  readonly axis: Axis;
  readonly label: string;
  /** Follows each number, `%` for instance. */
  readonly unit?: string;
}

export interface Frame {
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  /** A second scale at the right, for one curve drawn over the rest. */
  readonly right?: AxisSpec;
  /** What the drawing says, for screen readers. */
  readonly description: string;
}

export type Point = readonly [x: number, y: number];

/** Places of a frame's drawing area, in its units. */
export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly right: (value: number) => number;
  readonly bottom: number;
  readonly top: number;
}

const fixed = (value: number): string => String(Math.round(value * 10) / 10);

/** An SVG with axes, ticks, grid and labels; `draw` gives what is inside them. */
export function plot(frame: Frame, draw: (scales: Scales) => HtmlValue): Html {
  const rightMargin = frame.right ? 48 : 12;
  const [innerWidth, innerHeight] = [WIDTH - LEFT - rightMargin, HEIGHT - TOP - BOTTOM];
  const across =
    ({ from, to }: Axis) =>
    (value: number): number =>
      LEFT + ((value - from) / (to - from)) * innerWidth;
  const up =
    ({ from, to }: Axis) =>
    (value: number): number =>
      TOP + innerHeight - ((value - from) / (to - from)) * innerHeight;
  const bottom = TOP + innerHeight;
  const end = LEFT + innerWidth;
  const { x, y, right } = frame;
  const scales: Scales = { x: across(x.axis), y: up(y.axis), right: up(right?.axis ?? y.axis), bottom, top: TOP };
  const middle = TOP + innerHeight / 2;

  const yLabels = tickLabels(y.axis, y.unit);
  const grid = y.axis.ticks.map((tick, i) => {
    const at = fixed(scales.y(tick));
    return html`<line class="${tick === y.axis.from ? 'axis' : 'grid'}" x1="${LEFT}" x2="${end}" y1="${at}" y2="${at}"/><text x="${LEFT - 8}" y="${at}" dy=".35em" text-anchor="end">${yLabels[i]}</text>`;
  });
  const xLabels = tickLabels(x.axis, x.unit);
  const columns = x.axis.ticks.map((tick, i) => {
    const at = fixed(scales.x(tick));
    return html`<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}"/><text x="${at}" y="${bottom + 17}" text-anchor="middle">${xLabels[i]}</text>`;
  });
  const rightLabels = right ? tickLabels(right.axis, right.unit) : [];
  const rightTicks = right?.axis.ticks.map(
    (tick, i) => html`<text x="${end + 8}" y="${fixed(scales.right(tick))}" dy=".35em">${rightLabels[i]}</text>`,
  );
  const sideways = (at: number, text: string): Html =>
    html`<text class="label" transform="translate(${at} ${fixed(middle)}) rotate(-90)" text-anchor="middle">${text}</text>`;
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${frame.description}">${grid}${columns}${rightTicks}${draw(scales)}<text class="label" x="${fixed(LEFT + innerWidth / 2)}" y="${HEIGHT - 6}" text-anchor="middle">${x.label}</text>${sideways(11, y.label)}${right ? sideways(WIDTH - 4, right.label) : undefined}</svg>`;
}

/** A line through the points; where one is not finite the line is broken. */
export function line(
  points: readonly Point[],
  x: (value: number) => number,
  y: (value: number) => number,
  style: string,
): Html {
  let path = '';
  let pen = 'M';
  for (const [px, py] of points) {
    if (!(Number.isFinite(px) && Number.isFinite(py))) {
      pen = 'M';
      continue;
    }
    path += `${pen}${fixed(x(px))} ${fixed(y(py))}`;
    pen = 'L';
  }
  return path === '' ? new Html('') : html`<path class="line ${style}" d="${path}"/>`;
}

/** Dots with their values as tooltips. */
export function dots(points: readonly Point[], scales: Scales, style: string, say: (point: Point) => string): Html[] {
  return points
    .filter((point) => point.every(Number.isFinite))
    .map(
      (point) =>
        html`<circle class="${style}" cx="${fixed(scales.x(point[0]))}" cy="${fixed(scales.y(point[1]))}" r="2.5"><title>${say(point)}</title></circle>`,
    );
}

/** A bar from the bottom of the frame up to `value`. */
export function bar(from: number, to: number, value: number, scales: Scales, style: string, title: string): Html {
  const [left, right] = [scales.x(from), scales.x(to)];
  const top = scales.y(value);
  const width = Math.max(0.5, right - left - 1);
  return html`<rect class="${style}" x="${fixed(left + 0.5)}" y="${fixed(top)}" width="${fixed(width)}" height="${fixed(scales.bottom - top)}"><title>${title}</title></rect>`;
}

/** At most about `most` points that keep the extremes of a long curve: the least and greatest of each stretch. */
export function thin(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const stretch = Math.ceil((2 * points.length) / most);
  const kept: Point[] = [];
  for (let first = 0; first < points.length; first += stretch) {
    const part = points.slice(first, first + stretch);
    const least = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const greatest = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(least[0] < greatest[0] ? [least, greatest] : least === greatest ? [least] : [greatest, least]));
  }
  return kept;
}

/** Means over a window of `width` points around each, shorter at the ends; points that are not finite are left out. */
export function smooth(points: readonly Point[], width: number): readonly Point[] {
  const finite = points.filter((point) => point.every(Number.isFinite));
  const half = Math.floor(width / 2);
  const sums = new Float64Array(finite.length + 1);
  finite.forEach(([, value], i) => {
    sums[i + 1] = sums[i]! + value;
  });
  return finite.map(([x], i) => {
    const reach = Math.min(half, i, finite.length - 1 - i);
    return [x, (sums[i + reach + 1]! - sums[i - reach]!) / (2 * reach + 1)];
  });
}
