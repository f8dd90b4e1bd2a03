import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/index.js';
import { type InstallOptions, install, uninstall } from '../../src/tfjs/index.js';
import { chromiumPath, type OpenPage, openPage } from '../chromium.js';
import { trainEncoder } from './encoder-training.js';
import type { Trained } from './page.js';
import { NETS, trainNet } from './small-nets.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tfjsWasm = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/wasm-out');
const nets = Object.keys(NETS) as (keyof typeof NETS)[];
const STEPS = 20;
const ENCODER_STEPS = 12;

const MODULES: { readonly plain: string; readonly relaxed: string } = {
  plain: '/wasm/training-plain.wasm',
  relaxed: '/wasm/training-relaxed.wasm',
};

const chromium = chromiumPath();
if (!chromium) console.warn('no Chromium on the PATH: `install` is not tested in a page');

describe.skipIf(!chromium)('in Chromium', () => {
  let open: OpenPage;
  let page: OpenPage['page'];

  beforeAll(async () => {
    // No alias, no define, nothing marked external: what does not bundle for a browser fails here.
    const { outputFiles, warnings } = await build({
      entryPoints: [join(root, 'tests/tfjs/page.ts')],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    });
    expect(warnings).toEqual([]);
    // The server knows the bundle, tfjs's own WASM and our modules, and nothing else.
    open = await openPage((path) => {
      if (path === '/assets/page.js') return outputFiles[0]!.text;
      const [, folder, file = ''] = path.split('/');
      const place = folder === 'tfjs' ? join(tfjsWasm, file) : join(root, 'dist/wasm', file);
      return (folder === 'tfjs' || folder === 'wasm') && existsSync(place) ? readFileSync(place) : undefined;
    });
    page = open.page;
    await page.addScriptTag({ url: '/assets/page.js', type: 'module' });
    await page.waitForFunction('globalThis.nearmissPage');
  });
  afterAll(() => open?.close());

  test.each(SIMD_TIERS)("trains nets with Node's losses and gradients to the bit, %s SIMD", async (tier) => {
    const options: InstallOptions = { tier, modules: MODULES };
    const found = await page.evaluate(
      async ([names, steps, how]) => {
        const trained: Trained[] = [];
        for (const name of names) trained.push(await nearmissPage.train(name, steps, how));
        return trained;
      },
      [nets, STEPS, options] as const,
    );
    await tf.setBackend('wasm');
    await install(tf, { tier });
    nets.forEach((net, i) => {
      const { losses, gradients, tensorsLeft, tier: used } = found[i]!;
      expect(used).toBe(tier);
      expect(tensorsLeft).toBe(0);
      const expected = trainNet(tf, net, STEPS);
      expect(losses, net).toEqual(expected.losses);
      expect(gradients, net).toEqual(expected.gradients);
      expect(losses.at(-1), net).toBeLessThan(0.5 * losses[0]!);
    });
    uninstall(tf);
    expect(open.errors).toEqual([]);
  });

  test.each(SIMD_TIERS)(
    "trains an encoder with hard negatives to Node's losses, gradients and weights to the bit, %s SIMD",
    async (tier) => {
      const options: InstallOptions = { tier, modules: MODULES };
      const { tensorsLeft, ...found } = await page.evaluate(([steps, how]) => nearmissPage.encoder(steps, how), [
        ENCODER_STEPS,
        options,
      ] as const);
      await tf.setBackend('wasm');
      const expected = trainEncoder(tf, await install(tf, { tier }), ENCODER_STEPS);
      uninstall(tf);
      expect(found).toEqual(expected);
      expect(tensorsLeft).toBe(0);
      expect(Object.values(found.gradients).every(({ length }) => length > 0)).toBe(true);
      expect(found.losses.at(-1)).toBeLessThan(found.losses[0]! - 0.3);
      expect(open.errors).toEqual([]);
    },
  );

  test('takes the best tier of those that are named, and says where it looked for the others', async () => {
    const { best, plain, missing, unnamed, absent } = await page.evaluate(
      async (modules) => ({
        best: (await nearmissPage.train('embedding', 1, { modules })).tier,
        plain: (await nearmissPage.train('embedding', 1, { modules: { plain: modules.plain } })).tier,
        missing: await nearmissPage.refusal({ modules: { plain: '/wasm/nowhere.wasm' } }),
        unnamed: await nearmissPage.refusal({ tier: 'relaxed', modules: { plain: modules.plain } }),
        // A bundle does not lie where the package does.
        absent: await nearmissPage.refusal({}),
      }),
      MODULES,
    );
    expect([best, plain]).toEqual(['relaxed', 'plain']);
    const code = 'NM_KERNELS_MISSING';
    expect(missing).toMatchObject({ code, message: expect.stringMatching(/wasm\/nowhere\.wasm: found HTTP 404/) });
    expect(unnamed).toMatchObject({ code, message: 'modules: found plain, allowed: one for relaxed' });
    expect(absent).toMatchObject({ code, message: expect.stringMatching(/training-relaxed\.wasm: found HTTP 404/) });
  });
});
