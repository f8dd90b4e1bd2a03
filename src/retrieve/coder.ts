import type Database from 'libsql';
import type { SearchEngine } from './engine.js';
import { type ItemRow, vectorOf } from './items.js';
import type { Statements } from './sqlite-statements.js';

/** Rows whose codes are made at a time. */
const CHUNK = 1024;

/** Makes the codes that are stored beside vectors, with an engine that holds nothing else. */
export class Coder {
  readonly #engine: SearchEngine;

  constructor(engine: SearchEngine) {
    this.#engine = engine;
  }

  /** The code of each row. */
  codes(rows: readonly Pick<ItemRow, 'vector'>[]): Uint8Array[] {
    const { dimension, codeBytes } = this.#engine;
    const codes: Uint8Array[] = [];
    for (let start = 0; start < rows.length; start += CHUNK) {
      const some = rows.slice(start, start + CHUNK);
      const vectors = new Float32Array(some.length * dimension);
      for (const [i, { vector }] of some.entries()) vectors.set(vectorOf(vector), i * dimension);
      this.#engine.clear();
      this.#engine.add(vectors);
      const block = this.#engine.codes(0, some.length);
      for (let i = 0; i < some.length; i++) codes.push(block.slice(i * codeBytes, (i + 1) * codeBytes));
    }
    this.#engine.clear();
    return codes;
  }

  /** Sees to it, within a transaction that writes codes, that all codes of the file are of this engine's format. */
  prepare(sql: Statements): void {
    const { codeFormat } = this.#engine;
    const found = sql.setting('codeFormat');
    if (found === codeFormat) return;
    if (found !== undefined) sql.forgetCodes.run();
    sql.setSetting.run('codeFormat', codeFormat);
  }

  /** Makes the codes that rows lack, within a transaction. */
  fill(db: Database.Database, sql: Statements): void {
    this.prepare(sql);
    const lacking = db
      .prepare(`SELECT row, vector FROM items WHERE code IS NULL AND row > ? ORDER BY row LIMIT ${CHUNK}`)
      .raw();
    for (let last = -1; ; ) {
      const rows = lacking.all(last) as [number, Uint8Array][];
      if (rows.length === 0) return;
      const codes = this.codes(rows.map(([, vector]) => ({ vector })));
      for (const [i, [row]] of rows.entries()) sql.setCode.run(codes[i], row);
      last = rows.at(-1)![0];
    }
  }
}
