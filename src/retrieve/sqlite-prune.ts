import type Database from 'libsql';
import { transaction } from './sqlite-file.js';
import type { Pruning } from './store.js';

let prunings = 0;

/**
 * Collects the ids to keep in a temporary table, which SQLite keeps on the disk: millions of them cost no memory.
 *
 * @param guard runs a step, turning SQLite's errors into the store's
 * @param remove runs the removal in a transaction of the store, which gives its number
 */
export function pruneItems(
  db: Database.Database,
  guard: <T>(body: () => T) => T,
  remove: (removeRows: (change: number) => number) => Promise<number>,
): Pruning {
  prunings += 1;
  const table = `temp.kept_${prunings}`;
  guard(() => db.exec(`CREATE TEMP TABLE kept_${prunings} (id TEXT PRIMARY KEY) WITHOUT ROWID`));
  const insert = guard(() => db.prepare(`INSERT OR IGNORE INTO ${table} VALUES (?)`));
  const drop = (): void => {
    guard(() => db.exec(`DROP TABLE IF EXISTS ${table}`));
  };
  return {
    keep: async (ids) => {
      guard(() =>
        transaction(db, 'DEFERRED', () => {
          for (const id of ids) insert.run(id);
        }),
      );
    },
    finish: async () => {
      const others = `FROM items WHERE id NOT IN (SELECT id FROM ${table})`;
      const removed = await remove((change) => {
        db.prepare(`INSERT INTO removals SELECT row, ? ${others}`).run(change);
        return db.prepare(`DELETE ${others}`).run().changes;
      });
      drop();
      return removed;
    },
    cancel: async () => drop(),
  };
}
