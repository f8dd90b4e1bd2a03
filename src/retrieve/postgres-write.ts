import { pipeline } from 'node:stream/promises';
import { optionalPackage, type Session } from './postgres-connection.js';
import { COPY_HEADER, COPY_TRAILER, copyRow, type PostgresRow, vectorText } from './postgres-rows.js';

/** From this many rows on, COPY is the faster way. */
const COPY_FROM = 256;

const CONFLICT = `ON CONFLICT (id) DO UPDATE SET
  hash = excluded.hash, metadata = excluded.metadata, embedding = excluded.embedding, vector = excluded.vector`;

/** Writes rows of distinct ids within the session's transaction, and returns how many ids were new. */
export async function writeRows(
  session: Session,
  schema: string,
  rows: readonly PostgresRow[],
  bulk: boolean,
): Promise<number> {
  if (bulk && rows.length >= COPY_FROM) return copyRows(session, schema, rows);
  const [written] = await session.prepared<{ added: number }>(
    'upsert',
    `WITH incoming AS (
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
       WITH ORDINALITY AS t (id, hash, metadata, embedding, vector, place)
     ), written AS (
       INSERT INTO ${schema}.items (id, hash, metadata, embedding, vector)
       SELECT id, hash, metadata::jsonb, embedding::vector, decode(vector, 'base64') FROM incoming ORDER BY place
       ${CONFLICT} RETURNING xmax
     ) SELECT count(*) FILTER (WHERE xmax = 0)::int AS added FROM written`,
    [
      rows.map(({ id }) => id),
      rows.map(({ hash }) => hash),
      rows.map(({ metadata }) => metadata),
      rows.map(({ embedding }) => vectorText(embedding)),
      rows.map(({ vector }) => (vector === null ? null : Buffer.from(vector).toString('base64'))),
    ],
  );
  return written!.added;
}

async function copyRows(session: Session, schema: string, rows: readonly PostgresRow[]): Promise<number> {
  const { from } = await optionalPackage('pg-copy-streams', () => import('pg-copy-streams'));
  await session.query(
    `CREATE TEMP TABLE incoming (place int, id text COLLATE "C", hash text, metadata jsonb, embedding vector, vector bytea)
     ON COMMIT DROP`,
  );
  const into = session.client.query(from('COPY incoming FROM STDIN WITH (FORMAT binary)'));
  await pipeline(function* () {
    yield COPY_HEADER;
    for (const [place, row] of rows.entries()) yield copyRow(place, row);
    yield COPY_TRAILER;
  }, into);
  const [written] = await session.query<{ added: number }>(
    `WITH written AS (
       INSERT INTO ${schema}.items (id, hash, metadata, embedding, vector)
       SELECT id, hash, metadata, embedding, vector FROM incoming ORDER BY place
       ${CONFLICT} RETURNING xmax
     ) SELECT count(*) FILTER (WHERE xmax = 0)::int AS added FROM written`,
  );
  return written!.added;
}
