import { duration, percent } from './console.js';
import { measureText, measureTitle, questionTitle } from './evaluation-text.js';
import type { StudyResult } from './study-run.js';
import type { StudyDifference, StudyMeasure, StudyRow } from './study-summary.js';

/** Measures whose values are percents; of the others the numbers themselves are written. */
function inPoints(measure: string): boolean {
  return !['mrr', 'alignment', 'uniformity'].includes(measure);
}

const signed = (text: string): string => (text.startsWith('-') ? text.replace('-', '−') : `+${text}`);

/** `+7.8`: a difference in points, or in the measure's own unit. */
export function differenceText(measure: string, value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return signed(inPoints(measure) ? (100 * value).toFixed(1) : value.toFixed(3));
}

/** `41.1 ± 0.5`, without the spread where there is one value. */
export function spreadText(measure: string, { mean, deviation }: Pick<StudyRow, 'mean' | 'deviation'>): string {
  const value = measureText(measure, mean);
  if (!Number.isFinite(deviation)) return value;
  return `${value} ± ${inPoints(measure) ? percent(deviation) : deviation.toFixed(3)}`;
}

/** `held-out pictures, recall@1`; with the read-out where there are several. */
export function studyMeasureTitle({ readOut, question, measure }: StudyMeasure, readOuts: number): string {
  const parts = [questionTitle(question), measureTitle(measure)];
  if (readOuts > 1) parts.push(READ_OUT_TITLES[readOut] ?? readOut);
  return parts.join(', ');
}

export const READ_OUT_TITLES: Readonly<Record<string, string>> = {
  average: 'average pooling',
  grid: '2x2 grid',
  run: "the run's read-out",
};

export function intervalText(measure: string, { low, high }: { readonly low: number; readonly high: number }): string {
  return `[${differenceText(measure, low)}, ${differenceText(measure, high)}]`;
}

/** A difference with what may be said of it. */
export function verdictText(measure: string, difference: StudyDifference): string {
  const unit = inPoints(measure) ? ' points' : '';
  const amount = `${differenceText(measure, difference.mean)}${unit}`;
  const queries = difference.overQueries;
  const over = queries ? `; over queries ${intervalText(measure, queries)}` : '';
  if (difference.verdict === 'unknown') return `${amount} with one seed: the spread is not known${over}`;
  const interval = intervalText(measure, difference);
  const said =
    difference.verdict === 'larger' ? 'larger than the spread of the seeds' : 'within the spread of the seeds';
  return `${amount} ${interval}, ${said}${over}`;
}

/** One line a method: what it is against the reference. */
export function verdictLines(measure: string, rows: readonly StudyRow[]): string[] {
  return rows.flatMap(({ name, difference }) => (difference ? [`${name}: ${verdictText(measure, difference)}`] : []));
}

/** Plainly which baselines which methods do not beat. */
export function baselineLines(measure: string, rows: readonly StudyRow[]): string[] {
  const methods = rows.filter(({ kind }) => kind === 'method');
  return rows
    .filter(({ kind }) => kind === 'baseline')
    .flatMap((baseline) => {
      const below = methods.filter(({ mean }) => mean <= baseline.mean);
      if (below.length === 0) return [];
      const who =
        below.length === methods.length
          ? 'No method beats'
          : `${listOf(below)} ${below.length === 1 ? 'does' : 'do'} not beat`;
      return [`${who} the ${baseline.name} (${measureText(measure, baseline.mean)}).`];
    });
}

function listOf(rows: readonly StudyRow[]): string {
  const names = rows.map(({ name }) => name);
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

export interface StudyMarkdown {
  readonly title: string;
  readonly lead: string;
  readonly compared: StudyMeasure;
  readonly rows: readonly StudyRow[];
  readonly seeds: readonly number[];
  readonly readOuts: number;
  readonly results: readonly StudyResult[];
  readonly reference: string;
  /** Every other measure with its rows. */
  readonly others: readonly { readonly measure: StudyMeasure; readonly rows: readonly StudyRow[] }[];
}

/** The study as Markdown: the comparison with per-seed values, what may be said, and every other figure. */
export function studyMarkdown(study: StudyMarkdown): string {
  const { title, lead, compared, rows, seeds, readOuts, results, reference, others } = study;
  const { measure } = compared;
  const lines = [`# ${title}`, '', lead, '', `## ${capital(studyMeasureTitle(compared, readOuts))}`, ''];
  lines.push(
    `| | mean ± sd | by seed (${seeds.join(', ')}) | against ${reference} | 95% over seeds | 95% over queries | |`,
  );
  lines.push('|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const { difference } = row;
    const cells = [
      row.kind === 'baseline' ? `*${row.name}* (${row.note})` : row.name,
      spreadText(measure, row),
      row.values.map((value) => (Number.isFinite(value) ? measureText(measure, value) : '–')).join(', '),
      difference ? differenceText(measure, difference.mean) : row.reference ? 'reference' : '',
      difference && difference.verdict !== 'unknown' ? intervalText(measure, difference) : '',
      difference?.overQueries ? intervalText(measure, difference.overQueries) : '',
      difference
        ? { larger: '**larger than the spread**', within: 'within the spread', unknown: 'one seed' }[difference.verdict]
        : '',
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  lines.push('', ...baselineLines(measure, rows));
  for (const group of groupBy(others, ({ measure: { readOut, question } }) => `${readOut} ${question}`)) {
    const { readOut, question } = group[0]!.measure;
    const where = readOuts > 1 ? `, ${READ_OUT_TITLES[readOut] ?? readOut}` : '';
    lines.push('', `## ${capital(questionTitle(question))}${where}`, '');
    lines.push(`| | ${group.map(({ measure: { measure: one } }) => measureTitle(one)).join(' | ')} |`);
    lines.push(`|---|${group.map(() => '---|').join('')}`);
    for (const name of new Set(group.flatMap((one) => one.rows.map((row) => row.name)))) {
      const cells = group.map(({ measure: { measure: one }, rows: found }) => {
        const row = found.find((candidate) => candidate.name === name);
        return row ? spreadText(one, row) : '';
      });
      lines.push(`| ${name} | ${cells.join(' | ')} |`);
    }
  }
  lines.push('', '## Training', '', '| | loss, last 20 steps | steps | time of a run |', '|---|---|---|---|');
  for (const group of groupBy(results, ({ method }) => method)) {
    const mean = (of: (result: StudyResult) => number): number =>
      group.reduce((sum, result) => sum + of(result), 0) / group.length;
    const time = duration(mean(({ seconds }) => seconds));
    lines.push(
      `| ${group[0]!.method} | ${mean(({ loss }) => loss).toFixed(3)} | ${Math.round(mean(({ steps }) => steps))} | ${time} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}

export function groupBy<T>(values: readonly T[], key: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group) group.push(value);
    else groups.set(key(value), [value]);
  }
  return [...groups.values()];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
