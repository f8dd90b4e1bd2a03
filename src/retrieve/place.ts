import { resolve } from 'node:path';
import { openPostgresStore } from './postgres-store.js';
import { openStore } from './sqlite-store.js';
import type { Store, StoreEncoder } from './store.js';

/** True for the URL of a store in PostgreSQL. */
export function isPostgres(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}

/** Opens the store at a place: an SQLite file, or a PostgreSQL database by its URL. */
export function openPlace(
  place: string,
  options: { readonly create?: StoreEncoder; readonly readOnly?: boolean } = {},
): Promise<Store> {
  return isPostgres(place) ? openPostgresStore(place, options) : openStore(place, options);
}

/** A place for people and for --json: the full path, or the URL without its password. */
export function placeName(place: string): string {
  if (!isPostgres(place)) return resolve(place);
  try {
    const url = new URL(place);
    url.password = '';
    return url.href;
  } catch {
    return 'postgres://…';
  }
}
