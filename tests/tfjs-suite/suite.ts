// Runs tfjs-core's own jasmine suite on the WASM backend, in Node (in-node.ts) and in a page (in-page.ts). They are
// bundled, so that the specs, the backend and `install` share one copy of tfjs-core.
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import jasmineRequire from 'jasmine-core/lib/jasmine-core/jasmine.js';
import type { TrainingTier } from '../../src/kernels/index.js';
import { type InstallOptions, install } from '../../src/tfjs/index.js';

/** The stock backend, or `install(tf)` in a tier. */
export type SuiteMode = 'stock' | TrainingTier;

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

export interface SuiteOptions {
  readonly mode: SuiteMode;
  /** Folder of tfjs's own .wasm files. */
  readonly wasmFolder: string;
  /** Where our kernel modules are, where they do not lie beside this bundle. */
  readonly modules?: InstallOptions['modules'];
  /** Called as specs end. */
  readonly onProgress?: (specs: number) => void;
}

/** Runs every spec once; registries, SIMD flags and jasmine's names are global, so a process or a page is used once. */
export async function runSuite({ mode, wasmFolder, modules, onProgress }: SuiteOptions): Promise<SuiteResult> {
  setWasmPaths(wasmFolder);
  setTestEnvs([{ name: 'wasm', backendName: 'wasm', isDataSync: true }]);

  const engine = tf.engine();
  if (mode !== 'stock') {
    // Each group of specs resets the engine and starts a backend of its own.
    const setBackend = engine.setBackend.bind(engine);
    engine.setBackend = async (name) => {
      const started = await setBackend(name);
      if (started && name === 'wasm') await install(tf, { tier: mode, ...(modules ? { modules } : {}) });
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
  const jasmine = jasmineRequire.core(jasmineRequire);
  const environment = jasmine.getEnv({ suppressLoadErrors: true });
  Object.assign(globalThis, jasmineRequire.interface(jasmine, environment));
  // Later groups rely on what earlier ones registered.
  environment.configure({ random: false });
  environment.clearReporters();
  const done = new Promise<SuiteResult>((resolve) => {
    environment.addReporter({
      specStarted() {
        differentiates = false;
      },
      specDone({ fullName: name, status, failedExpectations }) {
        specs.push({ name, status, messages: failedExpectations.map(({ message }) => message), differentiates });
        onProgress?.(specs.length);
      },
      jasmineDone({ failedExpectations }) {
        resolve({ specs, errors: failedExpectations.map(({ message }) => message) });
      },
    });
  });
  // Loaded last: the files' groups are declared as they load, for the environment and the globals set up above.
  await import('@tensorflow/tfjs-core/dist/tests.js');
  environment.execute();
  return done;
}
