/**
 * An encoder as data: nodes in order, each naming its input. The trainer, the ONNX exporter and the device engine walk
 * the same list, so they cannot disagree. Every convolution is without bias and is followed by a batch norm.
 * Feature maps are NHWC; a stride-1 or stride-2 convolution pads (kernel - 1) / 2 on all sides.
 */
export type EncoderNode =
  | {
      readonly op: 'conv';
      readonly name: string;
      readonly input: string;
      readonly kernel: 1 | 3;
      readonly stride: 1 | 2;
      readonly inputChannels: number;
      readonly outputChannels: number;
      /** One filter a channel; outputChannels equals inputChannels. */
      readonly depthwise?: boolean;
    }
  | {
      readonly op: 'norm';
      readonly name: string;
      readonly input: string;
      readonly channels: number;
      readonly relu: boolean;
    }
  | { readonly op: 'add'; readonly name: string; readonly inputs: readonly [string, string]; readonly relu: boolean }
  /** Channels of the picture in CIE Lab (`lab.ts`), each within -1 … 1: lightness [1], or the colour plane [2]. */
  | { readonly op: 'lab'; readonly name: string; readonly input: 'image'; readonly channels: 'l' | 'ab' }
  /** The channels of the first input, then those of the second. */
  | { readonly op: 'concat'; readonly name: string; readonly inputs: readonly [string, string] };

/** A small convolutional encoder with its projection head. */
export interface EncoderGraph {
  readonly name: string;
  /** The first node reads the pictures, `image`; the last node's output is the feature map. */
  readonly nodes: readonly EncoderNode[];
  /** Channels of the feature map; h, its average, has as many numbers. */
  readonly featureChannels: number;
  /** Picture size divided by this is the feature map's size. */
  readonly downsampling: number;
  /** Widths of a projection head: input, hidden, z (ReLU between, unit length at the end). */
  readonly head: readonly [number, number, number];
  /**
   * Names of independent parts that share the feature map's channels evenly, in this order, each with a projection head
   * of its own (CMC: lightness and colour). Default: one part, one head.
   */
  readonly parts?: readonly [string, string];
}

/** Names of an encoder's projection heads, in the order of the channels that they read. */
export function headNames(graph: EncoderGraph): readonly string[] {
  return graph.parts?.map((part) => `head.${part}`) ?? ['head'];
}

/** A parameter or statistic of an encoder: its name, shape, and whether the optimiser changes it. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
}

/** Named float32 tensors, row-major. */
export type Weights = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

/** Input pixels p become (p - PIXEL_ZERO) / PIXEL_SCALE: exact, and one DequantizeLinear in ONNX. */
export const PIXEL_ZERO = 128;
export const PIXEL_SCALE = 64;

/** Added to the variance under the root of every batch norm. */
export const NORM_EPSILON = 1e-5;

/**
 * All tensors of an encoder in a fixed order. Convolution kernels are `<node>.kernel` [height, width, in, out]
 * (depthwise [height, width, channels, 1]); batch norms `<node>.gamma|beta|mean|variance` [channels]; the head
 * `head.0|1.kernel` [in, out] and `head.0|1.bias` [out], or `head.<part>.0|1…` for each part.
 */
export function weightSpecs(graph: EncoderGraph): WeightSpec[] {
  const specs: WeightSpec[] = [];
  for (const node of graph.nodes) {
    if (node.op === 'conv') {
      const shape = node.depthwise
        ? [node.kernel, node.kernel, node.inputChannels, 1]
        : [node.kernel, node.kernel, node.inputChannels, node.outputChannels];
      specs.push({ name: `${node.name}.kernel`, shape, trainable: true });
    } else if (node.op === 'norm') {
      for (const part of ['gamma', 'beta'])
        specs.push({ name: `${node.name}.${part}`, shape: [node.channels], trainable: true });
      for (const part of ['mean', 'variance'])
        specs.push({ name: `${node.name}.${part}`, shape: [node.channels], trainable: false });
    }
  }
  const [input, hidden, output] = graph.head;
  for (const head of headNames(graph)) {
    specs.push({ name: `${head}.0.kernel`, shape: [input, hidden], trainable: true });
    specs.push({ name: `${head}.0.bias`, shape: [hidden], trainable: true });
    specs.push({ name: `${head}.1.kernel`, shape: [hidden, output], trainable: true });
    specs.push({ name: `${head}.1.bias`, shape: [output], trainable: true });
  }
  return specs;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Number of trained parameters, head included (running statistics are not counted). */
export function parameterCount(graph: EncoderGraph): number {
  return weightSpecs(graph).reduce((sum, spec) => sum + (spec.trainable ? elements(spec.shape) : 0), 0);
}
