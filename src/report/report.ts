import { writeFileAtomic } from '../files.js';
import type { ReportData, ReportPicture } from './data.js';
import { Html, html } from './html.js';
import { mapSection } from './map.js';
import { encodePictures } from './pictures.js';
import {
  detailsSection,
  falseNegativesSection,
  nearMissSection,
  neighboursSection,
  resultsSection,
  trainingSection,
  viewsSection,
} from './sections.js';
import { STYLE } from './style.js';

function* picturesOf(data: ReportData): Generator<ReportPicture> {
  for (const { picture, positive, negatives } of data.nearMisses ?? []) {
    yield picture;
    if (positive) yield positive.picture;
    for (const negative of negatives) yield negative.picture;
  }
  for (const { picture, found } of data.neighbours?.queries ?? []) {
    yield picture;
    for (const { hits } of found) for (const hit of hits) yield hit.picture;
  }
  for (const { originals, views } of data.views ?? []) {
    yield* originals;
    yield* views;
  }
  for (const { picture } of data.map?.points ?? []) yield picture;
  for (const { pictures } of data.falseNegatives?.pairs ?? []) for (const { picture } of pictures) yield picture;
}

/**
 * The report of a run as one HTML page that needs nothing else: style, drawings (SVG) and pictures (PNG) are inside,
 * there are no scripts. Sections without data are left out. All text is escaped.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const picture = await encodePictures(picturesOf(data));
  const sections = [
    data.results?.some(({ rows }) => rows.length > 0) ? resultsSection(data.results, data.resultsNote) : undefined,
    data.neighbours?.queries.length ? neighboursSection(data.neighbours, picture) : undefined,
    trainingSection(data),
    data.map?.points.length ? mapSection(data.map, picture) : undefined,
    nearMissSection(data, picture),
    data.falseNegatives ? falseNegativesSection(data.falseNegatives, picture) : undefined,
    data.views?.length ? viewsSection(data.views, picture) : undefined,
    detailsSection(data),
  ];
  const { title, summary, credits } = data;
  return page({ title, brand: 'nearmiss report', summary, sections, credits });
}

/** A whole page of sections. All text is escaped. */
export function page(content: {
  readonly title: string;
  /** What kind of page it is. */
  readonly brand: string;
  readonly summary?: string | undefined;
  readonly sections: readonly (Html | undefined)[];
  readonly credits?: readonly string[] | undefined;
}): string {
  const { title, brand, summary, sections, credits } = content;
  const lead = summary ? html`<p class="summary">${summary}</p>` : undefined;
  const footer = credits?.length ? html`<footer>${credits.map((line) => html`<p>${line}</p>`)}</footer>` : undefined;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="nearmiss">
<title>${title} · nearmiss</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<header><p class="brand">${brand}</p><h1>${title}</h1>${lead}</header>
<main>
${sections}
</main>
${footer}
</body>
</html>
`.text;
}

/** Writes `renderReport` to a file, whole or not at all. */
export async function writeReport(data: ReportData, path: string): Promise<void> {
  await writeFileAtomic(path, await renderReport(data));
}
