// Runs tfjs-core's own jasmine suite on the WASM backend in this process:
// `node suite.cjs stock|plain|relaxed <file for the results> <folder of tfjs's .wasm files>`.
// run.ts bundles this file, so that the specs, the backend and `install` share one copy of tfjs-core.
import { writeFileSync } from 'node:fs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import jasmineRequire from 'jasmine-core';
import type { SimdTier } from '../../src/kernels/index.js';
import { install } from '../../src/tfjs/index.js';

/** The stock backend, or `install(tf)` in a tier. */
export type SuiteMode = 'stock' | SimdTier;

export interface SpecResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'pending' | 'excluded';
  /** Of failed expectations and thrown errors. */
  readonly messages: readonly string[];
  /** True if it asked tfjs's engine for gradients. */
  readonly differentiates: boolean;
}

export interface SuiteResult {
  readonly specs: readonly SpecResult[];
  /** What failed outside any spec. */
  readonly errors: readonly string[];
}

const [mode, resultsFile, wasmFolder] = process.argv.slice(2) as [SuiteMode, string, string];

setWasmPaths(wasmFolder);
setTestEnvs([{ name: 'wasm', backendName: 'wasm', isDataSync: true }]);

const engine = tf.engine();
if (mode !== 'stock') {
  // Each group of specs resets the engine and starts a backend of its own.
  const setBackend = engine.setBackend.bind(engine);
  engine.setBackend = async (name) => {
    const started = await setBackend(name);
    if (started && name === 'wasm') await install(tf, { tier: mode });
    return started;
  };
}

let differentiates = false;
const gradients = engine.gradients.bind(engine);
engine.gradients = (...args) => {
  differentiates = true;
  return gradients(...args);
};

// Specs print and warn on purpose.
console.log = () => {};
console.warn = () => {};

const specs: SpecResult[] = [];
const environment = jasmineRequire.boot(jasmineRequire).getEnv();
// Later groups rely on what earlier ones registered.
environment.configure({ random: false });
environment.clearReporters();
environment.addReporter({
  specStarted() {
    differentiates = false;
  },
  specDone({ fullName: name, status, failedExpectations }) {
    specs.push({ name, status, messages: failedExpectations.map(({ message }) => message), differentiates });
  },
  jasmineDone({ failedExpectations }) {
    const result: SuiteResult = { specs, errors: failedExpectations.map(({ message }) => message) };
    writeFileSync(resultsFile, JSON.stringify(result));
    process.exit(0);
  },
});

// Loaded last: the files' groups are declared as they load, for the environment and the globals set up above.
import('@tensorflow/tfjs-core/dist/tests.js').then(() => environment.execute());
