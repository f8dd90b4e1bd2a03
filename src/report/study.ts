import { writeFileAtomic } from '../files.js';
import { Html, html } from './html.js';
import { page } from './report.js';
import { detailsSection, section } from './sections.js';
import type { StudyReportData, StudyReportRow, StudyReportTable } from './study-data.js';
import { studyPlot } from './study-plot.js';

/** Colours of the drawing where it stands alone, on white. */
const PLOT_STYLE = `<style>text{fill:#5c646d;font:13px system-ui,sans-serif}text.name{fill:#17191c}text.reference{font-weight:650}
text.baseline{fill:#5c646d;font-style:italic}.grid{stroke:#eceef1}line.baseline{stroke:#c2570c;stroke-dasharray:3 4;stroke-opacity:.5}
circle.method{fill:#2458c5;fill-opacity:.75}circle.reference{fill:#17191c;fill-opacity:.75}circle.baseline{fill:#fff;stroke:#c2570c;stroke-width:1.5}
.mean{stroke-width:2.5}.mean.method{stroke:#2458c5}.mean.reference{stroke:#17191c}.mean.baseline{stroke:#c2570c}</style><rect width="100%" height="100%" fill="#fff"/>`;

const VERDICTS: Readonly<Record<'larger' | 'within' | 'unknown', string>> = {
  larger: 'beyond the spread',
  within: 'within the spread',
  unknown: 'one seed',
};

/** The page of a study: drawing, comparison with per-seed values, findings, all other figures. One file, no scripts. */
export function renderStudy(data: StudyReportData): string {
  const several = data.seeds.length > 1;
  const spread = several
    ? 'A dot is one seed, the bar their mean.'
    : 'One seed: the dots show no spread, so small differences mean nothing.';
  const sections = [
    section(
      capital(data.measure),
      `${spread} Dashed lines are what needs no training.`,
      html`<figure class="study">${studyPlot(data)}</figure>`,
    ),
    section('Is the difference real?', undefined, [
      comparison(data),
      html`<ul class="findings">${data.findings.map((finding) => html`<li>${finding}</li>`)}</ul>`,
      html`<p class="note">Over seeds: mean difference of runs with the same seed, with Student's 95% interval. Over queries: paired bootstrap of the same queries, hits averaged over seeds; it says how far the choice of queries matters. Neither covers drawing the data again, and with many methods some intervals miss 0 by chance: none is corrected for that.</p>`,
    ]),
    data.tables.length > 0
      ? section(
          'All figures',
          'Mean ± standard deviation over seeds, percent where not said otherwise.',
          data.tables.map(table),
        )
      : undefined,
    detailsSection({
      title: data.title,
      settings: data.settings,
      environment: data.environment,
      reproduce: data.reproduce,
    }),
  ];
  return page({ title: data.title, brand: 'nearmiss study', summary: data.summary, sections });
}

/** Writes `renderStudy` to a file, whole or not at all. */
export async function writeStudyReport(data: StudyReportData, path: string): Promise<void> {
  await writeFileAtomic(path, renderStudy(data));
}

/** The drawing alone, as an SVG file. */
export function studySvg(data: StudyReportData): string {
  return `${studyPlot(data, new Html(PLOT_STYLE)).text}\n`;
}

function comparison({ rows, reference, seeds }: StudyReportData): Html {
  const row = (one: StudyReportRow): Html => {
    const { difference } = one;
    const verdict = difference
      ? html`<span class="verdict${difference.verdict === 'larger' ? (difference.better ? ' good' : ' bad') : ''}">${VERDICTS[difference.verdict]}</span>`
      : one.reference
        ? html`<span class="detail">reference</span>`
        : undefined;
    const style = one.reference ? ' class="own"' : one.kind === 'baseline' ? ' class="quiet"' : '';
    return html`<tr${new Html(style)}><th scope="row">${one.name}${one.note ? html`<span class="detail">${one.note}</span>` : undefined}</th><td><b>${one.spread}</b></td><td class="seeds">${one.bySeed}</td><td>${difference?.text}</td><td>${difference?.interval}</td><td>${difference?.overQueries}</td><td>${verdict}</td></tr>`;
  };
  const head = [
    'Mean ± sd',
    seeds.length > 1 ? 'By seed' : 'Seed',
    `Against ${reference}`,
    '95% over seeds',
    'Over queries',
    '',
  ];
  return html`<div class="scroll"><table class="comparison"><thead><tr><th scope="col">Method</th>${head.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead><tbody>${rows.map(row)}</tbody></table></div>`;
}

function table({ title, columns, rows }: StudyReportTable): Html {
  return html`<div class="scroll"><table class="figures"><caption>${title}</caption><thead><tr><th scope="col">Method</th>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead><tbody>${rows.map(
    ({ name, cells, baseline }) =>
      html`<tr${new Html(baseline ? ' class="quiet"' : '')}><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
