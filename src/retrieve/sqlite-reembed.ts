import { rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type Database from 'libsql';
import { NearmissError } from '../errors.js';
import { incompleteReembedding } from './encoder-identity.js';
import { writeEncoder } from './sqlite-file.js';
import type { Reembedding, Store, StoreEncoder } from './store.js';

/** What the store that is filled anew lends. */
interface Target {
  readonly db: Database.Database;
  readonly openStore: (path: string, options: { readonly create?: StoreEncoder }) => Promise<Store>;
  /** Runs a write in a transaction after which every reader reads everything again. */
  readonly replace: (
    write: (change: number) => { readonly result: undefined; readonly added: number; readonly removed: number },
  ) => Promise<void>;
  /** Turns SQLite's errors into the store's. */
  readonly guard: <T>(body: () => T) => T;
}

function removeFile(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
}

/** Gathers the new items in a store of their own beside the old one, `<path>-next`. */
export async function reembedFile(path: string, encoder: StoreEncoder, target: Target): Promise<Reembedding> {
  const beside = `${path}-next`;
  const store = await target.openStore(beside, { create: encoder }).catch((error: unknown) => {
    // Left by an attempt with another encoder: of no use any more.
    if (!(error instanceof NearmissError) || error.code !== 'NM_ENCODER_MISMATCH') throw error;
    removeFile(beside);
    return target.openStore(beside, { create: encoder });
  });
  const { db, guard, replace } = target;
  return {
    store,
    close: () => store.close(),
    finish: async ({ drop = false } = {}) => {
      const { info } = store;
      const reopened = await store.close().then(() => target.openStore(beside, {}));
      await reopened.close(); // its log is in its file now
      guard(() => db.prepare('ATTACH ? AS next').run(`${pathToFileURL(beside).href}?mode=ro`));
      try {
        await replace((change) => {
          const missing = 'FROM main.items WHERE id NOT IN (SELECT id FROM next.items)';
          const lost = db.prepare(`SELECT count(*), min(id) ${missing}`).raw().get() as [number, string];
          if (!drop && lost[0] > 0) throw incompleteReembedding(path, lost[0], lost[1]);
          const removed = db.prepare('DELETE FROM main.items').run().changes;
          const added = db
            .prepare(
              `INSERT INTO main.items (id, hash, metadata, change, vector, code)
               SELECT id, hash, metadata, ?, vector, code FROM next.items ORDER BY row`,
            )
            .run(change).changes;
          writeEncoder(db, info);
          db.exec(`DELETE FROM main.settings WHERE key = 'codeFormat';
            INSERT INTO main.settings SELECT key, value FROM next.settings WHERE key = 'codeFormat'`);
          return { result: undefined, added, removed };
        });
      } finally {
        guard(() => db.exec('DETACH next'));
      }
      removeFile(beside);
    },
  };
}
