import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Page } from 'playwright-core';
import type { WorkerCalls } from '../../src/device/page/protocol.js';

const TYPES: Readonly<Record<string, string>> = { '.png': 'image/png', '.jpg': 'image/jpeg', '.webp': 'image/webp' };

/** Waits until a page has loaded its index. */
export async function ready(page: Page): Promise<void> {
  await page.locator('#choose:enabled').waitFor();
}

/** Searches by a file as a person does, and waits for the answer. */
export async function choose(page: Page, path: string): Promise<void> {
  const before = await page.locator('#status').textContent();
  await page.setInputFiles('#file', path);
  await page.waitForFunction((text) => document.getElementById('status')!.textContent !== text, before);
}

export const names = (page: Page): Promise<string[]> => page.locator('#hits .name').allTextContents();
/** What the page says is wrong; waits until it says so. */
export async function problem(page: Page): Promise<string> {
  return (await page.locator('#problem:visible').textContent())!;
}

/** A file as `askWorker` hands it to the page. */
export async function fileOf(path: string): Promise<{ readonly type: string; readonly base64: string }> {
  return { type: TYPES[extname(path)]!, base64: (await readFile(path)).toString('base64') };
}

/** Opens the page's own worker beside that of the page, asks it about pictures, and gives its answers. */
export function askWorker(
  page: Page,
  files: readonly { readonly type: string; readonly base64: string }[],
  k: number,
): Promise<ReturnType<WorkerCalls['search']>[]> {
  return page.evaluate(
    async ([files, k]) => {
      const worker = new Worker('worker.js', { type: 'module' });
      let number = 0;
      const call = (call: string, ...args: unknown[]): Promise<unknown> =>
        new Promise((resolve, reject) => {
          const mine = ++number;
          const hear = ({
            data,
          }: MessageEvent<{ number?: number; value?: unknown; failure?: { message: string } }>) => {
            if (data.number !== mine) return;
            worker.removeEventListener('message', hear);
            if (data.failure) reject(new Error(data.failure.message));
            else resolve(data.value);
          };
          worker.addEventListener('message', hear);
          worker.postMessage({ number: mine, call, args });
        });
      await call('open', await (await fetch('config.json')).json());
      const answers: unknown[] = [];
      for (const { type, base64 } of files) {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        answers.push(await call('search', { picture: new Blob([bytes], { type }) }, k));
      }
      worker.terminate();
      return answers as never;
    },
    [files, k] as const,
  );
}
