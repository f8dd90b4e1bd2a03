import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/retrieve/index.js';
import type { SearchAnswer } from '../../src/serve/index.js';

/** A folder of its own, and what removes it. */
export async function temporaryFolder(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'nearmiss-serve-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Writes a store of `count` items i0, i1, …: item i is nearest to `axis(i)`, and has the metadata { n: i }. */
export async function writeStore(path: string, count = 8, fingerprint = 'sha256:a', dimension = 8): Promise<string> {
  const store = await openStore(path, { create: { fingerprint, dimension } });
  const vectors = Array.from({ length: count }, (_, i) => Float32Array.from(axis(i, dimension)));
  await store.upsert(vectors.map((vector, i) => ({ id: `i${i}`, vector, metadata: { n: i } })));
  await store.close();
  return path;
}

/** A direction of its own for each i. */
export function axis(i: number, dimension = 8): number[] {
  const vector = new Array<number>(dimension).fill(0);
  vector[i % dimension] = 1;
  vector[(i + 1) % dimension] = Math.floor(i / dimension) / 8;
  return vector;
}

export function idsOf({ hits }: Pick<SearchAnswer, 'hits'>): string[] {
  return hits.map(({ id }) => id);
}

/** The code of an answer that is an error. */
export function codeOf(body: string): string {
  return (JSON.parse(body) as { readonly error: { readonly code: string } }).error.code;
}
