/** Loads files side by side and tells how many bytes of all of them have come. */
export class Download {
  readonly #expected: number | undefined;
  readonly #onProgress: (done: number, total: number | undefined) => void;
  #done = 0;

  /** @param expected bytes of all files */
  constructor(expected: number | undefined, onProgress: (done: number, total: number | undefined) => void) {
    this.#expected = expected;
    this.#onProgress = onProgress;
  }

  /** The content of a file beside the page. */
  async file(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch(name).catch((cause: unknown) => {
      throw new Error(`${name} could not be loaded: the network is gone and the page is not stored yet.`, { cause });
    });
    if (!response.ok) throw new Error(`${name} could not be loaded: the server answered ${response.status}.`);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      length += value.length;
      this.#done += value.length;
      this.#onProgress(this.#done, this.#expected);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}
