import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'libsql';
import { type ErrorCode, NearmissError } from '../errors.js';
import { checkedEncoder, checkSameEncoder } from './encoder-identity.js';
import type { JsonObject } from './items.js';
import type { StoreEncoder, StoreInfo } from './store.js';
import { checkMetric } from './vectors.js';

/** "nmss": says in the file's header that it is a store of nearmiss. */
const APPLICATION_ID = 0x6e6d7373;
/** Version of the layout below, in `user_version`. */
export const SCHEMA_VERSION = 2;

// `change` numbers the transactions. An item carries the number of its last write, `removals` that of each removal, so a
// reader that has seen everything up to one number reads only what came later. Removals up to `pruned` are forgotten: who
// has seen less reads everything again. AUTOINCREMENT never gives a row number twice, so new items come last. `code` is
// what the search engine makes of a vector (engine.ts), in the format that the setting `codeFormat` names; a row whose code
// is null has its code made when it is read.
const SCHEMA = `
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    change INTEGER NOT NULL,
    pruned INTEGER NOT NULL,
    items INTEGER NOT NULL,
    removals INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE items (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    hash TEXT,
    metadata TEXT NOT NULL,
    change INTEGER NOT NULL,
    vector BLOB NOT NULL,
    code BLOB
  ) STRICT;
  CREATE INDEX items_by_change ON items (change);
  CREATE TABLE removals (row INTEGER PRIMARY KEY, change INTEGER NOT NULL) STRICT;
  CREATE INDEX removals_by_change ON removals (change);
  INSERT INTO state VALUES (1, 0, 0, 0, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What leads from each layout to the next. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: 'ALTER TABLE items ADD COLUMN code BLOB',
};

export interface FileOptions {
  readonly create?: StoreEncoder;
  readonly readOnly: boolean;
  /** ms */
  readonly busyTimeout: number;
}

/** SQLite's primary result codes that a user can cause, and what they are to him. */
const RESULT_CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['NM_STORE_BUSY', 'another process is writing'],
  6: ['NM_STORE_BUSY', 'another process is writing'],
  8: ['NM_STORE_READ_ONLY', 'the file or its folder may not be written'],
  10: ['NM_STORE_WRITE_FAILED', 'the disk is full or failing'],
  11: ['NM_STORE_INVALID', 'the file is damaged'],
  13: ['NM_STORE_WRITE_FAILED', 'the disk is full'],
  14: ['NM_STORE_INVALID', 'the file cannot be opened'],
  26: ['NM_STORE_INVALID', 'found another kind of file, allowed: a store'],
};

/** The primary result code of an SQLite error (libsql gives the extended one, and not a name for each); else 0. */
function resultCode(error: unknown): number {
  return error instanceof Error && 'rawCode' in error && typeof error.rawCode === 'number' ? error.rawCode & 0xff : 0;
}

/** SQLite's complaint as an error of nearmiss; anything else as it is. */
export function storeError(path: string, error: unknown): unknown {
  const known = RESULT_CODES[resultCode(error)];
  if (!known || !(error instanceof Error)) return error;
  return new NearmissError(known[0], `${path}: ${known[1]} (SQLite: ${error.message})`, { cause: error });
}

function connect(path: string, mode: string, timeout: number): Database.Database {
  // Always a file: URL with a mode, so that no part of a path is taken for a parameter, `:memory:` or a server.
  return new Database(`${pathToFileURL(path).href}?${mode}`, { timeout });
}

function value(db: Database.Database, sql: string): unknown {
  return (db.prepare(sql).raw().get() as unknown[] | undefined)?.[0];
}

/** Runs `body` in a transaction; an error undoes it. */
export function transaction<T>(db: Database.Database, kind: 'DEFERRED' | 'IMMEDIATE', body: () => T): T {
  db.exec(`BEGIN ${kind}`);
  try {
    const result = body();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // After some errors (a full disk) SQLite has rolled back by itself.
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Opens a store's file, creates it if that is asked for and needed, and reads its settings. */
export function openFile(path: string, options: FileOptions): { db: Database.Database; info: StoreInfo } {
  const create = options.create && checkedEncoder(options.create);
  if (existsSync(path)) {
    if (!statSync(path).isFile())
      throw new NearmissError('NM_STORE_INVALID', `${path}: found a folder, allowed: a file`);
  } else if (!create || options.readOnly) {
    throw new NearmissError('NM_STORE_MISSING', `${path}: there is no such file`);
  } else if (!existsSync(dirname(resolve(path)))) {
    throw new NearmissError('NM_STORE_MISSING', `${path}: there is no folder ${dirname(resolve(path))}`);
  }
  try {
    return options.readOnly ? openReadOnly(path, options) : openWritable(path, options.busyTimeout, create);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('ConnectionFailed')) {
      const code = options.readOnly ? 'NM_STORE_INVALID' : 'NM_STORE_WRITE_FAILED';
      throw new NearmissError(code, `${path}: the file cannot be opened; check its permissions`, { cause: error });
    }
    throw storeError(path, error);
  }
}

function closing<T>(db: Database.Database, body: () => T): T {
  try {
    return body();
  } catch (error) {
    db.close();
    throw error;
  }
}

function openWritable(path: string, timeout: number, create: StoreEncoder | undefined): ReturnType<typeof openFile> {
  const db = connect(path, create ? 'mode=rwc' : 'mode=rw', timeout);
  return closing(db, () => {
    const blank = isBlank(db);
    if (!blank) checkLayout(db, path);
    if (blank && !create) throw new NearmissError('NM_STORE_INVALID', `${path}: found an empty file, allowed: a store`);
    // A commit returns when it is on the disk (FULL); macOS needs to be asked for that separately.
    db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1');
    db.exec('PRAGMA temp_store = FILE; PRAGMA foreign_keys = OFF');
    if (value(db, 'PRAGMA journal_mode') !== 'wal') value(db, 'PRAGMA journal_mode = WAL');
    // A long transaction may leave a long log; the next checkpoint shortens it to this many bytes.
    value(db, 'PRAGMA journal_size_limit = 16777216');
    if (blank && create) {
      transaction(db, 'IMMEDIATE', () => {
        // Another process may have been faster.
        if (isBlank(db)) initialise(db, create);
      });
      checkLayout(db, path);
    }
    if (value(db, 'PRAGMA user_version') !== SCHEMA_VERSION) transaction(db, 'IMMEDIATE', () => migrate(db));
    const info = readInfo(db, path);
    if (create) checkSameEncoder(path, info, create);
    return { db, info };
  });
}

/** Brings a file of an older layout to this one. */
function migrate(db: Database.Database): void {
  // Read within the transaction: another process may have been faster.
  for (let layout = value(db, 'PRAGMA user_version') as number; layout < SCHEMA_VERSION; layout++) {
    db.exec(`${MIGRATIONS[layout]!}; PRAGMA user_version = ${layout + 1}`);
  }
}

function openReadOnly(path: string, { create, busyTimeout }: FileOptions): ReturnType<typeof openFile> {
  const read = (mode: string): ReturnType<typeof openFile> => {
    const db = connect(path, mode, busyTimeout);
    return closing(db, () => {
      if (isBlank(db)) throw new NearmissError('NM_STORE_INVALID', `${path}: found an empty file, allowed: a store`);
      checkLayout(db, path);
      const layout = value(db, 'PRAGMA user_version');
      if (layout !== SCHEMA_VERSION) {
        throw new NearmissError(
          'NM_STORE_VERSION',
          `${path}: found layout ${String(layout)}, allowed: ${SCHEMA_VERSION}; open it once for writing, which migrates it`,
        );
      }
      const info = readInfo(db, path);
      if (create) checkSameEncoder(path, info, create);
      return { db, info };
    });
  };
  try {
    return read('mode=ro');
  } catch (error) {
    // In a folder that may not be written SQLite cannot make the files by which readers and writers of a log agree. If
    // they are not there, nobody writes, and a file without a log holds everything: it can be read as it lies.
    const log = `${path}-wal`;
    if (![8, 14].includes(resultCode(error)) || (existsSync(log) && statSync(log).size > 0)) throw error;
    return read('immutable=1');
  }
}

function isBlank(db: Database.Database): boolean {
  return value(db, 'SELECT count(*) FROM sqlite_master') === 0 && value(db, 'PRAGMA application_id') === 0;
}

function checkLayout(db: Database.Database, path: string): void {
  if (value(db, 'PRAGMA application_id') !== APPLICATION_ID) {
    throw new NearmissError('NM_STORE_INVALID', `${path}: found another program's SQLite file, allowed: a store`);
  }
  const version = value(db, 'PRAGMA user_version');
  if (typeof version !== 'number' || version < 1 || version > SCHEMA_VERSION) {
    throw new NearmissError(
      'NM_STORE_VERSION',
      `${path}: found layout ${String(version)}, allowed: ${SCHEMA_VERSION}, the newest that this nearmiss reads`,
    );
  }
}

function initialise(db: Database.Database, encoder: StoreEncoder): void {
  db.exec(SCHEMA);
  writeEncoder(db, encoder);
}

/** Writes what a store says of its encoder. */
export function writeEncoder(db: Database.Database, encoder: StoreEncoder): void {
  db.exec("DELETE FROM settings WHERE key IN ('fingerprint', 'dimension', 'metric', 'modelPath', 'modelCard')");
  const insert = db.prepare('INSERT INTO settings VALUES (?, ?)');
  const { fingerprint, dimension, metric = 'cosine', modelPath, modelCard } = encoder;
  insert.run('fingerprint', fingerprint);
  insert.run('dimension', String(dimension));
  insert.run('metric', metric);
  if (modelPath !== undefined) insert.run('modelPath', modelPath);
  if (modelCard !== undefined) insert.run('modelCard', JSON.stringify(modelCard));
}

function readInfo(db: Database.Database, path: string): StoreInfo {
  const settings = new Map(db.prepare('SELECT key, value FROM settings').raw().all() as [string, string][]);
  const setting = (key: string): string => {
    const found = settings.get(key);
    if (found !== undefined) return found;
    throw new NearmissError('NM_STORE_INVALID', `${path}: the file is damaged: no setting ${key}`);
  };
  const metric = setting('metric');
  checkMetric(metric);
  const modelPath = settings.get('modelPath');
  const modelCard = settings.get('modelCard');
  return {
    fingerprint: setting('fingerprint'),
    dimension: Number(setting('dimension')),
    metric,
    schema: SCHEMA_VERSION,
    ...(modelPath === undefined ? {} : { modelPath }),
    ...(modelCard === undefined ? {} : { modelCard: JSON.parse(modelCard) as JsonObject }),
  };
}
