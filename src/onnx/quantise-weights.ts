/** A convolution's parameters as integers: value = integer · scale of its output channel. */
export interface IntegerParameters {
  /** Of the kernel's shape, within ± the limit. */
  readonly weight: Int8Array;
  /** [channels] */
  readonly weightScale: Float32Array;
  /** [channels] */
  readonly bias: Int32Array;
  /** [channels], the input's scale times the weight's, so that biases add to sums of products. */
  readonly biasScale: Float32Array;
}

/** Integer biases stay within ± this, which leaves the sums of products as much room again in 32 bits. */
const BIAS_LIMIT = 2 ** 30;
/** Keeps the scales of channels that are all zero normal numbers. */
const SMALLEST_SCALE = 2 ** -100;

/**
 * Quantises a convolution's kernel [channels, …] and bias [channels], symmetrically and each output channel by itself.
 *
 * A channel that batch norm has all but switched off has tiny weights and a bias that is not: its scale is as large as
 * the bias needs, so that no integer overflows.
 *
 * @param inputScale of the integers that the convolution reads
 * @param limit 127, or 63 for weights of 7 bits
 */
export function quantiseParameters(
  kernel: Float32Array,
  bias: Float32Array,
  inputScale: number,
  limit: 63 | 127,
): IntegerParameters {
  const channels = bias.length;
  const per = kernel.length / channels;
  const weight = new Int8Array(kernel.length);
  const weightScale = new Float32Array(channels);
  const integerBias = new Int32Array(channels);
  const biasScale = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const from = channel * per;
    let largest = 0;
    for (let at = from; at < from + per; at++) largest = Math.max(largest, Math.abs(kernel[at]!));
    const forBias = Math.abs(bias[channel]!) / (inputScale * BIAS_LIMIT);
    weightScale[channel] = Math.max(largest / limit, forBias, SMALLEST_SCALE);
    const scale = weightScale[channel]!;
    for (let at = from; at < from + per; at++) {
      weight[at] = Math.max(-limit, Math.min(limit, Math.round(kernel[at]! / scale)));
    }
    biasScale[channel] = inputScale * scale;
    integerBias[channel] = Math.round(bias[channel]! / biasScale[channel]!);
  }
  return { weight, weightScale, bias: integerBias, biasScale };
}
