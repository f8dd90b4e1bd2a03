import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { biasAndActivation } from './fused.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = '_FusedMatMul';

/** Matrix product, bias and activation. Stock tfjs-backend-wasm takes a bias [columns] only. */
export function fusedMatMul(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, (given) =>
    compose(context, (run) => {
      const { a, b } = given.inputs;
      const product = run('BatchMatMul', { a: a!, b: b! }, given.attrs);
      return biasAndActivation(NAME, run, given, product, false);
    }),
  );
}
