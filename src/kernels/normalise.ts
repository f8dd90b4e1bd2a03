import type { BoundKernels } from './heap.js';

/** Kernels of assembly/normalise.ts: addresses, then sizes. */
export interface NormaliseExports {
  normMoments(
    x: number,
    rows: number,
    channels: number,
    origin: number,
    sums: number,
    squares: number,
    scratch: number,
  ): void;
  normStatistics(
    origin: number,
    sums: number,
    squares: number,
    rows: number,
    channels: number,
    mean: number,
    variance: number,
  ): void;
  normAffine(
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    channels: number,
    epsilon: number,
    scale: number,
    shift: number,
  ): void;
  normApply(x: number, y: number, rows: number, channels: number, scale: number, shift: number, relu: boolean): void;
  normGradientMoments(
    dy: number,
    x: number,
    rows: number,
    channels: number,
    scale: number,
    shift: number,
    mean: number,
    relu: boolean,
    dBeta: number,
    products: number,
    scratch: number,
  ): void;
  normGradientTerms(
    dBeta: number,
    products: number,
    mean: number,
    variance: number,
    scale: number,
    rows: number,
    channels: number,
    epsilon: number,
    a: number,
    b: number,
  ): void;
  normGradientApply(
    dy: number,
    x: number,
    dx: number,
    rows: number,
    channels: number,
    scale: number,
    shift: number,
    relu: boolean,
    a: number,
    b: number,
  ): void;
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
