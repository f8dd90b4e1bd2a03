import { NearmissError } from '../errors.js';

/** A picture that a person added, as the browser keeps it. */
export interface OwnItem {
  readonly id: string;
  readonly title: string;
  /** When, in milliseconds since 1970. */
  readonly added: number;
  /** The encoder of the vector. */
  readonly fingerprint: string;
  /** uint8 [size, size, 3]. */
  readonly pixels: Uint8Array;
  readonly vector: Float32Array;
  readonly thumbnail?: Blob;
}

const ITEMS = 'items';

/** An IndexedDB database of items; every write is on disk when its promise resolves. */
export class ItemDatabase {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
    // Lets another tab delete the database, instead of holding it up for ever.
    database.onversionchange = () => database.close();
  }

  static async open(name: string): Promise<ItemDatabase> {
    try {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(ITEMS, { keyPath: 'id' });
      return new ItemDatabase(await answered(request));
    } catch (cause) {
      throw new NearmissError('NM_STORE_INVALID', `this browser refuses to keep pictures: ${String(cause)}`, {
        hint: 'Leave the private window, or allow the site to store data.',
        cause,
      });
    }
  }

  /** All items, the oldest first. */
  async all(): Promise<OwnItem[]> {
    const items = await answered<OwnItem[]>(this.#database.transaction(ITEMS).objectStore(ITEMS).getAll());
    return items.sort((a, b) => a.added - b.added || (a.id < b.id ? -1 : 1));
  }

  put(item: OwnItem): Promise<void> {
    return this.#write((items) => items.put(item));
  }

  delete(id: string): Promise<void> {
    return this.#write((items) => items.delete(id));
  }

  close(): void {
    this.#database.close();
  }

  async #write(body: (items: IDBObjectStore) => void): Promise<void> {
    try {
      const transaction = this.#database.transaction(ITEMS, 'readwrite', { durability: 'strict' });
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
        body(transaction.objectStore(ITEMS));
      });
    } catch (cause) {
      throw new NearmissError('NM_STORE_WRITE_FAILED', `the browser did not store it: ${String(cause)}`, {
        hint: 'Nothing was changed. Free some space on the device, then try again.',
        cause,
      });
    }
  }
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
