import { type Html, html } from './html.js';
import { niceAxis, tickLabels } from './plot.js';
import type { StudyReportData, StudyReportRow } from './study-data.js';

/** Units of the drawing. */
const WIDTH = 860;
const ROW = 34;
const LEFT = 230;
const RIGHT = 70;
const TOP = 12;
const BOTTOM = 46;
/** Characters of a name that fit beside its row. */
const MOST_NAME = 32;

const fixed = (value: number): string => String(Math.round(value * 10) / 10);

/**
 * A row a method: a dot for each seed, a bar at the mean. Baselines are open dots, and thin lines over all rows, so that
 * one sees who is beyond them. `style` is put inside where the drawing stands alone.
 */
export function studyPlot({ rows, measure, unit, reference }: StudyReportData, style?: Html): Html {
  const axis = niceAxis(
    rows.flatMap(({ values }) => values),
    8,
  );
  const across = (value: number): number =>
    LEFT + ((value - axis.from) / (axis.to - axis.from)) * (WIDTH - LEFT - RIGHT);
  const height = TOP + rows.length * ROW + BOTTOM;
  const bottom = TOP + rows.length * ROW;
  const labels = tickLabels(axis, unit);
  const ticks = axis.ticks.map((tick, i) => {
    const at = fixed(across(tick));
    return html`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${labels[i]}</text>`;
  });
  const baselines = rows
    .filter(({ kind }) => kind === 'baseline')
    .map(({ mean }) => {
      const at = fixed(across(mean));
      return html`<line class="baseline" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/>`;
    });
  const drawn = rows.map((row, i) => rowOf(row, TOP + (i + 0.5) * ROW, across, unit));
  const description = `${measure} of ${rows.length} rows, against ${reference}`;
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${description}">${style}${ticks}${baselines}${drawn}<text class="label" x="${fixed((LEFT + WIDTH - RIGHT) / 2)}" y="${height - 6}" text-anchor="middle">${measure}</text></svg>`;
}

function rowOf(row: StudyReportRow, y: number, across: (value: number) => number, unit: string): Html {
  const style = row.kind === 'baseline' ? 'baseline' : row.reference ? 'reference' : 'method';
  const finite = row.values.filter(Number.isFinite);
  const dots = finite.map(
    (value) =>
      html`<circle class="${style}" cx="${fixed(across(value))}" cy="${fixed(y)}" r="4.5"><title>${`${row.name}: ${value.toFixed(1)}${unit}`}</title></circle>`,
  );
  const mean = fixed(across(row.mean));
  const [top, end] = [fixed(y - 9), fixed(y + 9)];
  const bar =
    finite.length > 1
      ? html`<line class="mean ${style}" x1="${mean}" x2="${mean}" y1="${top}" y2="${end}"/>`
      : undefined;
  const right = fixed(Math.max(...finite.map(across)) + 14);
  const name = row.name.length > MOST_NAME ? `${row.name.slice(0, MOST_NAME - 1)}…` : row.name;
  return html`<text class="name ${style}" x="${LEFT - 14}" y="${fixed(y)}" dy=".35em" text-anchor="end">${name}</text>${dots}${bar}<text x="${right}" y="${fixed(y)}" dy=".35em">${row.mean.toFixed(1)}</text>`;
}
