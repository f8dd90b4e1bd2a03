import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type StaticServer, serveFolder } from '../../src/device/static-server.js';
import { launchChromium } from '../chromium.js';
import { choose, names, problem, ready } from './browser.js';
import { bundleOf, type EmojiStore, emojiStore } from './site.js';

// `npm run build` has run before.
let folder = '';
let emoji: EmojiStore;
let server: StaticServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-page-'));
  emoji = await emojiStore(folder, 96);
  await bundleOf(emoji.store, join(folder, 'site'), { title: 'Emoji & <others>' });
  server = await serveFolder(join(folder, 'site'), 0);
  browser = await launchChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(options: { permissions?: string[]; url?: string } = {}): Promise<void> {
  context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    ...(options.permissions ? { permissions: options.permissions } : {}),
  });
  page = await context.newPage();
  page.on('pageerror', (error) => errors.push(String(error)));
  // Also what the content security policy refuses.
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(options.url ?? server.url);
}
afterEach(async () => {
  await context?.close();
  expect(errors.splice(0)).toEqual([]);
});

describe('the page in Chromium', () => {
  it('finds, shows and announces the nearest items of a picture, with scores, pictures and times', async () => {
    await open();
    await ready(page);
    expect(await page.title()).toBe('Emoji & <others>');
    expect(await page.locator('#about').textContent()).toMatch(/^96 items · specimen, float32/);
    // A picture of the index finds itself.
    const own = join(emoji.pictures, basename(emoji.queries[5]!));
    await choose(page, own);
    expect((await names(page))[0]).toBe(basename(own, '.png'));
    expect(await page.locator('#hits li').count()).toBe(12);
    expect(Number(await page.locator('#hits .score').first().textContent())).toBeGreaterThan(0.99);
    expect(await page.locator('#status').textContent()).toContain(`12 items, the nearest: ${basename(own, '.png')}, `);
    expect(await page.locator('#times').textContent()).toMatch(/^Embedded in .* m?s · searched 96 items in .* ms · /);
    const widths = await page
      .locator('#hits img')
      .evaluateAll(async (images) =>
        Promise.all(
          images.map((image) =>
            (image as HTMLImageElement).decode().then(() => (image as HTMLImageElement).naturalWidth),
          ),
        ),
      );
    expect(widths).toEqual(new Array(12).fill(64));
    // Nothing is wider than the phone.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await page.locator('#more').click();
    await page.waitForFunction(() => document.querySelectorAll('#hits li').length === 36);
  });

  it('is used by the keyboard alone, and names every control', async () => {
    await open();
    // Begun early: Chromium must know of it before the key is pressed.
    const chooser = page.waitForEvent('filechooser');
    await ready(page);
    const focused = (): Promise<string> =>
      page.evaluate(() => document.activeElement!.getAttribute('aria-label') ?? document.activeElement!.textContent!);
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Choose a picture');
    await page.keyboard.press('Enter');
    await (await chooser).setFiles(emoji.queries[3]!);
    await page.locator('#hits li').first().waitFor();
    const seen: string[] = [];
    for (let i = 0; i < 8 && !seen.at(-1)?.startsWith('More like '); i++) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
    }
    const [best] = await names(page);
    expect(seen.at(-1)).toBe(`More like ${best}`);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: `More like ${best}` }).waitFor();
    expect(await names(page)).not.toContain(best);
    expect(await page.evaluate(() => document.activeElement!.id)).toBe('answers-heading');
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, input:not([hidden]), img')]
        .filter((each) => !(each.textContent?.trim() || each.getAttribute('aria-label') || each.hasAttribute('alt')))
        .filter((each) => !(each instanceof HTMLInputElement && each.labels?.length))
        .map((each) => each.outerHTML),
    );
    expect(unnamed).toEqual([]);
  });

  it.each(['drop', 'paste'] as const)('takes a picture by %s', async (way) => {
    await open();
    await ready(page);
    const base64 = (await readFile(emoji.queries[8]!)).toString('base64');
    await page.evaluate(
      ([way, base64]) => {
        const bytes = Uint8Array.from(atob(base64!), (letter) => letter.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes], 'a.png', { type: 'image/png' }));
        const options = { bubbles: true, cancelable: true };
        document
          .getElementById('drop')!
          .dispatchEvent(
            way === 'drop'
              ? new DragEvent('drop', { ...options, dataTransfer: files })
              : new ClipboardEvent('paste', { ...options, clipboardData: files }),
          );
      },
      [way, base64],
    );
    await page.locator('#hits li').nth(11).waitFor();
    expect(await page.locator('#query').isVisible()).toBe(true);
  });

  it('searches by a picture of the camera', async () => {
    await open({ permissions: ['camera'] });
    await ready(page);
    await page.getByRole('button', { name: 'Camera' }).click();
    await page.waitForFunction(() => (document.getElementById('viewfinder') as HTMLVideoElement).videoWidth > 0);
    await page.getByRole('button', { name: 'Take the picture' }).click();
    await page.locator('#hits li').nth(11).waitFor();
    expect(await page.locator('dialog').isVisible()).toBe(false);
    // The camera's light goes out.
    expect(await page.evaluate(() => (document.getElementById('viewfinder') as HTMLVideoElement).srcObject)).toBeNull();
  });

  it('keeps pictures of the person, finds them with the others, and removes them, across reloads', async () => {
    await open();
    await ready(page);
    await choose(page, emoji.queries[11]!);
    const before = await names(page);
    await page.locator('#add-title').fill('my <own>');
    await page.keyboard.press('Enter');
    await page.locator('#hits .badge').waitFor();
    expect((await names(page)).slice(0, 3)).toEqual(['my <own>', ...before.slice(0, 2)]);
    expect(await page.locator('#own summary').textContent()).toBe('1 picture of yours');
    await page.reload();
    await ready(page);
    await page.locator('#own:visible').waitFor();
    await choose(page, emoji.queries[11]!);
    expect((await names(page))[0]).toBe('my <own>');
    expect(Number(await page.locator('#hits .score').first().textContent())).toBe(1);
    await page
      .locator('#hits img')
      .first()
      .evaluate((image) => (image as HTMLImageElement).decode());
    await page.locator('#hits').getByRole('button', { name: 'More like my <own>' }).click();
    await page.getByRole('heading', { name: 'More like my <own>' }).waitFor();
    expect(await names(page)).toEqual(before);
    await page.locator('#own summary').click();
    await page.locator('#own').getByRole('button', { name: 'Remove my <own>' }).click();
    await page.locator('#own').waitFor({ state: 'hidden' });
    await page.reload();
    await ready(page);
    expect(await page.locator('#own').isVisible()).toBe(false);
    await choose(page, emoji.queries[11]!);
    expect(await names(page)).toEqual(before);
  });
});

describe('what goes wrong is said, and the page goes on', () => {
  it('where the camera is denied', async () => {
    const strict = await launchChromium(['--use-fake-device-for-media-stream', '--deny-permission-prompts']);
    try {
      page = await (await strict.newContext()).newPage();
      await page.goto(server.url);
      await ready(page);
      await page.getByRole('button', { name: 'Camera' }).click();
      await page.locator('#problem:visible').waitFor();
      expect(await problem(page)).toMatch(/^The camera was not allowed\. Allow it .* or choose a picture instead\.$/);
      await choose(page, emoji.queries[0]!);
      expect(await page.locator('#problem').isVisible()).toBe(false);
    } finally {
      await strict.close();
    }
  });

  it('where a file is no picture, is damaged, or is huge', async () => {
    await open();
    await ready(page);
    const png = await readFile(emoji.queries[0]!);
    const huge = Buffer.from(png);
    huge.writeUInt32BE(20000, 16);
    huge.writeUInt32BE(20000, 20);
    const broken = Buffer.from(png.subarray(0, png.length / 2));
    broken.fill(7, 60);
    const cases: [string, Buffer, RegExp][] = [
      ['words.png', Buffer.from('no picture at all'), /^Picture: not a picture; allowed: PNG, JPEG, /],
      ['drawing.svg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG is not read/],
      ['empty.png', Buffer.alloc(0), /^Picture: empty file\./],
      ['broken.png', broken, /^Picture: the PNG cannot be decoded: it is damaged/],
      ['huge.png', huge, /^Picture: 20000x20000 pixels, allowed: 64000000\./],
      ['long.png', Buffer.concat([png, Buffer.alloc(64 * 1024 * 1024)]), /^Picture: \d+ bytes, allowed: 67108864\./],
    ];
    for (const [name, bytes, message] of cases) {
      const path = join(folder, name);
      await writeFile(path, bytes);
      await page.setInputFiles('#file', path);
      await page.waitForFunction(
        (source) => new RegExp(source).test(document.getElementById('problem')!.textContent!),
        message.source,
      );
      expect(await page.locator('#problem').getAttribute('role')).toBe('alert');
    }
    await choose(page, emoji.queries[0]!);
    expect(await page.locator('#problem').isVisible()).toBe(false);
    expect(await page.locator('#hits li').count()).toBe(12);
  });

  it('where the browser has no WebAssembly SIMD', async () => {
    context = await browser.newContext();
    page = await context.newPage();
    await context.route('**/worker.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `WebAssembly.validate = () => false;${await response.text()}` });
    });
    await page.goto(server.url);
    await page.locator('#problem:visible').waitFor();
    expect(await problem(page)).toBe(
      'This engine has no WebAssembly SIMD. Use Node 20.19 or newer, or a browser with WebAssembly SIMD.',
    );
    expect(await page.getByRole('button', { name: 'Choose a picture' }).isDisabled()).toBe(true);
  });

  it.each([
    ['index.nmi', 'truncated', /^Index file: (it is cut off within its|found \d+ bytes)/],
    ['thumbnails.nmt', 'truncated', /^Thumbnails: it is cut off/],
    ['encoder.onnx', 'truncated', /^encoder\.onnx: at byte \d+: /],
    ['index.nmi', 'altered', /^Index file: its .* were altered/],
    ['encoder.onnx', "another's", /^Index: found encoder \w+, allowed: \w+, which filled it/],
  ] as const)('where %s is %s', async (name, how, message) => {
    const site = join(folder, `bad-${name}-${how}`);
    await bundleOf(emoji.store, site, { thumbnails: 0 });
    const path = join(site, name);
    const bytes = await readFile(path);
    if (how === 'truncated') await truncate(path, bytes.length - 100);
    else if (how === 'altered') {
      bytes[bytes.length >> 1]! ^= 4;
      await writeFile(path, bytes);
    } else await writeFile(path, await anotherModel());
    const bad = await serveFolder(site, 0);
    try {
      await open({ url: bad.url });
      await page.locator('#problem:visible').waitFor();
      expect(await problem(page)).toMatch(message);
      expect(await page.locator('#about').textContent()).toBe('This page could not be opened.');
    } finally {
      errors.splice(0); // the service worker refuses the folder, too
      await bad.close();
    }
  });
});

async function anotherModel(): Promise<Uint8Array> {
  const { encoderToOnnx } = await import('../../src/onnx/export.js');
  const { details, specimen } = await import('../onnx/specimen.js');
  return encoderToOnnx({ ...specimen('tiny-mobile', 9), size: 32, readout: { pool: 1 }, card: details });
}
