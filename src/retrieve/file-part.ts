import { type FileHandle, open, rm } from 'node:fs/promises';
import { Crc32 } from './crc32.js';

const COPY_BYTES = 1 << 20;

/** A section of a file while it grows, in a file of its own: its length is known only in the end. */
export class Part {
  readonly crc: Crc32 = new Crc32();
  readonly #path: string;
  readonly #file: FileHandle;
  bytes = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<Part> {
    return new Part(path, await open(path, 'wx+'));
  }

  async write(data: Uint8Array): Promise<void> {
    this.crc.update(data);
    this.bytes += data.length;
    await this.#file.appendFile(data);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(COPY_BYTES);
    for (let at = 0; at < this.bytes; ) {
      const { bytesRead } = await this.#file.read(buffer, 0, COPY_BYTES, at);
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async remove(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }
}
