import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { takeTurns } from './turns.js';

/** A server that tests may fill: that of NEARMISS_POSTGRES_URL, or PostgreSQL with pgvector in this process (PGlite). */
export interface PostgresServer {
  /** A connection string. */
  readonly url: string;
  /** The database in this process; undefined on a real server. */
  readonly embedded: PGlite | undefined;
  /** Stops listening, and listens again at the same address; undefined on a real server, which is not ours to stop. */
  readonly restart: ((pause: number) => Promise<void>) | undefined;
  /** Drops schemas, and stops what was started. */
  stop(schemas: readonly string[]): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const real = process.env['NEARMISS_POSTGRES_URL'];
  if (real) return { url: real, embedded: undefined, restart: undefined, stop: (names) => drop(real, names) };
  const db = await PGlite.create({ extensions: { vector } });
  const sockets = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', maxConnections: 100 });
  await sockets.start();
  const behind = Number(sockets.getServerConn().split(':').pop());
  let turns = await takeTurns(behind, 0);
  const { port } = turns;
  return {
    url: `postgres://postgres:secret@127.0.0.1:${port}/postgres`,
    embedded: db,
    restart: async (pause) => {
      await turns.close();
      await new Promise((resolve) => setTimeout(resolve, pause));
      turns = await takeTurns(behind, port);
    },
    stop: async () => {
      await turns.close();
      await sockets.stop();
      await db.close();
    },
  };
}

async function drop(url: string, schemas: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const schema of schemas) await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
  await client.end();
}
