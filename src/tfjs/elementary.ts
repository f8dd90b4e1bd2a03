import type { KernelConfig } from '@tensorflow/tfjs-core';
import { type ElementaryExports, withElementaryTable } from '../kernels/index.js';
import { addressIn } from './heap.js';
import { floatOutput, type KernelContext, kernelConfig, stockKernel } from './kernel.js';

type Builder = (context: KernelContext) => KernelConfig;
type Work = (exports: ElementaryExports, x: number, out: number, length: number, table: number, alpha: number) => void;

/** A function of one float32 tensor, element by element; other types stay with the stock kernel. */
function elementary(name: string, work: Work): Builder {
  return (context) => {
    const stock = stockKernel(context, name);
    const { backend, kernels } = context;
    return kernelConfig(name, (run) => {
      const { x } = run.inputs;
      if (x?.dtype !== 'float32') return stock(run);
      const out = floatOutput(context, x.shape);
      const alpha = (run.attrs?.['alpha'] as number | undefined) ?? 0;
      const from = addressIn(backend, x);
      withElementaryTable(kernels, (table) => work(kernels.exports, from, out.address, out.length, table, alpha));
      return out.info;
    });
  };
}

// Klambauer et al. 2017, Self-normalizing neural networks, section 2 (as tfjs-core rounds them)
const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.7580993408473768;

/** Exponentials, logarithms and activations, several times the stock kernels' speed. */
export const ELEMENTARY: readonly Builder[] = [
  elementary('Exp', (kernels, x, out, length, table) => kernels.expFloats(x, out, length, table)),
  elementary('Expm1', (kernels, x, out, length, table) => kernels.expm1Floats(x, out, length, table)),
  elementary('Log', (kernels, x, out, length, table) => kernels.logFloats(x, out, length, table)),
  elementary('Log1p', (kernels, x, out, length, table) => kernels.log1pFloats(x, out, length, table)),
  elementary('Tanh', (kernels, x, out, length, table) => kernels.tanhFloats(x, out, length, table)),
  elementary('Softplus', (kernels, x, out, length, table) => kernels.softplusFloats(x, out, length, table)),
  elementary('Erf', (kernels, x, out, length, table) => kernels.erfFloats(x, out, length, table)),
  elementary('Selu', (kernels, x, out, length, table) =>
    kernels.eluFloats(x, out, length, SELU_SCALE, SELU_ALPHA, table),
  ),
  elementary('LeakyRelu', (kernels, x, out, length, _table, alpha) => kernels.leakyReluFloats(x, out, length, alpha)),
];
