import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { type Norm, normTrain, normTrainGradient } from '../kernels/index.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, type KernelRun, kernelConfig } from './kernel.js';

type Tf = typeof tfCore;

const NORM = 'NearmissBatchNormTrain';
const GRADIENT = 'NearmissBatchNormTrainGradient';

export interface BatchNormOptions {
  /** Added to the variance under the root. Default 1e-5. */
  readonly epsilon?: number;
  /** ReLU on the result, at no further cost. Default false. */
  readonly relu?: boolean;
}

export interface BatchNormTrained<T extends tfCore.Tensor> {
  readonly y: T;
  /** The batch's mean and biased variance [channels]; no gradient flows through them. */
  readonly mean: tfCore.Tensor1D;
  readonly variance: tfCore.Tensor1D;
}

/**
 * Batch norm of training: y = gamma · (x - mean) / sqrt(variance + epsilon) + beta with the statistics of this batch,
 * over all axes of x [..., channels] but the last, gamma and beta [channels]. Differentiable in x, gamma and beta
 * (Ioffe & Szegedy 2015, algorithm 1 and section 3). Needs `install(tf)`: `NM_TFJS_BACKEND`; shapes that do not fit:
 * `NM_SHAPE_MISMATCH`.
 */
export function batchNormTrain<T extends tfCore.Tensor>(
  tf: Tf,
  x: T,
  gamma: tfCore.Tensor,
  beta: tfCore.Tensor,
  options: BatchNormOptions = {},
): BatchNormTrained<T> {
  const { epsilon = 1e-5, relu = false } = options;
  if (!tf.getKernel(NORM, tf.getBackend())) {
    throw new NearmissError(
      'NM_TFJS_BACKEND',
      `batchNormTrain: not registered for backend '${tf.getBackend()}'; call \`await install(tf)\` with the WASM backend active`,
    );
  }
  const channels = x.shape[x.shape.length - 1];
  if (channels === undefined || x.size === 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `batchNormTrain: x: found [${x.shape}], allowed: one row or more`);
  }
  for (const [name, tensor] of [['gamma', gamma] as const, ['beta', beta] as const]) {
    if (tensor.size !== channels) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `batchNormTrain: ${name}: found [${tensor.shape}], allowed: [${channels}] for x [${x.shape}]`,
      );
    }
  }
  const outputs = tf.engine().runKernel(NORM, { x, gamma, beta }, { epsilon, relu }) as unknown as tfCore.Tensor[];
  const [y, mean, variance] = outputs as [T, tfCore.Tensor1D, tfCore.Tensor1D];
  return { y, mean, variance };
}

/**
 * Batch norm with given statistics, as after training: y = gamma · (x - mean) / sqrt(variance + epsilon) + beta.
 * Differentiable through stock tfjs ops.
 */
export function batchNormInference<T extends tfCore.Tensor>(
  tf: Tf,
  x: T,
  gamma: tfCore.Tensor,
  beta: tfCore.Tensor,
  statistics: { readonly mean: tfCore.Tensor; readonly variance: tfCore.Tensor },
  options: BatchNormOptions = {},
): T {
  const { epsilon = 1e-5, relu = false } = options;
  return tf.tidy(() => {
    const scale = tf.mul(gamma, tf.rsqrt(tf.add(statistics.variance, epsilon)));
    const y = tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(statistics.mean, scale)));
    return (relu ? tf.relu(y) : y) as T;
  });
}

function normOf(
  name: string,
  { backend }: KernelContext,
  run: KernelRun,
  mean: number,
  variance: number,
): Norm & { readonly shape: number[] } {
  const x = floatInput(name, run, 'x');
  const channels = x.shape[x.shape.length - 1]!;
  return {
    x: addressIn(backend, x),
    gamma: addressIn(backend, floatInput(name, run, 'gamma')),
    beta: addressIn(backend, floatInput(name, run, 'beta')),
    mean,
    variance,
    rows: x.shape.slice(0, -1).reduce((product, length) => product * length, 1),
    channels,
    epsilon: run.attrs?.['epsilon'] as number,
    relu: run.attrs?.['relu'] === true,
    shape: x.shape,
  };
}

/** Forward: inputs x, gamma, beta; outputs y, mean, variance. */
export function batchNormTrainKernel(context: KernelContext): tfCore.KernelConfig {
  return kernelConfig(NORM, (run) => {
    const channels = floatInput(NORM, run, 'x').shape.slice(-1);
    const mean = floatOutput(context, channels);
    const variance = floatOutput(context, channels);
    const norm = normOf(NORM, context, run, mean.address, variance.address);
    const y = floatOutput(context, norm.shape);
    normTrain(context.kernels, norm, y.address);
    return [y.info, mean.info, variance.info];
  });
}

/** Backward: inputs dy, x, gamma, beta, mean, variance; outputs dx, dGamma, dBeta. */
export function batchNormTrainGradientKernel(context: KernelContext): tfCore.KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(GRADIENT, (run) => {
    const address = (name: string): number => addressIn(backend, floatInput(GRADIENT, run, name));
    const norm = normOf(GRADIENT, context, run, address('mean'), address('variance'));
    const dx = floatOutput(context, norm.shape);
    const dGamma = floatOutput(context, [norm.channels]);
    const dBeta = floatOutput(context, [norm.channels]);
    normTrainGradient(kernels, norm, address('dy'), {
      dx: dx.address,
      dGamma: dGamma.address,
      dBeta: dBeta.address,
    });
    return [dx.info, dGamma.info, dBeta.info];
  });
}

/** How autodiff goes back through `batchNormTrain`. */
export function batchNormTrainGradient(tf: Tf): tfCore.GradConfig {
  return {
    kernelName: NORM,
    inputsToSave: ['x', 'gamma', 'beta'],
    outputsToSave: [false, true, true],
    gradFunc: (dys, saved, attrs) => {
      const [dy] = dys as tfCore.Tensor[];
      const [x, gamma, beta, mean, variance] = saved as [
        tfCore.Tensor,
        tfCore.Tensor,
        tfCore.Tensor,
        tfCore.Tensor,
        tfCore.Tensor,
      ];
      // One pass gives all three; each is asked for on its own.
      const inputs = { dy: dy!, x, gamma, beta, mean, variance };
      const gradients = tf.engine().runKernel(GRADIENT, inputs, attrs) as unknown as tfCore.Tensor[];
      const [dx, dGamma, dBeta] = gradients as [tfCore.Tensor, tfCore.Tensor, tfCore.Tensor];
      return {
        x: () => dx,
        gamma: () => tf.reshape(dGamma, gamma.shape),
        beta: () => tf.reshape(dBeta, beta.shape),
      };
    },
  };
}
