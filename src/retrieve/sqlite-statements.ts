import type Database from 'libsql';
import { NearmissError } from '../errors.js';

/** The row that tells how far a store is (the schema in sqlite-file.ts). */
export interface StoreState {
  /** Number of the last transaction. */
  readonly change: number;
  /** Removals up to this transaction are forgotten. */
  readonly pruned: number;
  readonly items: number;
  /** Removals that are remembered. */
  readonly removals: number;
}

type Prepared = Database.Statement;

/** What a store says to its file, prepared once. */
export interface Statements {
  readonly setState: Prepared;
  readonly update: Prepared;
  readonly insert: Prepared;
  readonly number: Prepared;
  readonly remove: Prepared;
  readonly log: Prepared;
  readonly forget: Prepared;
  readonly item: Prepared;
  readonly hash: Prepared;
  readonly ids: Prepared;
  readonly items: Prepared;
  readonly vector: Prepared;
  readonly hit: Prepared;
  /** Reads a setting; undefined where there is none. */
  setting(key: string): string | undefined;
  readonly setSetting: Prepared;
  readonly setCode: Prepared;
  readonly forgetCodes: Prepared;
  /** Reads the state; `NM_STORE_INVALID` if there is none. */
  state(): StoreState;
}

export function prepareStatements(db: Database.Database, path: string): Statements {
  const raw = (sql: string): Prepared => db.prepare(sql).raw();
  const state = raw('SELECT change, pruned, items, removals FROM state');
  const setting = raw('SELECT value FROM settings WHERE key = ?');
  return {
    setState: db.prepare('UPDATE state SET change = ?, pruned = ?, items = ?, removals = ?'),
    update: db.prepare('UPDATE items SET hash = ?2, metadata = ?3, vector = ?4, change = ?5, code = ?6 WHERE id = ?1'),
    insert: db.prepare('INSERT INTO items (id, hash, metadata, vector, change, code) VALUES (?, ?, ?, ?, ?, ?)'),
    number: raw('SELECT row FROM items WHERE id = ?'),
    remove: db.prepare('DELETE FROM items WHERE row = ?'),
    log: db.prepare('INSERT INTO removals VALUES (?, ?)'),
    forget: db.prepare('DELETE FROM removals WHERE change < ?'),
    item: raw('SELECT id, vector, metadata, hash FROM items WHERE id = ?'),
    hash: raw('SELECT hash FROM items WHERE id = ?'),
    ids: raw('SELECT id FROM items WHERE id > ? ORDER BY id LIMIT ?'),
    items: raw('SELECT id, vector, metadata, hash FROM items WHERE id > ? ORDER BY id LIMIT ?'),
    vector: raw('SELECT vector FROM items WHERE row = ?'),
    setting: (key) => (setting.get(key) as [string] | undefined)?.[0],
    setCode: db.prepare('UPDATE items SET code = ? WHERE row = ?'),
    forgetCodes: db.prepare('UPDATE items SET code = NULL'),
    setSetting: db.prepare('INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2'),
    hit: raw('SELECT id, metadata FROM items WHERE row = ?'),
    state: () => {
      const row = state.get() as [number, number, number, number] | undefined;
      if (!row) throw new NearmissError('NM_STORE_INVALID', `${path}: the file is damaged: it has no state`);
      const [change, pruned, items, removals] = row;
      return { change, pruned, items, removals };
    },
  };
}
