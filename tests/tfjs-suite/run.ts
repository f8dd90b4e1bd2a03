// `npm run test:tfjs`: tfjs-core's own suite on the stock WASM backend, then with `install(tf)` in each SIMD tier. Ends
// with 1 where a spec that passed on stock fails, a gradient or training spec fails, or another one without an exclusion.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { SIMD_TIERS } from '../../src/kernels/index.js';
import { EXCLUSIONS, exclusionOf } from './exclusions.js';
import type { SpecResult, SuiteMode, SuiteResult } from './suite.js';
import { hasTrainingName, isTrainingSpec, TRAINING_SPECS } from './training-specs.js';

const SUITE_MINUTES = 5;

const { resolve } = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
// Two folders deep, like src/kernels: the kernels find dist/wasm from there.
const bundle = join(root, 'dist/tfjs-suite/suite.cjs');

/** One file of suite.ts, the specs and one copy of tfjs-core; packages declare specs free of side effects, wrongly. */
async function bundleSuite(): Promise<void> {
  await build({
    entryPoints: [join(root, 'tests/tfjs-suite/suite.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    mainFields: ['module', 'main'],
    ignoreAnnotations: true,
    external: ['jasmine-core'],
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'warning',
  });
}

/** Runs the suite in a process of its own: registries and SIMD flags are global. */
async function runSuite(mode: SuiteMode, folder: string): Promise<SuiteResult> {
  const file = join(folder, `${mode}.json`);
  const wasmFolder = join(dirname(resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out/');
  await promisify(execFile)(process.execPath, [bundle, mode, file, wasmFolder], { timeout: SUITE_MINUTES * 60_000 });
  return JSON.parse(await readFile(file, 'utf8')) as SuiteResult;
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
function complaints(mode: SuiteMode, stock: SuiteResult, ours: SuiteResult): string[] {
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
    if (!failed(ours.specs).some((spec) => exclusionOf(spec) === exclusion)) {
      found.push(`exclusion ${exclusion.specs} is not needed any more`);
    }
  }
  return found.map((text) => `${mode}: ${text}`);
}

const folder = await mkdtemp(join(tmpdir(), 'nearmiss-tfjs-suite-'));
try {
  await bundleSuite();
  console.log(`tfjs-core's own suite on tfjs-backend-wasm, Node ${process.versions.node}`);
  const timed = async (mode: SuiteMode): Promise<SuiteResult> => {
    const start = performance.now();
    const result = await runSuite(mode, folder);
    printCounts(mode, result, (performance.now() - start) / 1000);
    return result;
  };
  const stock = await timed('stock');
  const found: string[] = [];
  for (const tier of SIMD_TIERS) {
    const ours = await timed(tier);
    for (const { specs, message, reason } of EXCLUSIONS) {
      const count = failed(ours.specs).filter((spec) => exclusionOf(spec)?.specs === specs).length;
      if (tier === SIMD_TIERS[0]) console.log(`  ${count} excluded (${message.source}): ${reason}`);
    }
    found.push(...complaints(tier, stock, ours));
  }
  for (const text of found) console.error(text);
  console.log(found.length === 0 ? 'ok' : `${found.length} complaints`);
  process.exitCode = found.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
