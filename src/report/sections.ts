import { decimal, figure, lossChart, negativesChart, qualityChart } from './charts.js';
import type {
  FalseNegatives,
  Hit,
  NearMiss,
  Neighbours,
  ReportData,
  ResultTable,
  SearchedQuery,
  SuspectPair,
  ViewedItem,
} from './data.js';
import { type Html, html } from './html.js';
import type { PictureElements } from './pictures.js';

const percent = (share: number): string => (100 * share).toFixed(1);

export function section(title: string, lead: string | undefined, content: Html | readonly Html[]): Html {
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

/** Loss, and quality over steps. */
export function trainingSection(data: ReportData): Html | undefined {
  const charts = [
    data.loss ? lossChart(data.loss) : undefined,
    data.quality ? qualityChart(data.quality) : undefined,
  ].filter((chart) => chart !== undefined);
  if (charts.length === 0) return undefined;
  return section('Training', undefined, html`<div class="charts">${charts.map(figure)}</div>`);
}

/** How alike negatives are to their anchors, and the hardest of some anchors. */
export function nearMissSection(data: ReportData, picture: PictureElements): Html | undefined {
  const items = data.nearMisses ?? [];
  const chart = data.negatives ? negativesChart(data.negatives) : undefined;
  if (items.length === 0 && !chart) return undefined;
  const shown = items.some(({ positive }) => positive) ? 'anchors with their positives (ringed)' : 'some anchors';
  const below = ` Below, ${shown} and the negatives most alike to them, with cosine similarities.`;
  const lead = `Near misses are negatives that look like the anchor and are not: what training works hardest to tell apart.${items.length > 0 ? below : ''}`;
  const list =
    items.length > 0 ? html`<ol class="misses">${items.map((item) => nearMissRow(item, picture))}</ol>` : undefined;
  if (!chart) return section('Near misses', lead, html`${list}`);
  const text = html`<div class="beside"><p>${lead}</p>${chart.caption ? html`<p>${chart.caption}</p>` : undefined}</div>`;
  return section('Near misses', undefined, html`<div class="charts">${figure(chart)}${text}</div>${list}`);
}

function nearMissRow({ picture: own, name, positive, negatives }: NearMiss, picture: PictureElements): Html {
  const tile = (element: Html, caption: string, style: string): Html =>
    html`<figure class="tile ${style}">${element}<figcaption>${caption}</figcaption></figure>`;
  const pair = [
    tile(picture(own, name), 'anchor', 'query'),
    positive ? tile(picture(positive.picture, name), decimal(positive.similarity), 'right') : undefined,
  ];
  const hardest = negatives.map((negative) =>
    tile(picture(negative.picture, negative.name), decimal(negative.similarity), 'negative'),
  );
  return html`<li><div class="anchor">${pair}</div><div class="strip">${hardest}</div></li>`;
}

/** Rank of the right answer among the hits, or as given. */
function verdict(hits: readonly Hit[], rank: number | undefined): Html | undefined {
  if (hits.every(({ right }) => right === undefined)) return undefined;
  const place = rank ?? hits.findIndex(({ right }) => right) + 1;
  if (place === 1) return html`<span class="verdict good">found first</span>`;
  if (place > 0) return html`<span class="verdict${place > hits.length ? ' bad' : ''}">found at rank ${place}</span>`;
  return html`<span class="verdict bad">not among the first ${hits.length}</span>`;
}

/** What queries find, encoder by encoder. */
export function neighboursSection({ encoders, queries, note }: Neighbours, picture: PictureElements): Html {
  const strip = (hits: readonly Hit[]): Html[] => {
    const answer = hits.findIndex(({ right }) => right);
    return hits.map((hit, place) => {
      const missed = hit.right === false && (answer < 0 || place < answer);
      const state = hit.right ? ' right' : missed ? ' missed' : '';
      const said = hit.right ? `${hit.name}, the right one` : hit.name;
      return html`<figure class="tile${state}">${picture(hit.picture, said)}<figcaption>${decimal(hit.score)}</figcaption></figure>`;
    });
  };
  const row = ({ picture: own, name, found }: SearchedQuery): Html => html`<li>
<div class="asked"><figure class="tile query">${picture(own, name)}</figure><span class="name">${name}</span></div>
${found.map(
  ({ hits, rank }, i) =>
    html`<div class="found"><p>${encoders[i]} ${verdict(hits, rank)}</p><div class="strip">${strip(hits)}</div></div>`,
)}</li>`;
  const known = queries.some(({ found }) => found.some(({ hits }) => hits.some(({ right }) => right !== undefined)));
  const legend = known
    ? ' The right answer is ringed in green; pictures that come before it, or instead of it, are crossed.'
    : '';
  const lead = `${note ?? 'Some queries and what they find.'}${legend}`;
  return section('Nearest neighbours', lead, html`<ol class="neighbours">${queries.map(row)}</ol>`);
}

/** Pairs of training items that look the same to the model though they count as negatives. */
export function falseNegativesSection({ pairs, compared, items }: FalseNegatives, picture: PictureElements): Html {
  const sample = compared < items ? ` (an even sample of ${compared} of ${items} items was compared)` : '';
  const lead = `Without labels, training treats every two items as different and pushes them apart. These are the pairs that the model holds most similar all the same${sample}. The same picture twice, or two pictures of one thing, are false negatives: remove one of them, or bring them under one id as a pair.`;
  const row = ({ similarity, relation, pictures }: SuspectPair): Html => {
    const kind = relation === 'unknown' ? undefined : html`<b class="relation">${relation}</b>`;
    const tiles = pictures.map(({ picture: own, name }) => html`<figure class="tile">${picture(own, name)}</figure>`);
    const names = pictures.map(({ name }) => html`<span class="name">${name}</span>`);
    return html`<li><div class="pair">${tiles}</div><div class="said"><p>${decimal(similarity)} ${kind}</p>${names}</div></li>`;
  };
  const list = pairs.length > 0 ? html`<ol class="suspects">${pairs.map(row)}</ol>` : html`<p>There are none.</p>`;
  return section('Look-alikes that count as negatives', lead, list);
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
