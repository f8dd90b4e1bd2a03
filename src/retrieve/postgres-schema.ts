import { NearmissError } from '../errors.js';
import { checkedEncoder, checkSameEncoder } from './encoder-identity.js';
import type { JsonObject } from './items.js';
import type { Connections, Session } from './postgres-connection.js';
import type { StoreEncoder, StoreInfo } from './store.js';
import { checkMetric } from './vectors.js';

/** Largest dimension of pgvector's `vector`. */
export const MAX_POSTGRES_DIMENSION = 16_000;

/**
 * The layout, one step after the other; a store says in `settings.schema` how many it has seen. Steps are never changed
 * once released, only added.
 */
export const MIGRATIONS: readonly ((schema: string, dimension: number) => string)[] = [
  (schema, dimension) => `
    CREATE TABLE ${schema}.items (
      row bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id text COLLATE "C" NOT NULL UNIQUE,
      hash text,
      metadata jsonb NOT NULL,
      embedding vector(${dimension}) NOT NULL,
      vector bytea
    );
    CREATE TABLE ${schema}.prunings (
      pruning bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      started timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE ${schema}.kept (
      pruning bigint NOT NULL REFERENCES ${schema}.prunings ON DELETE CASCADE,
      id text COLLATE "C" NOT NULL,
      PRIMARY KEY (pruning, id)
    );
    CREATE TABLE ${schema}.shares (
      name text PRIMARY KEY,
      run uuid NOT NULL DEFAULT gen_random_uuid(),
      filled boolean NOT NULL DEFAULT false,
      filling_until timestamptz NOT NULL DEFAULT '-infinity'
    );`,
  // For filters: containment of what an `eq` asks for.
  (schema) => `CREATE INDEX items_metadata ON ${schema}.items USING gin (metadata jsonb_path_ops);`,
];

export interface PostgresPlace {
  readonly connections: Connections;
  /** Quoted name of the schema. */
  readonly schema: string;
  readonly name: string;
}

/** Creates, migrates and reads a store's schema. */
export async function openSchema(
  { connections, schema, name }: PostgresPlace,
  options: { readonly create?: StoreEncoder; readonly readOnly: boolean },
): Promise<StoreInfo> {
  const create = options.create && checkedEncoder(options.create, MAX_POSTGRES_DIMENSION);
  const found = await connections.use((session) => layoutOf(session, schema, name));
  if (found === undefined && (!create || options.readOnly)) {
    throw new NearmissError('NM_STORE_MISSING', `${name}: there is no store in schema ${schema}`);
  }
  if (found !== MIGRATIONS.length) {
    if (options.readOnly) {
      throw new NearmissError(
        'NM_STORE_VERSION',
        `${name}: found layout ${found}, allowed: ${MIGRATIONS.length}; open it once for writing, which migrates it`,
      );
    }
    await connections.transaction(async (session) => {
      // One at a time; whoever comes second finds the work done.
      await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`nearmiss ${schema}`]);
      await migrate(session, schema, name, create);
    });
  }
  const info = await connections.use((session) => readInfo(session, schema, name));
  if (create) checkSameEncoder(name, info, create);
  return info;
}

/** The number of migrations that a schema has seen; undefined where there is no store. */
async function layoutOf(session: Session, schema: string, name: string): Promise<number | undefined> {
  const [table] = await session.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
    `${schema}.settings`,
  ]);
  if (!table?.found) return undefined;
  const [row] = await session.query<{ value: string }>(`SELECT value FROM ${schema}.settings WHERE key = 'schema'`);
  const layout = Number(row?.value);
  if (!Number.isInteger(layout)) {
    throw new NearmissError('NM_STORE_INVALID', `${name}: schema ${schema} has a table settings, but is no store`);
  }
  if (layout <= MIGRATIONS.length) return layout;
  throw new NearmissError(
    'NM_STORE_VERSION',
    `${name}: found layout ${layout}, allowed: ${MIGRATIONS.length}, the newest that this nearmiss reads`,
  );
}

async function migrate(session: Session, schema: string, name: string, create?: StoreEncoder): Promise<void> {
  let layout = await layoutOf(session, schema, name);
  if (layout === undefined && create) {
    await createExtension(session, name);
    await session.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await session.query(`CREATE TABLE ${schema}.settings (key text PRIMARY KEY, value text NOT NULL)`);
    const { fingerprint, dimension, metric = 'cosine', modelPath, modelCard } = create;
    const settings = { schema: '0', fingerprint, dimension: String(dimension), metric, modelPath };
    await writeSettings(session, schema, { ...settings, modelCard: modelCard && JSON.stringify(modelCard) });
    layout = 0;
  }
  if (layout === undefined || layout === MIGRATIONS.length) return;
  const { dimension } = await readInfo(session, schema, name);
  for (const step of MIGRATIONS.slice(layout)) await session.query(step(schema, dimension));
  await writeSettings(session, schema, { schema: String(MIGRATIONS.length) });
}

/** Sees to it that pgvector is there; `NM_PGVECTOR_MISSING` where the server does not have it. */
export async function createExtension(session: Session, name: string): Promise<void> {
  const [present] = await session.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'");
  if (present) return;
  const [available] = await session.query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'");
  if (!available) {
    throw new NearmissError('NM_PGVECTOR_MISSING', `${name}: the server has no extension named vector (pgvector)`);
  }
  await session.query('CREATE EXTENSION IF NOT EXISTS vector');
}

export async function writeSettings(
  session: Session,
  schema: string,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined) await session.query(`DELETE FROM ${schema}.settings WHERE key = $1`, [key]);
    else {
      await session.query(
        `INSERT INTO ${schema}.settings VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        [key, value],
      );
    }
  }
}

async function readInfo(session: Session, schema: string, name: string): Promise<StoreInfo> {
  const rows = await session.query<{ key: string; value: string }>(`SELECT key, value FROM ${schema}.settings`);
  const settings = new Map(rows.map(({ key, value }) => [key, value]));
  const setting = (key: string): string => {
    const found = settings.get(key);
    if (found !== undefined) return found;
    throw new NearmissError('NM_STORE_INVALID', `${name}: the store is damaged: no setting ${key}`);
  };
  const metric = setting('metric');
  checkMetric(metric);
  const modelPath = settings.get('modelPath');
  const modelCard = settings.get('modelCard');
  return {
    fingerprint: setting('fingerprint'),
    dimension: Number(setting('dimension')),
    metric,
    schema: Number(setting('schema')),
    ...(modelPath === undefined ? {} : { modelPath }),
    ...(modelCard === undefined ? {} : { modelCard: JSON.parse(modelCard) as JsonObject }),
  };
}
