import { NearmissError } from '../errors.js';
import type { ReadOptions } from './batches.js';
import { type Pictures, pictureBytes, readPictures, sharedPixels } from './pictures.js';

/** Two views of each item: row i of `a` and row i of `b` show the same one. */
export interface Pairs {
  readonly a: Pictures;
  readonly b: Pictures;
  /** Names of usable pictures that have no partner: of `a` first, then of `b`. */
  readonly unpaired: readonly string[];
}

/** A relative path without its extension. */
function stem(name: string): string {
  return name.replace(/\.[^./]+$/, '');
}

/** The given rows of some pictures, in that order. */
export function selectPictures(pictures: Pictures, rows: ArrayLike<number>): Pictures {
  const { size, count } = pictures;
  const order = Array.from(rows);
  const wrong = order.find((row) => !Number.isInteger(row) || row < 0 || row >= count);
  if (wrong !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', `rows: found ${wrong}, allowed: whole numbers 0 to ${count - 1}`);
  }
  const length = pictureBytes(size);
  const data = sharedPixels(order.length, size);
  order.forEach((row, to) => {
    data.set(pictures.data.subarray(row * length, (row + 1) * length), to * length);
  });
  const { labels, classes } = pictures;
  return {
    size,
    count: order.length,
    data,
    names: order.map((row) => pictures.names[row] ?? ''),
    hashes: order.map((row) => pictures.hashes[row] ?? ''),
    ...(labels && classes && { labels: Int32Array.from(order, (row) => labels[row] ?? 0), classes }),
    skipped: pictures.skipped,
  };
}

function byStem(pictures: Pictures, source: string): Map<string, number> {
  const rows = new Map<string, number>();
  pictures.names.forEach((name, row) => {
    const key = stem(name);
    const earlier = rows.get(key);
    if (earlier !== undefined) {
      throw new NearmissError(
        'NM_PAIR_AMBIGUOUS',
        `${source}: found ${pictures.names[earlier]} and ${name}, allowed: one picture of a name, whatever its extension`,
      );
    }
    rows.set(key, row);
  });
  return rows;
}

/**
 * Reads two sources whose pictures of the same relative name (extension ignored) are views of one item, such as
 * catalogue picture and shop photo.
 *
 * @param a folder or archive, as for `readPictures`
 * @param b the other one
 * @returns aligned pictures, sorted by name; what has no partner is listed in `unpaired`
 * @throws `NM_PAIRS_EMPTY` when no name is in both; `NM_PAIR_AMBIGUOUS` when one source has a name twice (`x.png`,
 *   `x.jpg`); else as `readPictures`
 */
export async function readPairs(a: string, b: string, options: ReadOptions): Promise<Pairs> {
  const left = await readPictures(a, options);
  const right = await readPictures(b, options);
  const leftRows = byStem(left, a);
  const rightRows = byStem(right, b);
  const shared = [...leftRows.keys()].filter((name) => rightRows.has(name));
  if (shared.length === 0) {
    throw new NearmissError(
      'NM_PAIRS_EMPTY',
      `${a} and ${b} have no relative name in common: found for instance ${left.names[0]} and ${right.names[0]}`,
    );
  }
  const alone = (rows: Map<string, number>, other: Map<string, number>, pictures: Pictures): string[] =>
    [...rows].filter(([name]) => !other.has(name)).map(([, row]) => pictures.names[row] ?? '');
  return {
    a: selectPictures(
      left,
      shared.map((name) => leftRows.get(name) ?? -1),
    ),
    b: selectPictures(
      right,
      shared.map((name) => rightRows.get(name) ?? -1),
    ),
    unpaired: [...alone(leftRows, rightRows, left), ...alone(rightRows, leftRows, right)],
  };
}
