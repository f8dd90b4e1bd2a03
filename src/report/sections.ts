import { figure, lossChart, negativesChart, qualityChart } from './charts.js';
import type { Hit, NearMiss, Neighbours, ReportData, ResultTable, SearchedQuery, ViewedItem } from './data.js';
import { type Html, html } from './html.js';
import type { PictureElements } from './pictures.js';

const percent = (share: number): string => (100 * share).toFixed(1);
const cosine = (value: number): string => value.toFixed(2).replace('-', '−');

function section(title: string, lead: string | undefined, content: Html | readonly Html[]): Html {
  const introduction = lead ? html`<p class="lead">${lead}</p>` : undefined;
  return html`<section><h2>${title}</h2>${introduction}${content}</section>`;
}

/** Tables of models on galleries; a bar shows recall@1. */
export function resultsSection(tables: readonly ResultTable[], note: string | undefined): Html {
  const shown = tables.filter(({ rows }) => rows.length > 0);
  const table = ({ title, detail, rows }: ResultTable): Html => html`<table>
<caption>${title}${detail ? html` <span class="detail">${detail}</span>` : undefined}</caption>
<thead><tr><th scope="col">Model</th><th scope="col" class="wide">Recall@1, %</th><th scope="col">@5</th><th scope="col">MRR</th></tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr${row.own ? html` class="own"` : undefined}><th scope="row">${row.name}${row.note ? html`<span class="detail">${row.note}</span>` : undefined}</th><td class="wide"><span class="meter"><span style="width:${percent(Math.min(1, row.recallAt1))}%"></span></span><b>${percent(row.recallAt1)}</b></td><td>${percent(row.recallAt5)}</td><td>${row.mrr.toFixed(3).replace(/^0/, '')}</td></tr>`,
  )}</tbody></table>`;
  return section('Results', undefined, [
    html`<div class="tables">${shown.map(table)}</div>`,
    html`<p class="note">Recall@k: the right picture is among the first k. MRR: mean of 1 / its rank. Ties count against the model. ${note}</p>`,
  ]);
}

/** Loss, quality over steps, and negatives. */
export function trainingSection(data: ReportData): Html | undefined {
  const charts = [
    data.loss ? lossChart(data.loss) : undefined,
    data.quality ? qualityChart(data.quality) : undefined,
    data.negatives ? negativesChart(data.negatives) : undefined,
  ].filter((chart) => chart !== undefined);
  if (charts.length === 0) return undefined;
  return section('Training', undefined, html`<div class="charts">${charts.map(figure)}</div>`);
}

/** The hardest negatives of some anchors. */
export function nearMissSection(items: readonly NearMiss[], picture: PictureElements): Html {
  const row = ({ picture: own, name, positive, negatives }: NearMiss): Html => html`<li>
<div class="anchor"><figure class="tile query">${picture(own, name)}<figcaption>anchor</figcaption></figure>${
    positive
      ? html`<figure class="tile right">${picture(positive.picture, name)}<figcaption>${cosine(positive.similarity)}</figcaption></figure>`
      : undefined
  }</div>
<div class="strip">${negatives.map(
    (negative) =>
      html`<figure class="tile">${picture(negative.picture, negative.name)}<figcaption>${cosine(negative.similarity)}</figcaption></figure>`,
  )}</div></li>`;
  const lead = items.some(({ positive }) => positive)
    ? 'Anchors with their positives (ringed), and the negatives most alike to them: the pairs that training works hardest to tell apart. Numbers are cosine similarities.'
    : 'Anchors, and the negatives most alike to them: what training works hardest to tell apart. Numbers are cosine similarities.';
  return section('Near misses', lead, html`<ol class="misses">${items.map(row)}</ol>`);
}

/** Rank of the right answer among the hits, or as given. */
function verdict(hits: readonly Hit[], rank: number | undefined): Html {
  const place = rank ?? hits.findIndex(({ right }) => right) + 1;
  if (place === 1) return html`<span class="verdict good">found first</span>`;
  if (place > 0) return html`<span class="verdict">found at rank ${place}</span>`;
  return html`<span class="verdict">not among the first ${hits.length}</span>`;
}

/** What queries find, encoder by encoder. */
export function neighboursSection({ encoders, queries }: Neighbours, picture: PictureElements): Html {
  const strip = (hits: readonly Hit[]): Html[] => {
    const answer = hits.findIndex(({ right }) => right);
    return hits.map((hit, place) => {
      const missed = !hit.right && (answer < 0 || place < answer);
      const state = hit.right ? ' right' : missed ? ' missed' : '';
      const said = hit.right ? `${hit.name}, the right one` : hit.name;
      return html`<figure class="tile${state}">${picture(hit.picture, said)}<figcaption>${cosine(hit.score)}</figcaption></figure>`;
    });
  };
  const row = ({ picture: own, name, found }: SearchedQuery): Html => html`<li>
<div class="asked"><figure class="tile query">${picture(own, name)}</figure><span class="name">${name}</span></div>
${found.map(
  ({ hits, rank }, i) =>
    html`<div class="found"><p>${encoders[i]} ${verdict(hits, rank)}</p><div class="strip">${strip(hits)}</div></div>`,
)}</li>`;
  const lead =
    'Queries that training never saw, and what they find. The right answer is ringed in green; pictures that come before it, or instead of it, are crossed.';
  return section('Nearest neighbours', lead, html`<ol class="neighbours">${queries.map(row)}</ol>`);
}

/** Augmented views of some training items. */
export function viewsSection(items: readonly ViewedItem[], picture: PictureElements): Html {
  const strip = (pictures: ViewedItem['views'], name: string, style: string): Html[] =>
    pictures.map((one) => html`<figure class="tile ${style}">${picture(one, name)}</figure>`);
  const row = ({ name, originals, views }: ViewedItem): Html =>
    html`<li><div class="anchor">${strip(originals, name, 'query')}</div><div class="strip">${strip(views, name, 'view')}</div></li>`;
  const lead =
    'What the encoder is shown: originals, and random views of them. Views of one item should end up close together.';
  return section('Augmented views', lead, html`<ol class="views">${items.map(row)}</ol>`);
}

function list(title: string, entries: Readonly<Record<string, string | number>>): Html | undefined {
  const pairs = Object.entries(entries);
  if (pairs.length === 0) return undefined;
  return html`<div><h3>${title}</h3><dl>${pairs.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></div>`;
}

/** Settings, environment, and the commands that give the run again. */
export function detailsSection(data: ReportData): Html | undefined {
  const lists = [
    data.settings ? list('Settings', data.settings) : undefined,
    data.environment ? list('Environment', data.environment) : undefined,
  ].filter((part) => part !== undefined);
  const commands = data.reproduce?.length
    ? html`<h3>Run it again</h3><pre><code>${data.reproduce.join('\n')}</code></pre>`
    : undefined;
  if (lists.length === 0 && !commands) return undefined;
  const grid = lists.length > 0 ? html`<div class="lists">${lists}</div>` : undefined;
  return section('Details', undefined, html`${grid}${commands}`);
}
