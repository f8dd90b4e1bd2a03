import type { EmbeddingMap } from './data.js';
import { type Html, html } from './html.js';
import type { PictureElements } from './pictures.js';
import { section } from './sections.js';

/** Units of the drawing, which fills the page's column. */
const WIDTH = 1000;
const HEIGHT = 640;
const MARGIN = 26;
const EDGE = 0.01;
/** Side of a thumbnail, and how near the middles of two may come. */
const THUMBNAIL = 30;
const APART = 32;

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly index: number;
}

const fixed = (value: number): string => String(Math.round(value * 10) / 10);

/** All points of the map, as thumbnails where there is room for them and as dots elsewhere. */
export function mapSection(map: EmbeddingMap, picture: PictureElements): Html {
  const placed = place(map);
  const shown = roomy(placed);
  const grouped = (index: number): string => {
    const group = map.points[index]!.group;
    return group === undefined || !map.groups ? '' : ` grouped g${group}`;
  };
  const dots = placed
    .filter(({ index }) => !shown.has(index))
    .map(
      ({ x, y, index }) =>
        html`<circle class="dot${grouped(index)}" cx="${fixed(x)}" cy="${fixed(y)}" r="3"><title>${map.points[index]!.name}</title></circle>`,
    );
  const thumbnails = placed
    .filter(({ index }) => shown.has(index))
    .map(({ x, y, index }) => {
      const [left, top] = [fixed(x - THUMBNAIL / 2), fixed(y - THUMBNAIL / 2)];
      const { picture: own, name } = map.points[index]!;
      const box = html`x="${left}" y="${top}" width="${THUMBNAIL}" height="${THUMBNAIL}"`;
      return html`<g><title>${name}</title><image href="${picture.uri(own)}" ${box}/><rect class="frame${grouped(index)}" ${box}/></g>`;
    });
  const description = `Map of ${map.points.length} embeddings; alike ones lie together`;
  const legend = map.groups?.length
    ? html`<p class="legend">${map.groups.map((name, group) => html`<span class="key grouped g${group}">${name}</span>`)}</p>`
    : undefined;
  const lead = `${map.note ?? ''} Pictures that the encoder holds alike lie together (UMAP). How far apart groups are, and how large, means nothing.`;
  return section(
    'Map of the embeddings',
    lead.trim(),
    html`<figure class="map"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">${dots}${thumbnails}</svg>${legend}</figure>`,
  );
}

/**
 * Points scaled into the drawing, each axis by itself, as distances on the map mean nothing. The farthest hundredth at
 * either end stands at the edge, so that a few far points do not push all others together.
 */
function place({ points }: EmbeddingMap): Placed[] {
  const along = (values: readonly number[], room: number): ((value: number) => number) => {
    const sorted = [...values].sort((a, b) => a - b);
    const cut = Math.floor(sorted.length * EDGE);
    const [from, to] = [sorted[cut]!, sorted[sorted.length - 1 - cut]!];
    const scale = (room - 2 * MARGIN) / Math.max(to - from, 1e-9);
    return (value) => MARGIN + (Math.min(to, Math.max(from, value)) - from) * scale;
  };
  const x = along(
    points.map((point) => point.x),
    WIDTH,
  );
  const y = along(
    points.map((point) => point.y),
    HEIGHT,
  );
  return points.map((point, index) => ({ x: x(point.x), y: y(point.y), index }));
}

/** Points that get a thumbnail: in order, each that does not cover an earlier one. */
function roomy(placed: readonly Placed[]): Set<number> {
  const cells = new Map<string, Placed[]>();
  const shown = new Set<number>();
  for (const point of placed) {
    const [column, row] = [Math.floor(point.x / APART), Math.floor(point.y / APART)];
    const near = [-1, 0, 1].flatMap((i) => [-1, 0, 1].flatMap((j) => cells.get(`${column + i} ${row + j}`) ?? []));
    if (near.some(({ x, y }) => Math.abs(x - point.x) < APART && Math.abs(y - point.y) < APART)) continue;
    const key = `${column} ${row}`;
    cells.set(key, [...(cells.get(key) ?? []), point]);
    shown.add(point.index);
  }
  return shown;
}
