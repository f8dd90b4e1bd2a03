import { NearmissError } from '../errors.js';
import type { Random } from '../random.js';

/** Which rows of a bank an anchor's negatives are. */
export type BankDraws =
  /** `objective.draws` of those that the objective selects, with replacement; one stream an anchor. */
  | { readonly kind: 'random'; random(anchor: number): Random }
  /** These rows [anchors, draws], whatever the objective selects. */
  | { readonly kind: 'rows'; readonly rows: Int32Array }
  /** Those of these ranks [anchors, draws] inside the ring, the most similar first. */
  | { readonly kind: 'ranks'; readonly ranks: Int32Array };

/** An entry of a list of rows that is not there. */
export const NO_ROW = -1;

/** Draws an anchor, or NM_SHAPE_MISMATCH where the lists do not fit. */
export function drawsPerAnchor(draws: BankDraws, count: number, asked: number | undefined): number {
  if (draws.kind === 'random') {
    if (asked === undefined) {
      throw new NearmissError('NM_OPTION_INVALID', 'candidates.kind: found no bank, allowed: bank, to draw from one');
    }
    return asked;
  }
  const list = draws.kind === 'rows' ? draws.rows : draws.ranks;
  const each = list.length / count;
  if (!Number.isInteger(each) || each < 1) {
    const found = `${list.length} ${draws.kind} for ${count} anchors`;
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `draws: found ${found}, allowed: the same number, 1 or more, for each`,
    );
  }
  return each;
}

/** Throws NM_SHAPE_MISMATCH unless `index` is one of `count` things. */
export function requireIndex(field: string, index: number, count: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `${field}: found ${index}, allowed: 0 to ${count - 1}`);
  }
}

/** Fills `list` with `draws.length / anchors` draws of one anchor out of the ring's members. */
export function drawFromRing(
  draws: BankDraws,
  anchor: number,
  members: Int32Array,
  similarities: Float32Array,
  list: Int32Array,
): void {
  if (draws.kind === 'random') {
    const random = draws.random(anchor);
    for (let e = 0; e < list.length; e++) list[e] = members[random.integer(members.length)]!;
  } else if (draws.kind === 'ranks') {
    const ranked = members.slice().sort((a, b) => similarities[b]! - similarities[a]! || a - b);
    for (let e = 0; e < list.length; e++) {
      const rank = draws.ranks[anchor * list.length + e]!;
      requireIndex('draws', rank, ranked.length);
      list[e] = ranked[rank]!;
    }
  }
}

/** The same out of all `filled` rows, those of the anchor's own item (`isOwn`) left out. */
export function drawFromBank(
  draws: BankDraws,
  anchor: number,
  filled: number,
  isOwn: (row: number) => boolean,
  list: Int32Array,
): void {
  if (draws.kind === 'rows') {
    for (let e = 0; e < list.length; e++) {
      const row = draws.rows[anchor * list.length + e]!;
      requireIndex('draws', row, filled);
      list[e] = isOwn(row) ? NO_ROW : row;
    }
  } else if (draws.kind === 'random') {
    const random = draws.random(anchor);
    for (let e = 0; e < list.length; e++) {
      do list[e] = random.integer(filled);
      while (isOwn(list[e]!));
    }
  } else {
    throw new NearmissError('NM_OPTION_INVALID', 'draws.kind: found ranks without a ring, allowed: random, rows');
  }
}
