import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { biasAndActivation } from './fused.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'FusedConv2D';

/** Convolution, bias and activation. Stock tfjs-backend-wasm takes a bias [channels] and NHWC only. */
export function fusedConv2D(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, (given) =>
    compose(context, (run) => {
      const { x, filter } = given.inputs;
      const product = run('Conv2D', { x: x!, filter: filter! }, given.attrs);
      return biasAndActivation(NAME, run, given, product, given.attrs?.['dataFormat'] === 'NCHW');
    }),
  );
}
