import type { BoundKernels } from './heap.js';

/** Kernels of assembly/normalise.ts: addresses, then sizes. */
export interface NormaliseExports {
  normTrain(
    x: number,
    gamma: number,
    beta: number,
    y: number,
    mean: number,
    variance: number,
    rows: number,
    channels: number,
    epsilon: number,
    relu: boolean,
    scratch: number,
  ): void;
  normTrainGradient(
    dy: number,
    x: number,
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    dx: number,
    dGamma: number,
    dBeta: number,
    rows: number,
    channels: number,
    epsilon: number,
    relu: boolean,
    scratch: number,
  ): void;
}

/** What a batch norm of training works on: x [rows, channels] and its parameters, as addresses. */
export interface Norm {
  readonly x: number;
  readonly gamma: number;
  readonly beta: number;
  readonly mean: number;
  readonly variance: number;
  readonly rows: number;
  readonly channels: number;
  /** Added to the variance under the root. */
  readonly epsilon: number;
  /** ReLU on the result. */
  readonly relu: boolean;
}

function withScratch(kernels: BoundKernels<NormaliseExports>, channels: number, run: (scratch: number) => void): void {
  const scratch = kernels.heap.malloc(4 * (4 * channels + 16));
  try {
    run(scratch);
  } finally {
    kernels.heap.free(scratch);
  }
}

/** Normalises by the batch's own statistics, which it writes to `mean` and `variance` (biased). Needs one row or more. */
export function normTrain(kernels: BoundKernels<NormaliseExports>, norm: Norm, y: number): void {
  const { x, gamma, beta, mean, variance, rows, channels, epsilon, relu } = norm;
  withScratch(kernels, channels, (scratch) => {
    kernels.exports.normTrain(x, gamma, beta, y, mean, variance, rows, channels, epsilon, relu, scratch);
  });
}

/** Gradients of `normTrain` in x, gamma and beta, from dy and the statistics that the forward pass wrote. */
export function normTrainGradient(
  kernels: BoundKernels<NormaliseExports>,
  norm: Norm,
  dy: number,
  out: { readonly dx: number; readonly dGamma: number; readonly dBeta: number },
): void {
  const { x, gamma, beta, mean, variance, rows, channels, epsilon, relu } = norm;
  const { dx, dGamma, dBeta } = out;
  withScratch(kernels, channels, (scratch) => {
    kernels.exports.normTrainGradient(
      dy,
      x,
      gamma,
      beta,
      mean,
      variance,
      dx,
      dGamma,
      dBeta,
      rows,
      channels,
      epsilon,
      relu,
      scratch,
    );
  });
}
