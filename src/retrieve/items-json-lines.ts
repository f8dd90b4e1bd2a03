import { createReadStream } from 'node:fs';
import { NearmissError } from '../errors.js';
import type { Item, JsonObject } from './items.js';
import { writeWhole } from './whole-file.js';

/** Items of a batch. */
export const BATCH = 1000;
/** Longest line, bytes: an item of 16,384 numbers and 64 KiB of metadata stays below it. */
const MAX_LINE = 1 << 20;

export function invalidFile(place: string, problem: string, cause?: unknown): NearmissError {
  return new NearmissError('NM_ITEMS_FILE_INVALID', `${place}: ${problem}`, { cause });
}

/** What a line says of an item. */
export interface ItemLine {
  readonly id: string;
  readonly vector: Float32Array | undefined;
  readonly metadata?: JsonObject;
  readonly hash?: string;
}

/** Lines of a part of a file (`end` is past it); empty ones are left out. Ends at LF alone: JSON may hold U+2028. */
export async function* readLines(path: string, start = 0, end?: number): AsyncGenerator<ItemLine> {
  if (end !== undefined && end <= start) return;
  let rest = Buffer.alloc(0);
  let number = 0;
  for await (const piece of createReadStream(path, end === undefined ? { start } : { start, end: end - 1 })) {
    rest = Buffer.concat([rest, piece as Buffer]);
    let from = 0;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
      number += 1;
      const line = rest.subarray(from, at).toString().trim();
      if (line !== '') yield itemOfLine(line, `${path}: line ${number}`);
      from = at + 1;
    }
    rest = rest.subarray(from);
    if (rest.length > MAX_LINE) throw invalidFile(`${path}: line ${number + 1}`, `found more than ${MAX_LINE} bytes`);
  }
  const line = rest.toString().trim();
  if (line !== '') yield itemOfLine(line, `${path}: line ${number + 1}`);
}

function itemOfLine(line: string, place: string): ItemLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalidFile(place, `found no JSON (${(cause as Error).message})`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidFile(place, 'found no object');
  const { id, vector, metadata, hash, ...others } = value as Record<string, unknown>;
  const other = Object.keys(others)[0];
  if (other !== undefined) {
    throw invalidFile(place, `found ${JSON.stringify(other)}, allowed: id, vector, metadata, hash`);
  }
  if (typeof id !== 'string') throw invalidFile(place, 'found no text under "id"');
  const numbers = Array.isArray(vector) && vector.every((each) => typeof each === 'number');
  if (vector !== undefined && !numbers) throw invalidFile(place, 'found no list of numbers under "vector"');
  return {
    id,
    vector: numbers ? Float32Array.from(vector as number[]) : undefined,
    // What else is wrong with these, the store says.
    ...(metadata === undefined ? {} : { metadata: metadata as JsonObject }),
    ...(hash === undefined || hash === null ? {} : { hash: hash as string }),
  };
}

export async function* readJsonLines(path: string): AsyncGenerator<Item[]> {
  let items: Item[] = [];
  for await (const line of readLines(path)) {
    const { vector } = line;
    if (!vector) throw invalidFile(path, `item ${JSON.stringify(line.id)}: found no "vector"`);
    items.push({ ...line, vector });
    if (items.length < BATCH) continue;
    yield items;
    items = [];
  }
  if (items.length > 0) yield items;
}

/** An item without its vector as a line. */
export function lineOf({ id, metadata, hash }: Item): string {
  return `${JSON.stringify({ id, ...(metadata === undefined ? {} : { metadata }), ...(hash === undefined ? {} : { hash }) })}\n`;
}

export async function writeJsonLines(pages: AsyncIterable<Item[]>, path: string): Promise<number> {
  let count = 0;
  await writeWhole(path, async (write) => {
    for await (const items of pages) {
      const lines = items.map(({ vector, ...rest }) => `${JSON.stringify({ ...rest, vector: Array.from(vector) })}\n`);
      await write(Buffer.from(lines.join('')));
      count += items.length;
    }
  });
  return count;
}
