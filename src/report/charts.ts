import type { NegativeSimilarities, StepValue } from './data.js';
import { type Html, html } from './html.js';
import { bar, dots, line, niceAxis, plot, smooth, stepAxis, thin } from './plot.js';

/** A drawing with its title, legend and caption. */
export interface Chart {
  readonly title: string;
  readonly legend: readonly { readonly style: string; readonly text: string }[];
  readonly drawing: Html;
  /** What the drawing means, a sentence or two. */
  readonly caption?: string;
}

const MOST_POINTS = 500;
const BINS = 40;
/** Two decimals with a proper minus sign, and never a negative zero. */
export const decimal = (value: number): string => value.toFixed(2).replace('-0.00', '0.00').replace('-', '−');
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Training loss over steps: each step faint, the moving mean on top. */
export function lossChart(loss: readonly StepValue[]): Chart | undefined {
  const finite = loss.filter(([, value]) => Number.isFinite(value));
  if (finite.length < 2) return undefined;
  const window = Math.max(1, Math.round(finite.length / 25));
  const mean = smooth(finite, window);
  const x = stepAxis(loss.map(([step]) => step));
  const y = niceAxis(finite.map(([, value]) => value));
  const last = mean[mean.length - 1]!;
  const description = `Training loss from ${finite[0]![1].toFixed(2)} to ${last[1].toFixed(2)} over ${loss.length} steps`;
  const drawing = plot({ x: { axis: x, label: 'step' }, y: { axis: y, label: 'loss' }, description }, (scales) => [
    line(thin(loss, MOST_POINTS), scales.x, scales.y, 'faint'),
    line(thin(mean, MOST_POINTS), scales.x, scales.y, 'first'),
  ]);
  return {
    title: 'Training loss',
    legend: [
      { style: 'first', text: window > 2 ? `mean of ${window} steps` : 'loss' },
      ...(window > 2 ? [{ style: 'faint', text: 'each step' }] : []),
    ],
    drawing,
  };
}

const SERIES = ['first', 'second', 'third', 'fourth'];

/** Recall and the like over steps, with a dot a measurement. */
export function qualityChart(
  series: readonly { readonly name: string; readonly points: readonly StepValue[] }[],
): Chart | undefined {
  const shown = series.filter(({ points }) => points.length > 0).slice(0, SERIES.length);
  if (shown.length === 0) return undefined;
  const all = shown.flatMap(({ points }) => points);
  const x = stepAxis(all.map(([step]) => step));
  const y = niceAxis([0, ...all.map(([, value]) => 100 * value)]);
  const description = shown
    .map(({ name, points }) => `${name}: ${percent(points[0]![1])} to ${percent(points[points.length - 1]![1])}`)
    .join('; ');
  const drawing = plot(
    { x: { axis: x, label: 'step' }, y: { axis: y, label: 'share of queries', unit: '%' }, description },
    (scales) =>
      shown.map(({ name, points }, i) => {
        const scaled = points.map(([step, value]) => [step, 100 * value] as const);
        return [
          line(scaled, scales.x, scales.y, SERIES[i]!),
          dots(scaled, scales, SERIES[i]!, ([step, value]) => `${name} ${value.toFixed(1)}% at step ${step}`),
        ];
      }),
  );
  return {
    title: 'Found while training',
    legend: shown.map(({ name }, i) => ({ style: SERIES[i]!, text: name })),
    drawing,
  };
}

/**
 * Histogram of the negatives' similarities: with a ring, what it keeps stands out; with importance weights, the weight
 * over similarity is drawn on a scale of its own.
 */
export function negativesChart(data: NegativeSimilarities): Chart | undefined {
  const { anchors, beta, temperature } = data;
  const all: number[] = [];
  const kept: number[] = [];
  let ring = false;
  for (const { similarities, selected } of anchors) {
    const [start, end] = selected;
    if (start > 0 || end < similarities.length) ring = true;
    for (let rank = 0; rank < similarities.length; rank++) {
      const value = similarities[rank]!;
      if (!Number.isFinite(value)) continue;
      all.push(value);
      if (rank >= start && rank < end) kept.push(value);
    }
  }
  if (all.length === 0) return undefined;
  const x = niceAxis(extent(all), 6);
  const width = (x.to - x.from) / BINS;
  const shares = histogram(all, x.from, width, all.length);
  const keptShares = histogram(kept, x.from, width, all.length);
  const y = niceAxis([0, ...shares.map((share) => 100 * share)], 4);

  const weigh = (similarity: number): number => Math.exp((beta * (similarity - x.to)) / temperature);
  const meanWeight = kept.reduce((sum, value) => sum + weigh(value), 0) / Math.max(1, kept.length);
  const weighted = beta > 0 && kept.length > 0;
  const [least, most] = extent(kept);
  const curve = Array.from({ length: 81 }, (_, i): StepValue => {
    const similarity = least! + ((most! - least!) * i) / 80;
    return [similarity, weigh(similarity) / meanWeight];
  });
  const right = niceAxis([0, ...curve.map(([, weight]) => weight)], 4);

  const description = `Similarities of ${all.length} negatives from ${decimal(extent(all)[0]!)} to ${decimal(extent(all)[1]!)}`;
  const drawing = plot(
    {
      x: { axis: x, label: 'similarity to the anchor (cosine)' },
      y: { axis: y, label: 'share of negatives', unit: '%' },
      ...(weighted ? { right: { axis: right, label: 'weight', unit: '×' } } : {}),
      description,
    },
    (scales) => [
      shares.map((share, i) => {
        const from = x.from + i * width;
        const title = `${decimal(from)} to ${decimal(from + width)}: ${percent(share)} of the negatives`;
        return [
          share > 0 ? bar(from, from + width, 100 * share, scales, ring ? 'bar quiet' : 'bar', title) : undefined,
          ring && keptShares[i]! > 0
            ? bar(from, from + width, 100 * keptShares[i]!, scales, 'bar', `${title}; kept: ${percent(keptShares[i]!)}`)
            : undefined,
        ];
      }),
      weighted ? line(curve, scales.x, scales.right, 'second') : undefined,
    ],
  );
  return {
    title: 'Negatives by similarity',
    legend: [
      { style: 'bar', text: ring ? 'kept by the ring' : 'negatives' },
      ...(ring ? [{ style: 'bar quiet', text: 'left out' }] : []),
      ...(weighted ? [{ style: 'second', text: 'weight, 1× on average' }] : []),
    ],
    drawing,
    caption: [ringCaption(data, ring), weighted ? weightCaption(kept, weigh) : ''].filter(Boolean).join(' '),
  };
}

function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

function histogram(values: readonly number[], from: number, width: number, total: number): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor((value - from) / width)))]!++;
  return counts.map((count) => count / total);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

function ringCaption({ anchors }: NegativeSimilarities, ring: boolean): string {
  const drawn = anchors.filter(({ selected: [start, end] }) => end > start);
  if (!ring || drawn.length === 0) return '';
  const hardest = median(drawn.map(({ similarities, selected }) => similarities[selected[0]]!));
  const easiest = median(drawn.map(({ similarities, selected }) => similarities[selected[1] - 1]!));
  const { similarities, selected } = drawn[0]!;
  const ranks = `ranks ${selected[0] + 1} to ${selected[1]} of ${similarities.length}`;
  return `The ring keeps ${ranks}: for the median anchor, similarities from ${decimal(easiest)} to ${decimal(hardest)}.`;
}

function weightCaption(kept: readonly number[], weigh: (similarity: number) => number): string {
  const sorted = [...kept].sort((a, b) => b - a);
  const hardest = sorted.slice(0, Math.max(1, Math.round(sorted.length / 10)));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + weigh(value), 0);
  return `The hardest tenth of the negatives carries ${Math.round((100 * sum(hardest)) / sum(sorted))}% of the weight.`;
}

/** A chart as a figure; its caption is left to the caller. */
export function figure({ title, legend, drawing }: Chart): Html {
  const keys = legend.map(({ style, text }) => html`<span class="key ${style}">${text}</span>`);
  return html`<figure class="chart"><figcaption><h3>${title}</h3><p class="legend">${keys}</p></figcaption>${drawing}</figure>`;
}
