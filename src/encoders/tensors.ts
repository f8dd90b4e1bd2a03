import type * as tfCore from '@tensorflow/tfjs-core';

/** An encoder's tensors by name, as in `weightSpecs`. */
export type EncoderTensors = Readonly<Record<string, tfCore.Tensor>>;

/** What a batch norm saw in training: channel means and biased variances, float32 [channels] each. */
export type RecordStatistics = (norm: string, mean: tfCore.Tensor1D, variance: tfCore.Tensor1D) => void;
