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

/** A matrix [inputs, outputs] as integers, turned round, and the bias [outputs] that belongs to it. */
export interface IntegerMatrix {
  /** [outputs, inputs] */
  readonly matrix: Int8Array;
  /** [outputs] */
  readonly scale: Float32Array;
  readonly bias: Float32Array;
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

/**
 * Quantises a matrix [inputs, outputs] symmetrically, each output by itself, for products in float32: a quarter of the
 * bytes. The bias makes up for what rounding changes on average, so rows equal to `mean` [inputs] give what they gave.
 */
export function quantiseMatrix(values: Float32Array, bias: Float32Array, mean: Float64Array): IntegerMatrix {
  const outputs = bias.length;
  const inputs = mean.length;
  const matrix = new Int8Array(values.length);
  const scale = new Float32Array(outputs);
  const corrected = new Float32Array(outputs);
  for (let output = 0; output < outputs; output++) {
    let largest = 0;
    for (let input = 0; input < inputs; input++) {
      largest = Math.max(largest, Math.abs(values[input * outputs + output]!));
    }
    scale[output] = Math.max(largest / 127, SMALLEST_SCALE);
    let change = 0;
    for (let input = 0; input < inputs; input++) {
      const value = values[input * outputs + output]!;
      const integer = Math.max(-127, Math.min(127, Math.round(value / scale[output]!)));
      matrix[output * inputs + input] = integer;
      change += mean[input]! * (value - integer * scale[output]!);
    }
    corrected[output] = bias[output]! + change;
  }
  return { matrix, scale, bias: corrected };
}
