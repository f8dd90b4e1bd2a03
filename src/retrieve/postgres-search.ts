import type { Filter } from './filter.js';
import type { JsonObject } from './items.js';
import type { Connections, Session } from './postgres-connection.js';
import { filterSql } from './postgres-filter.js';
import { HNSW_OPERATORS, hnswOrder, readAnn } from './postgres-hnsw.js';
import { unescapeValue, vectorFromBinary, vectorText } from './postgres-rows.js';
import type { Hit } from './store.js';
import type { Metric } from './vectors.js';

/** Candidates past the k-th: pgvector orders by float32 sums, whose last bits the float64 scores below correct. */
const MARGIN = 16;
/** Candidates that the graph is asked for, at least. */
const LEAST_EFFORT = 100;
/** pgvector's own bound. */
const MOST_EFFORT = 1000;

/** A search for one query. */
export interface SearchTask {
  readonly schema: string;
  readonly metric: Metric;
  /** As it is searched. */
  readonly query: Float32Array;
  readonly k: number;
  readonly mode: 'exact' | 'approximate';
  readonly filter?: Filter;
}

interface Candidate {
  readonly row: string;
  readonly id: string;
  readonly metadata: JsonObject;
  readonly embedding: Uint8Array;
  readonly fingerprint: string;
}

/** The best items for one query, and the encoder that the store has now; undefined where nothing was found. */
export async function searchPostgres(
  connections: Connections,
  task: SearchTask,
  radius: number | undefined,
): Promise<{ readonly hits: Hit[]; readonly fingerprint: string | undefined }> {
  const { metric, query, k } = task;
  let candidates = task.mode === 'approximate' ? await approximate(connections, task) : undefined;
  // Fewer than asked for: the graph has ended its walk early, or there are no more. Only a look at all rows can tell.
  if (candidates === undefined || candidates.length < k + MARGIN) candidates = await exact(connections, task);
  const scored = candidates.map(({ row, id, metadata, embedding }) => ({
    row: Number(row),
    hit: { id, score: scoreOf(metric, query, vectorFromBinary(embedding)), metadata: unescapeValue(metadata) },
  }));
  const better = metric === 'l2' ? -1 : 1;
  scored.sort((a, b) => better * (b.hit.score - a.hit.score) || a.row - b.row);
  const hits = scored.slice(0, k).map(({ hit }) => hit);
  return {
    hits: radius === undefined ? hits : hits.filter(({ score }) => better * (score - radius) >= 0),
    fingerprint: candidates[0]?.fingerprint,
  };
}

/** In float64, rounded to float32, as all stores give scores. */
function scoreOf(metric: Metric, query: Float32Array, vector: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < query.length; i++) {
    const x = vector[i]!;
    const q = query[i]!;
    sum += metric === 'l2' ? (x - q) * (x - q) : x * q;
  }
  return Math.fround(metric === 'l2' ? Math.sqrt(sum) : sum);
}

function select({ schema, filter }: SearchTask, order: string, values: unknown[]): string {
  const where = filter ? ` WHERE ${filterSql(filter, values)}` : '';
  return `SELECT row, id, metadata, vector_send(embedding) AS embedding,
    (SELECT value FROM ${schema}.settings WHERE key = 'fingerprint') AS fingerprint
    FROM ${schema}.items${where} ORDER BY ${order} LIMIT $2`;
}

/** Statements without a filter are prepared; a filter makes each its own. */
function run(session: Session, task: SearchTask, name: string, text: string, values: unknown[]): Promise<Candidate[]> {
  return task.filter ? session.query(text, values) : session.prepared(name, text, values);
}

async function exact(connections: Connections, task: SearchTask): Promise<Candidate[]> {
  const values: unknown[] = [vectorText(task.query), task.k + MARGIN];
  // Adding 0 keeps the planner from an approximate index.
  const order = `(embedding ${HNSW_OPERATORS[task.metric].operator} $1::vector) + 0, row`;
  const text = select(task, order, values);
  return connections.use((session) => run(session, task, 'exact', text, values));
}

async function approximate(connections: Connections, task: SearchTask): Promise<Candidate[] | undefined> {
  const ann = await connections.use((session) => readAnn(session, task.schema));
  if (!ann) return undefined;
  const wanted = task.k + MARGIN;
  const effort = Math.min(MOST_EFFORT, Math.max(LEAST_EFFORT, 2 * wanted));
  const values: unknown[] = [vectorText(task.query), wanted];
  const text = select(task, hnswOrder(ann, task.metric, task.query.length), values);
  return connections.transaction(async (session) => {
    // The walk goes on until enough rows have met the filter; their exact order is set afterwards.
    await session.query(`SET LOCAL hnsw.ef_search = ${effort}`);
    await session.query("SET LOCAL hnsw.iterative_scan = 'relaxed_order'");
    return run(session, task, `hnsw_${ann.kind}`, text, values);
  }, 'READ ONLY');
}
