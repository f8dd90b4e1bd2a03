import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, extname, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Where this machine's Chromium is; undefined where it has none. */
export function chromiumPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(existsSync);
}

/** A headless Chromium with these flags beside the usual ones. */
export function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error(`no Chromium on the PATH (looked for ${NAMES.join(', ')})`);
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...flags] });
}

export type Answer = (path: string) => Uint8Array | string | undefined;

function listen(answer: Answer): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const found = answer(path);
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type': path === '/' ? 'text/html' : (TYPES[extname(path)] ?? 'text/plain'),
    });
    response.end(found);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export interface OpenPage {
  readonly page: Page;
  /** What went wrong in the page outside of what it was asked to run. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

/**
 * A blank page of a server of its own, whose files `answer` knows by their path, in a headless Chromium with a fresh
 * profile.
 */
export async function openPage(answer: Answer): Promise<OpenPage> {
  const blank = '<!doctype html><title>nearmiss</title>';
  const server = await listen((path) => (path === '/' ? blank : path === '/favicon.ico' ? '' : answer(path)));
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  try {
    const browser = await launchChromium();
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('crash', () => errors.push('the page crashed'));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return {
      page,
      errors,
      async close() {
        await browser.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
