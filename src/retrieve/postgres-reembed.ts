import { incompleteReembedding } from './encoder-identity.js';
import type { Connections } from './postgres-connection.js';
import { type PostgresPlace, writeSettings } from './postgres-schema.js';
import type { StoreInfo } from './store.js';

/** Puts the items of the schema `beside` in the place of a store's own, in one transaction. */
export async function finishReembedding(
  connections: Connections,
  { schema, name }: PostgresPlace,
  beside: string,
  info: StoreInfo,
  drop: boolean,
): Promise<void> {
  await connections.transaction(async (session) => {
    await session.query('SET LOCAL statement_timeout = 0');
    // Writers hold this row while they write (`FOR SHARE`): none is in the middle of it, and the next sees the new encoder.
    await session.query(`SELECT value FROM ${schema}.settings WHERE key = 'fingerprint' FOR UPDATE`);
    if (!drop) {
      const missing = await session.query<{ id: string; count: string }>(
        `SELECT id, count(*) OVER () AS count FROM ${schema}.items AS item WHERE NOT EXISTS
           (SELECT 1 FROM ${beside}.items AS fresh WHERE fresh.id = item.id) ORDER BY id LIMIT 1`,
      );
      if (missing[0]) throw incompleteReembedding(name, Number(missing[0].count), missing[0].id);
    }
    await session.query(`DROP TABLE ${schema}.items`);
    await session.query(`ALTER TABLE ${beside}.items SET SCHEMA ${schema}`);
    const { fingerprint, dimension, metric, modelPath, modelCard } = info;
    await writeSettings(session, schema, {
      fingerprint,
      dimension: String(dimension),
      metric,
      modelPath,
      modelCard: modelCard && JSON.stringify(modelCard),
      hnsw: undefined,
    });
    await session.query(`DROP SCHEMA ${beside} CASCADE`);
  });
}
