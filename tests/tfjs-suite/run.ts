// `npm run test:tfjs [-- --chromium]`: tfjs-core's own suite on the stock WASM backend, then with `install(tf)` in each
// tier, in Node (the paired one too, where it is) or in headless Chromium. Ends with 1 where a spec that passed on stock fails, a gradient or training
// spec fails, or another one without an exclusion, and with 2 where there is no Chromium.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { SIMD_TIERS } from '../../src/kernels/index.js';
import { chromiumPath, openPage } from '../chromium.js';
import { PAIRED_MISSING, TESTED_TIERS } from '../kernels/tiers.js';
import { EXCLUSIONS, exclusionOf } from './exclusions.js';
import type {} from './in-page.js';
import type { SpecResult, SuiteMode, SuiteResult } from './suite.js';
import { hasTrainingName, isTrainingSpec, TRAINING_SPECS } from './training-specs.js';

const SUITE_MINUTES = 5;

const { resolve } = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
const wasmFolder = join(dirname(resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out/');
// Two folders deep, like src/kernels: the kernels find dist/wasm from there.
const bundle = join(root, 'dist/tfjs-suite/in-node.cjs');

/** One file of an entry, the specs and one copy of tfjs-core; packages declare specs free of side effects, wrongly. */
const BUNDLING: BuildOptions = {
  bundle: true,
  target: 'es2022',
  mainFields: ['module', 'main'],
  ignoreAnnotations: true,
  // The suite registers gradients itself, so this file is never loaded.
  external: ['*/tfjs-core-gradients.js'],
  logLevel: 'error',
};

async function bundleForNode(): Promise<void> {
  await build({
    ...BUNDLING,
    entryPoints: [join(root, 'tests/tfjs-suite/in-node.ts')],
    outfile: bundle,
    platform: 'node',
    format: 'cjs',
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  });
}

async function bundleForPage(): Promise<string> {
  const { outputFiles } = await build({
    ...BUNDLING,
    entryPoints: [join(root, 'tests/tfjs-suite/in-page.ts')],
    write: false,
    platform: 'browser',
    // Some specs are written for scripts: they assign to undeclared names and take `this` for the global object.
    format: 'iife',
    tsconfigRaw: { compilerOptions: { alwaysStrict: false } },
    mainFields: ['browser', 'module', 'main'],
    define: { global: 'globalThis', 'import.meta.url': '""' },
  });
  return outputFiles[0]!.text;
}

/** Runs the suite in a process of its own. */
async function inNode(mode: SuiteMode, folder: string): Promise<SuiteResult> {
  const file = join(folder, `${mode}.json`);
  await promisify(execFile)(process.execPath, [bundle, mode, file, wasmFolder], { timeout: SUITE_MINUTES * 60_000 });
  return JSON.parse(await readFile(file, 'utf8')) as SuiteResult;
}

/** Runs the suite in a page of a browser of its own. */
async function inChromium(mode: SuiteMode, script: string): Promise<SuiteResult> {
  const { page, errors, close } = await openPage((path) => {
    if (path === '/suite.js') return script;
    const [, folder, file = ''] = path.split('/');
    const place = folder === 'tfjs' ? join(wasmFolder, file) : join(root, 'dist/wasm', file);
    return (folder === 'tfjs' || folder === 'wasm') && existsSync(place) ? readFileSync(place) : undefined;
  });
  try {
    page.setDefaultTimeout(SUITE_MINUTES * 60_000);
    await page.addScriptTag({ url: '/suite.js' });
    const modules = Object.fromEntries(SIMD_TIERS.map((tier) => [tier, `/wasm/training-${tier}.wasm`]));
    const work = page.evaluate((options) => runTfjsSuite(options), { mode, wasmFolder: '/tfjs/', modules });
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`not done after ${SUITE_MINUTES} minutes`)), SUITE_MINUTES * 60_000).unref();
    });
    const result = await Promise.race([work, late]);
    return { ...result, errors: [...result.errors, ...errors] };
  } finally {
    await close();
  }
}

const failed = (specs: readonly SpecResult[]): SpecResult[] => specs.filter(({ status }) => status === 'failed');
const passed = (specs: readonly SpecResult[]): SpecResult[] => specs.filter(({ status }) => status === 'passed');

function printCounts(mode: SuiteMode, { specs }: SuiteResult, seconds: number): void {
  const named = specs.filter(({ name }) => hasTrainingName(name));
  const training = specs.filter(isTrainingSpec);
  console.log(
    `${mode.padEnd(8)} ${passed(specs).length} passed, ${failed(specs).length} failed of ${specs.length};` +
      ` gradient and training specs ${failed(named).length} failed of ${named.length}` +
      ` (${failed(training).length} of ${training.length} with those known by what they do); ${seconds.toFixed(0)} s`,
  );
}

/** What must not be, in words. */
function complaints(mode: SuiteMode, stock: SuiteResult, ours: SuiteResult, inBrowser: boolean): string[] {
  const found = ours.errors.map((error) => `outside any spec: ${error}`);
  // Names repeat, so specs are matched by their place too.
  if (stock.specs.length !== ours.specs.length) {
    return [...found, `${ours.specs.length} specs ran, on stock ${stock.specs.length}`];
  }
  ours.specs.forEach((spec, place) => {
    const before = stock.specs[place]!;
    if (before.name !== spec.name) found.push(`spec ${place} is '${spec.name}', on stock '${before.name}'`);
    const kind =
      before.status === 'passed' && spec.status !== 'passed'
        ? 'passed on stock'
        : spec.status !== 'failed'
          ? undefined
          : isTrainingSpec(spec) || isTrainingSpec(before)
            ? 'gradient or training spec'
            : exclusionOf(spec)
              ? undefined
              : 'no exclusion';
    if (kind) found.push(`${spec.name} (${kind}): ${spec.status}: ${spec.messages.join('; ').slice(0, 500)}`);
  });
  const named = ours.specs.filter(({ name }) => hasTrainingName(name)).length;
  if (named !== TRAINING_SPECS) found.push(`${named} gradient and training specs by name, expected ${TRAINING_SPECS}`);
  for (const exclusion of EXCLUSIONS) {
    if (exclusion.inBrowsersOnly && !inBrowser) continue;
    if (!failed(ours.specs).some((spec) => exclusionOf(spec) === exclusion)) {
      found.push(`exclusion ${exclusion.specs} is not needed any more`);
    }
  }
  return found.map((text) => `${mode}: ${text}`);
}

const { values: options } = parseArgs({ options: { chromium: { type: 'boolean', default: false } } });
if (options.chromium && !chromiumPath()) {
  console.error('no Chromium on the PATH: the suite did not run in a browser (Debian: apt-get install chromium)');
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'nearmiss-tfjs-suite-'));
try {
  const script = options.chromium ? await bundleForPage() : undefined;
  if (script === undefined) await bundleForNode();
  const where = script === undefined ? `Node ${process.versions.node}` : 'headless Chromium';
  console.log(`tfjs-core's own suite on tfjs-backend-wasm, ${where}`);
  const timed = async (mode: SuiteMode): Promise<SuiteResult> => {
    const start = performance.now();
    const result = await (script === undefined ? inNode(mode, folder) : inChromium(mode, script));
    printCounts(mode, result, (performance.now() - start) / 1000);
    return result;
  };
  const stock = await timed('stock');
  const found: string[] = [];
  // The paired tier is of Node alone.
  const tiers = options.chromium ? SIMD_TIERS : TESTED_TIERS;
  if (!options.chromium && PAIRED_MISSING) {
    const text = `paired SIMD did not run: ${PAIRED_MISSING}`;
    if (process.env['NEARMISS_REQUIRE_PAIRED']) found.push(text);
    else console.log(text);
  }
  for (const tier of tiers) {
    const ours = await timed(tier);
    for (const { specs, message, reason } of EXCLUSIONS) {
      const count = failed(ours.specs).filter((spec) => exclusionOf(spec)?.specs === specs).length;
      if (tier === tiers[0] && count > 0) console.log(`  ${count} excluded (${message.source}): ${reason}`);
    }
    found.push(...complaints(tier, stock, ours, options.chromium));
  }
  for (const text of found) console.error(text);
  console.log(found.length === 0 ? 'ok' : `${found.length} complaints`);
  process.exitCode = found.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
