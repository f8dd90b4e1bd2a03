import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type StaticServer, serveFolder } from '../../src/device/static-server.js';
import { launchChromium } from '../chromium.js';
import { choose, names, ready } from './browser.js';
import { bundleOf, configOf, type EmojiStore, emojiStore } from './site.js';

// `npm run build` has run before.
let folder = '';
let site = '';
let emoji: EmojiStore;
let server: StaticServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-offline-'));
  site = join(folder, 'site');
  emoji = await emojiStore(folder, 48);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await bundleOf(emoji.store, site, { title: 'First' });
  server = await serveFolder(site, 0);
  context = await browser.newContext();
  page = await context.newPage();
  await page.goto(server.url);
  await page.getByText('works offline').waitFor();
});
afterEach(async () => {
  await context?.close();
  await server?.close();
});

/** Asks the browser to look for a new version, and waits for what comes of it. */
const checkForUpdate = (): Promise<string> =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    const { installing, waiting } = registration;
    const found = installing ?? waiting;
    if (!found) return 'none';
    if (found.state === 'installing') {
      await new Promise((resolve) => found.addEventListener('statechange', resolve, { once: true }));
    }
    return found.state;
  });

describe('a page that was loaded once', () => {
  it('works when the server is gone, thumbnails and all', async () => {
    await server.close();
    await page.reload();
    await ready(page);
    await choose(page, emoji.queries[4]!);
    expect(await names(page)).toHaveLength(12);
    const decoded = page
      .locator('#hits img')
      .evaluateAll((images) =>
        Promise.all(images.map((image) => (image as HTMLImageElement).decode().then(() => true))),
      );
    expect(await decoded).toEqual(new Array(12).fill(true));
    // Under any of its addresses.
    await page.goto(`${server.url}index.html?source=home`);
    await ready(page);
  });

  it('is replaced whole when the person says so, and not before', async () => {
    const before = (await configOf(site))['version'];
    await bundleOf(emoji.store, site, { title: 'Second' });
    expect((await configOf(site))['version']).not.toBe(before);
    expect(await checkForUpdate()).toBe('installed');
    await page.getByText('A new version is ready.').waitFor();
    await page.reload();
    await ready(page);
    expect(await page.title()).toBe('First');
    const navigation = page.waitForEvent('load');
    await page.getByRole('button', { name: 'Use it now' }).click();
    await navigation;
    await ready(page);
    expect(await page.title()).toBe('Second');
    await server.close();
    await page.reload();
    await ready(page);
    expect(await page.title()).toBe('Second');
    expect(await page.evaluate(async () => (await caches.keys()).length)).toBe(1);
  });

  it('stays as it was where a new version is on the server only in part', async () => {
    const old = await readFile(join(site, 'index.nmi'));
    await bundleOf(emoji.store, site, { title: 'Third', vectors: 'float16' });
    await writeFile(join(site, 'index.nmi'), old);
    expect(await checkForUpdate()).toBe('redundant');
    await page.reload();
    await ready(page);
    expect(await page.title()).toBe('First');
    await choose(page, emoji.queries[4]!);
    expect(await page.getByText('A new version is ready.').isVisible()).toBe(false);
    expect(await page.evaluate(async () => (await caches.keys()).length)).toBe(1);
  });

  it('has the same version where nothing changed', async () => {
    const before = await readFile(join(site, 'sw.js'), 'utf8');
    await bundleOf(emoji.store, site, { title: 'First' });
    expect((await readFile(join(site, 'sw.js'), 'utf8')) === before).toBe(true);
    expect(await checkForUpdate()).toBe('none');
  });
});
