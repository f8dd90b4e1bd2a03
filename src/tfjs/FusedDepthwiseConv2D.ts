import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { biasAndActivation } from './fused.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'FusedDepthwiseConv2D';

/** Depthwise convolution, bias and activation. Stock tfjs-backend-wasm takes a bias [channels] only. */
export function fusedDepthwiseConv2D(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, (given) =>
    compose(context, (run) => {
      const { x, filter } = given.inputs;
      const product = run('DepthwiseConv2dNative', { x: x!, filter: filter! }, given.attrs);
      return biasAndActivation(NAME, run, given, product, false);
    }),
  );
}
