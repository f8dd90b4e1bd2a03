// What browser.test.ts runs in a page: bundled as a tfjs user's page is, with `install` and one copy of tfjs-core.
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type InstallOptions, install, uninstall } from '../../src/tfjs/index.js';
import { type EncoderTraining, trainEncoder } from './encoder-training.js';
import { type NETS, type Training, trainNet } from './small-nets.js';

export interface Trained extends Training {
  readonly tier: string;
  readonly tensorsLeft: number;
}

/** Trains a net of small-nets.ts in the page. */
async function train(net: keyof typeof NETS, steps: number, options: InstallOptions): Promise<Trained> {
  setWasmPaths('/tfjs/');
  await tf.setBackend('wasm');
  const { tier } = await install(tf, options);
  const before = tf.memory().numTensors;
  const training = trainNet(tf, net, steps);
  const tensorsLeft = tf.memory().numTensors - before;
  uninstall(tf);
  return { ...training, tier, tensorsLeft };
}

/** Trains an encoder of encoder-training.ts in the page. */
async function encoder(steps: number, options: InstallOptions): Promise<EncoderTraining & { tensorsLeft: number }> {
  setWasmPaths('/tfjs/');
  await tf.setBackend('wasm');
  const kernels = await install(tf, options);
  const before = tf.memory().numTensors;
  const training = trainEncoder(tf, kernels, steps);
  const tensorsLeft = tf.memory().numTensors - before;
  uninstall(tf);
  return { ...training, tensorsLeft };
}

/** The code that `install` fails with, and what it says. */
async function refusal(options: InstallOptions): Promise<{ code: string; message: string }> {
  setWasmPaths('/tfjs/');
  await tf.setBackend('wasm');
  return install(tf, options).then(
    () => ({ code: '', message: 'nothing was refused' }),
    ({ code, message }) => ({ code, message }),
  );
}

declare global {
  var nearmissPage: {
    readonly train: typeof train;
    readonly encoder: typeof encoder;
    readonly refusal: typeof refusal;
  };
}
globalThis.nearmissPage = { train, encoder, refusal };
