import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines } from '../../src/serve/lines.js';

const signal = new AbortController().signal;
const options = { maxBytes: 20, timeout: 1000, signal };

async function read(chunks: Iterable<Buffer>, some = options): Promise<(readonly [number, string | undefined])[]> {
  const lines: (readonly [number, string | undefined])[] = [];
  for await (const { number, bytes } of readLines(Readable.from(chunks), some)) lines.push([number, bytes?.toString()]);
  return lines;
}

describe('readLines', () => {
  it('gives the same lines however the bytes are cut', async () => {
    const texts = fc.array(
      fc.string({ maxLength: 30 }).filter((text) => !/[\r\n]/.test(text)),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(texts, fc.array(fc.nat(40), { minLength: 1 }), fc.boolean(), async (lines, sizes, ended) => {
        const bytes = Buffer.from(lines.join('\n') + (ended ? '\n' : ''));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = Math.max(1, sizes[i % sizes.length]!);
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const expected = lines
          .map((line, i) => [i + 1, Buffer.byteLength(line) > 20 ? undefined : line] as const)
          .filter(([, line]) => line !== '');
        expect(await read(chunks)).toEqual(expected);
      }),
    );
  });

  it('takes the ends of lines that other systems write', async () => {
    expect(await read([Buffer.from('a\r\n\r\nb\r\n')])).toEqual([
      [1, 'a'],
      [3, 'b'],
    ]);
  });

  it('holds no more of a line than it may have', async () => {
    let chunks = 0;
    function* endless(): Generator<Buffer> {
      for (; chunks < 2000; chunks++) yield Buffer.alloc(64 * 1024, 'x');
      yield Buffer.from('\nb\n');
    }
    const before = process.memoryUsage().arrayBuffers;
    const lines = await read(endless());
    expect(lines).toEqual([
      [1, undefined],
      [2, 'b'],
    ]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('asks for more only when its lines are taken', async () => {
    let given = 0;
    function* lines(): Generator<Buffer> {
      for (; given < 1000; given++) yield Buffer.from(`${given}\n`);
    }
    const reader = readLines(Readable.from(lines(), { highWaterMark: 1 }), options);
    for (let i = 0; i < 10; i++) await reader.next();
    expect(given).toBeLessThan(20);
    await reader.return(undefined);
  });

  it('ends where nothing comes for too long, where the stream breaks off, and on request', async () => {
    const silent = new Readable({ read: () => undefined });
    await expect(readLines(silent, { ...options, timeout: 30 }).next()).rejects.toMatchObject({
      code: 'NM_REQUEST_TIMEOUT',
    });
    expect(silent.destroyed).toBe(false);
    const broken = new Readable({
      read() {
        this.destroy(new Error('ECONNRESET'));
      },
    });
    await expect(readLines(broken, options).next()).rejects.toMatchObject({ code: 'NM_REQUEST_INVALID' });
    const controller = new AbortController();
    const waiting = readLines(new Readable({ read: () => undefined }), {
      ...options,
      signal: controller.signal,
    }).next();
    controller.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
  });
});
