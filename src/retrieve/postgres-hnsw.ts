import { NearmissError } from '../errors.js';
import type { Connections, Session } from './postgres-connection.js';
import { writeSettings } from './postgres-schema.js';
import type { StoreInfo } from './store.js';
import { checkWhole, type Metric } from './vectors.js';

export interface AnnOptions {
  /** Keeps 16 bits a component in the index: half its space. Exact float32 vectors set the final order. Default false. */
  readonly halfvec?: boolean;
  /** Neighbours a node, 2 … 100. Default 16. */
  readonly m?: number;
  /** Candidates while building, 2·m … 1,000. Default 64. */
  readonly efConstruction?: number;
}

/** The index that a store has. */
export interface Ann {
  readonly kind: 'vector' | 'halfvec';
}

/** pgvector's operator and operator class of each metric; cosine is the inner product of unit vectors. */
export const HNSW_OPERATORS: Readonly<Record<Metric, { readonly operator: string; readonly kind: 'ip' | 'l2' }>> = {
  cosine: { operator: '<#>', kind: 'ip' },
  'inner-product': { operator: '<#>', kind: 'ip' },
  l2: { operator: '<->', kind: 'l2' },
};

const LARGEST: Readonly<Record<Ann['kind'], number>> = { vector: 2000, halfvec: 4000 };

/** What the index orders: the column or, as halfvec, an expression. */
function indexed({ kind }: Ann, dimension: number): string {
  return kind === 'vector' ? 'embedding' : `(embedding::halfvec(${dimension}))`;
}

/** The order by which the planner takes the index, of a query in $1. */
export function hnswOrder(ann: Ann, metric: Metric, dimension: number): string {
  return `${indexed(ann, dimension)} ${HNSW_OPERATORS[metric].operator} $1::${ann.kind}(${dimension})`;
}

export async function readAnn(session: Session, schema: string): Promise<Ann | undefined> {
  const [row] = await session.prepared<{ value: string }>(
    'ann',
    `SELECT value FROM ${schema}.settings WHERE key = 'hnsw'`,
    [],
  );
  return row && { kind: row.value as Ann['kind'] };
}

export async function buildAnnIndex(
  connections: Connections,
  schema: string,
  { dimension, metric }: StoreInfo,
  options: AnnOptions,
): Promise<void> {
  const { halfvec = false, m = 16, efConstruction = 64 } = options;
  checkWhole('m', m, 2, 100);
  checkWhole('efConstruction', efConstruction, 2 * m, 1000);
  const kind = halfvec ? 'halfvec' : 'vector';
  if (dimension > LARGEST[kind]) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `dimension: found ${dimension}, allowed: up to ${LARGEST.vector} in an HNSW index, ${LARGEST.halfvec} with halfvec`,
    );
  }
  await connections.transaction(async (session) => {
    await session.query('SET LOCAL statement_timeout = 0'); // hours for millions of rows
    await session.query(`DROP INDEX IF EXISTS ${schema}.items_hnsw`);
    await session.query(
      `CREATE INDEX items_hnsw ON ${schema}.items
       USING hnsw (${indexed({ kind }, dimension)} ${kind}_${HNSW_OPERATORS[metric].kind}_ops)
       WITH (m = ${m}, ef_construction = ${efConstruction})`,
    );
    await writeSettings(session, schema, { hnsw: kind });
  });
}
