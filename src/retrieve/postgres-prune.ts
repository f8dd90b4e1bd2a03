import type { Connections } from './postgres-connection.js';
import type { Pruning } from './store.js';

/** Collects the ids to keep in a table of the store, which any connection can add to. */
export async function prunePostgres(connections: Connections, schema: string): Promise<Pruning> {
  const pruning = await connections.use(async (session) => {
    // What a killed process has left behind.
    await session.query(`DELETE FROM ${schema}.prunings WHERE started < now() - interval '7 days'`);
    const [row] = await session.query<{ pruning: string }>(
      `INSERT INTO ${schema}.prunings DEFAULT VALUES RETURNING pruning`,
    );
    return row!.pruning;
  });
  const forget = `DELETE FROM ${schema}.prunings WHERE pruning = $1`;
  return {
    keep: async (ids) => {
      await connections.use((session) =>
        session.prepared(
          'keep',
          `INSERT INTO ${schema}.kept SELECT $1, id FROM unnest($2::text[]) AS id ON CONFLICT DO NOTHING`,
          [pruning, ids],
        ),
      );
    },
    finish: () =>
      connections.transaction(async (session) => {
        await session.query('SET LOCAL statement_timeout = 0');
        const [row] = await session.query<{ count: number }>(
          `WITH gone AS (
             DELETE FROM ${schema}.items AS item WHERE NOT EXISTS
               (SELECT 1 FROM ${schema}.kept WHERE kept.pruning = $1 AND kept.id = item.id) RETURNING 1
           ) SELECT count(*)::int AS count FROM gone`,
          [pruning],
        );
        await session.query(forget, [pruning]);
        return row!.count;
      }),
    cancel: async () => {
      await connections.use((session) => session.query(forget, [pruning]));
    },
  };
}
