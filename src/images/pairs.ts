import { NearmissError } from '../errors.js';
import type { ReadOptions } from './batches.js';
import { type Pictures, readPictures, selectPictures } from './pictures.js';

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
  let files = 0;
  const counted = { ...options, onProgress: (): void => options.onProgress?.(++files, undefined) };
  const left = await readPictures(a, counted);
  const right = await readPictures(b, counted);
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
