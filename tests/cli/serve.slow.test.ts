import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmbedder } from '../../src/onnx/index.js';
import { openStore } from '../../src/retrieve/index.js';
import { DIM, writeServedModel } from '../serve/served.js';
import { temporaryFolder } from '../serve/stores.js';
import { fail, MAIN, succeed } from './nearmiss.js';

const PICTURE = 'node_modules/emoji-datasource-google/img/google/64/1f600.png';

let folder = '';
let remove: () => Promise<void>;
let model = '';
let store = '';
const children: ChildProcess[] = [];

beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder());
  model = join(folder, 'model.onnx');
  store = join(folder, 'store.db');
  const fingerprint = await writeServedModel(model);
  const opened = await openStore(store, { create: { fingerprint, dimension: DIM, modelPath: model } });
  const vector = new Float32Array(DIM).fill(1);
  await opened.upsert([{ id: 'one', vector, metadata: {} }]);
  await opened.close();
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await remove();
});

interface Command {
  readonly url: string;
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string }>;
}

/** Starts `nearmiss serve …` from the built files, and waits until it says where it listens. */
async function start(...args: readonly string[]): Promise<Command> {
  const child = spawn(process.execPath, [MAIN, 'serve', ...args, '--port', '0', '--embed-threads', '1', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout }));
  });
  await expect.poll(() => stderr, { timeout: 40_000 }).toMatch(/serving .* at http:\/\/\S+;/);
  return { url: /at (http:\/\/\S+);/.exec(stderr)![1]!, child, stderr: () => stderr, ended };
}

describe('nearmiss serve', () => {
  it('answers, reloads on SIGHUP, and ends with 0 on SIGTERM', async () => {
    const { url, child, stderr, ended } = await start(store);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const response = await fetch(`${url}/v1/search?k=1`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: await readFile(PICTURE),
    });
    expect(await response.json()).toMatchObject({ hits: [{ id: 'one' }] });
    expect(
      (
        await fetch(`${url}/v1/items/two`, {
          method: 'PUT',
          headers: { 'content-type': 'image/png' },
          body: await readFile(PICTURE),
        })
      ).status,
    ).toBe(201);
    child.kill('SIGHUP');
    await expect.poll(stderr).toContain('reloaded; the model is');
    expect((await fetch(`${url}/v1/items/two`)).status).toBe(200);
    child.kill('SIGTERM');
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ url, cut: 0 });
    // Every other line on stderr is the log's.
    expect(stderr()).toMatch(/^\{"level":30,.*"route":"\/v1\/search","status":200/m);
    const kept = await openStore(store);
    expect(await kept.count()).toBe(2);
    await kept.delete(['two']);
    await kept.close();
  });

  it('loses nothing that it acknowledged when it is killed', async () => {
    const { url, child, ended } = await start(store);
    const acknowledged: string[] = [];
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; ; i++) {
        const id = `killed ${writer} ${i}`;
        const response = await fetch(`${url}/v1/items/${encodeURIComponent(id)}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ vector: new Array(DIM).fill(i + 1) }),
        });
        if (response.status === 201) acknowledged.push(id);
      }
    });
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(60);
    child.kill('SIGKILL');
    await Promise.allSettled(writers);
    await ended;
    const kept = await openStore(store);
    expect((await kept.hashes(acknowledged)).size).toBe(acknowledged.length);
    await kept.delete((await kept.ids()).filter((id) => id.startsWith('killed')));
    await kept.close();
  });

  it('makes tokens, keeps only their hashes, and lets nobody in without one', async () => {
    const file = join(folder, 'tokens');
    const made = await succeed<{ token: string; line: string }>([
      'serve',
      '--make-token',
      'read',
      '--token-file',
      file,
      '--token-name',
      'page',
    ]);
    expect(await readFile(file, 'utf8')).toBe(`${made.line}\n`);
    expect(made.line).not.toContain(made.token);
    expect((await stat(file)).mode & 0o077).toBe(0);
    const { url, child, ended } = await start(store, '--model', model, '--token-file', file, '--host', '0.0.0.0');
    const own = url.replace('0.0.0.0', '127.0.0.1');
    expect((await fetch(`${own}/v1/info`)).status).toBe(401);
    expect((await fetch(`${own}/v1/info`, { headers: { authorization: `Bearer ${made.token}` } })).status).toBe(200);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('refuses to start where strangers could reach it, with another model, or without a store', async () => {
    expect((await fail(1, ['serve', store, '--host', '0.0.0.0'])).code).toBe('NM_TOKENS_MISSING');
    const other = join(folder, 'other.onnx');
    await copyFile(model, other);
    const opened = await openStore(join(folder, 'other.db'), {
      create: { fingerprint: 'sha256:other', dimension: DIM },
    });
    await opened.close();
    expect((await fail(1, ['serve', join(folder, 'other.db'), '--model', other])).code).toBe('NM_ENCODER_MISMATCH');
    expect((await fail(2, ['serve', join(folder, 'other.db')])).message).toContain('--model');
    expect((await fail(1, ['serve', join(folder, 'none.db')])).code).toBe('NM_STORE_MISSING');
    expect((await fail(1, ['serve', store, '--token-file', join(folder, 'none')])).code).toBe('NM_TOKENS_INVALID');
    // The model is one all the same.
    await (await createEmbedder(other)).close();
  });
});
