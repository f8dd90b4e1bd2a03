// The other sides of retrieval.ts. Each takes vectors of length 1 and finds the k best by inner product.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'libsql';

/** One side of the comparison. */
export interface Side {
  readonly name: string;
  /** Whether it is measured on batches too. */
  readonly batches?: boolean;
  /** Ids [count, top] for queries first … first + count - 1, at once. */
  ask?(first: number, count: number): ArrayLike<number> & Iterable<number>;
  /** Where the side measures itself. */
  timed?(first: number, count: number, batch: boolean): Promise<{ wall: number[]; cpu: number[]; ids: number[] }>;
  close?(): void;
}

/** What is searched, in memory and in files. */
export interface Shared {
  readonly rows: Float32Array;
  readonly queries: Float32Array;
  readonly count: number;
  readonly dim: number;
  readonly top: number;
  readonly files: { readonly rows: string; readonly queries: string };
}

/** faiss-cpu and PyTorch, in a process of their own that is asked one line at a time. */
export async function python(interpreter: string, shared: Shared): Promise<Side[]> {
  const script = new URL('../../bench/retrieval.py', import.meta.url).pathname;
  const child = spawn(interpreter, [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${interpreter} ended before it answered`);
    return value as string;
  };
  const ask = (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    return next();
  };
  console.log(await next());
  await ask(`load set ${shared.files.rows} ${shared.count} ${shared.dim}`);
  await ask(`ask set ${shared.files.queries} ${shared.queries.length / shared.dim} ${shared.dim}`);
  const side = (name: string, key: string): Side => ({
    name,
    batches: true,
    async timed(first, count, batch) {
      const answer = await ask(`${batch ? 'batch' : 'single'} ${key} set ${first} ${count}`);
      const [wall, cpu, ids] = answer.split(' ').map((part) => part.split(',').map(Number));
      return { wall: wall!, cpu: cpu!, ids: ids! };
    },
  });
  return [
    { ...side('faiss IndexFlatIP', 'faiss'), close: () => child.stdin.end() },
    side('torch matmul + topk', 'torch'),
  ];
}

/** What `createRequire` finds in another folder, or undefined. */
function found<T>(folder: string, name: string): T | undefined {
  try {
    return createRequire(join(folder, 'package.json'))(name) as T;
  } catch {
    console.log(`${name}: not in ${folder}`);
    return undefined;
  }
}

/** usearch's exactSearch. */
export function usearch(folder: string, shared: Shared): Side | undefined {
  const { rows, queries, dim, top } = shared;
  const library = found<{
    exactSearch(
      rows: Float32Array,
      queries: Float32Array,
      dimension: number,
      k: number,
      metric: string,
      threads: number,
    ): { keys: BigUint64Array };
  }>(folder, 'usearch');
  if (!library) return undefined;
  return {
    name: 'usearch exactSearch',
    batches: true,
    ask: (first, count) => {
      // Copies: exactSearch takes no notice of where a view starts.
      const { keys } = library.exactSearch(rows, queries.slice(first * dim, (first + count) * dim), dim, top, 'ip', 1);
      return Array.from(keys, Number);
    },
  };
}

/** sqlite-vec, float vectors in a table in memory. */
export function sqliteVec(folder: string, shared: Shared): Side | undefined {
  const { rows, queries, count, dim, top } = shared;
  const library = found<{ getLoadablePath(): string }>(folder, 'sqlite-vec');
  if (!library) return undefined;
  const db = new Database(':memory:');
  try {
    db.loadExtension(library.getLoadablePath());
  } catch (error) {
    console.log(`sqlite-vec: ${(error as Error).message}`);
    return undefined;
  }
  db.exec(`CREATE VIRTUAL TABLE items USING vec0(vector float[${dim}] distance_metric=cosine)`);
  const insert = db.prepare('INSERT INTO items (rowid, vector) VALUES (?, ?)');
  const bytes = (of: Float32Array, row: number): Buffer => Buffer.from(of.slice(row * dim, (row + 1) * dim).buffer);
  db.exec('BEGIN');
  for (let row = 0; row < count; row++) insert.run(BigInt(row + 1), bytes(rows, row));
  db.exec('COMMIT');
  const select = db.prepare('SELECT rowid FROM items WHERE vector MATCH ? AND k = ? ORDER BY distance').raw();
  return {
    name: 'sqlite-vec float',
    ask: (first, asked) =>
      Array.from({ length: asked }, (_, i) => select.all(bytes(queries, first + i), top) as [number][])
        .flat()
        .map(([rowid]) => rowid - 1),
    close: () => db.close(),
  };
}

/** A loop over one Float32Array, four sums, insertion into a sorted list. */
export function jsLoop({ rows, queries, count, dim, top }: Shared): Side {
  return {
    name: 'typed-array loop',
    ask: (first, asked) => {
      const ids: number[] = [];
      for (let q = first; q < first + asked; q++) {
        const scores = new Float64Array(top).fill(Number.NEGATIVE_INFINITY);
        const best = new Int32Array(top);
        for (let row = 0; row < count; row++) {
          let [a, b, c, d] = [0, 0, 0, 0];
          const at = row * dim;
          const from = q * dim;
          for (let j = 0; j < dim; j += 4) {
            a += rows[at + j]! * queries[from + j]!;
            b += rows[at + j + 1]! * queries[from + j + 1]!;
            c += rows[at + j + 2]! * queries[from + j + 2]!;
            d += rows[at + j + 3]! * queries[from + j + 3]!;
          }
          const score = a + b + c + d;
          if (score <= scores[top - 1]!) continue;
          let to = top - 1;
          for (; to > 0 && scores[to - 1]! < score; to--) {
            scores[to] = scores[to - 1]!;
            best[to] = best[to - 1]!;
          }
          scores[to] = score;
          best[to] = row;
        }
        ids.push(...best);
      }
      return ids;
    },
  };
}
