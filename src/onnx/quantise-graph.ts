import { NearmissError } from '../errors.js';
import { DataType, type GraphProto, type NodeProto, type TensorProto } from './model.js';
import { floatElements, makeAttribute, makeNode, makeTensor } from './nodes.js';
import { quantiseMatrix, quantiseParameters } from './quantise-weights.js';

/** Integers of activations and weights: uint8 and int8 (x86), or int8 and int8 (ARM). */
export const QUANTISATION_FORMATS = ['u8s8', 's8s8'] as const;
export type QuantisationFormat = (typeof QUANTISATION_FORMATS)[number];

/** The values that a tensor's integers stand for; 0 is always one of them, as convolutions pad with it. */
export interface ActivationRange {
  readonly min: number;
  readonly max: number;
}

/** What calibration found, by tensor. */
export interface QuantisationValues {
  readonly ranges: ReadonlyMap<string, ActivationRange>;
  readonly means: ReadonlyMap<string, Float64Array>;
}

export interface GraphQuantisation {
  readonly format: QuantisationFormat;
  /** Weights of 7 bits: on CPUs without VNNI, sums of two products of uint8 and int8 must fit 16 bits. */
  readonly reduceRange: boolean;
}

/** What of a graph becomes integers. */
export interface QuantisationPlan {
  /** Float32 tensors to quantise where they are made, in the graph's order: their ranges are needed. */
  readonly tensors: readonly string[];
  /** Outputs of the convolutions and additions that read integers. */
  readonly integer: ReadonlySet<string>;
  /** Outputs of `DequantizeLinear` that convolutions read: pixels, which are integers as they come. */
  readonly pixels: ReadonlySet<string>;
  /** Rows that a `Gemm` multiplies by the whitening's matrix: their means are needed. */
  readonly rows: readonly string[];
}

function unsupported(name: string, found: string, allowed: string): NearmissError {
  return new NearmissError('NM_QUANTISATION_UNSUPPORTED', `${name}: found ${found}, allowed: ${allowed}`);
}

const FROM_INTEGERS: ReadonlySet<string> = new Set(['Conv', 'Relu', 'Add']);

/**
 * What to quantise of a graph that `encoderToOnnx` made: all convolutions and the additions that join residuals. The
 * conversion to Lab stays float32: its curves end in `Where`, and the convolution behind a `Where` takes differences of
 * its values, which 8 bits would lose. Pooling and what follows compute in float32 too; of the whitening only the matrix
 * is stored as integers, as it can be half of the file.
 *
 * A graph that holds integers already, or nothing to quantise, is `NM_QUANTISATION_UNSUPPORTED`; `name` (the file) is
 * used in messages.
 */
export function planQuantisation(graph: GraphProto, name = 'model'): QuantisationPlan {
  const maker = new Map(graph.node.map((node) => [node.output[0]!, node]));
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const input of node.input) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const quantised = graph.node.find(({ opType }) => opType === 'QuantizeLinear');
  if (quantised) throw unsupported(name, `a model with integers already ('${quantised.name}')`, 'a float32 model');
  const isInteger = (node: NodeProto): boolean => {
    const makers = node.input.map((input) => maker.get(input)?.opType);
    if (node.opType === 'Conv') return makers[0] !== undefined && makers[0] !== 'Where';
    return node.opType === 'Add' && makers.every((made) => made !== undefined && FROM_INTEGERS.has(made));
  };
  const tensors = new Set<string>();
  const integer = new Set<string>();
  const pixels = new Set<string>();
  for (const node of graph.node) {
    if (!isInteger(node)) continue;
    const output = node.output[0]!;
    integer.add(output);
    const activations = node.opType === 'Conv' ? node.input.slice(0, 1) : node.input;
    for (const input of activations) {
      (maker.get(input)?.opType === 'DequantizeLinear' ? pixels : tensors).add(input);
    }
    // Behind the ReLU: no integer is spent on what it would cut off, and runtimes drop it.
    const [reader, ...others] = readers.get(output) ?? [];
    tensors.add(reader?.opType === 'Relu' && others.length === 0 ? reader.output[0]! : output);
  }
  if (integer.size === 0) throw unsupported(name, 'no convolution of pixels', 'an encoder that nearmiss exported');
  const order = graph.node.map((node) => node.output[0]!).filter((output) => tensors.has(output));
  const rows = graph.node.filter(({ opType }) => opType === 'Gemm').map(({ input }) => input[0]!);
  return { tensors: order, integer, pixels, rows };
}

/** Zero point and float32 scale of a tensor's integers. */
function integersOf({ min, max }: ActivationRange, lowest: number): { scale: number; zero: number } {
  const scale = Math.fround((max - min) / 255) || 1;
  return { scale, zero: Math.max(lowest, Math.min(lowest + 255, Math.round(lowest - min / scale))) };
}

/**
 * The graph with integers (QDQ: ONNX's pairs of QuantizeLinear and DequantizeLinear, which runtimes fuse into integer
 * operations). `ranges` has an entry for each tensor of the plan, `means` for each of its rows.
 *
 * A tensor `t` is followed by `t.quantised` and `t.dequantised`, which its readers then read; a convolution reads
 * `DequantizeLinear` of int8 weights [channels, …] and int32 biases [channels], both with a scale a channel. The pixels
 * are integers as they come: their `DequantizeLinear` (1/64, 128) is read as it is, and only for s8s8 quantised again
 * (1/64, 0), without loss. A `Gemm` reads its matrix transposed (`transB`), made of int8 [outputs, inputs] and a scale
 * for each output.
 */
export function quantiseGraph(
  graph: GraphProto,
  plan: QuantisationPlan,
  { ranges, means }: QuantisationValues,
  { format, reduceRange }: GraphQuantisation,
): GraphProto {
  const signed = format === 's8s8';
  const lowest = signed ? -128 : 0;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name!, tensor]));
  const nodes: NodeProto[] = [];
  /** Scale of each tensor that is there as integers, and its name for its readers. */
  const integers = new Map<string, { readonly scale: number; readonly name: string }>();
  const replaced = new Set<string>();
  const made: TensorProto[] = [];

  const constant = (name: string | undefined): TensorProto => {
    const tensor = initializers.get(name ?? '');
    if (!tensor) throw new Error(`graph '${graph.name}' has no initialiser '${name}'`);
    return tensor;
  };
  const quantise = (tensor: string, scale: number, parameters: readonly [string, string]): void => {
    nodes.push(
      makeNode('QuantizeLinear', [tensor, ...parameters], `${tensor}.quantised`),
      makeNode('DequantizeLinear', [`${tensor}.quantised`, ...parameters], `${tensor}.dequantised`),
    );
    integers.set(tensor, { scale, name: `${tensor}.dequantised` });
  };
  const quantiseActivation = (tensor: string): void => {
    const { scale, zero } = integersOf(ranges.get(tensor)!, lowest);
    const point = signed ? Int8Array.of(zero) : Uint8Array.of(zero);
    made.push(makeTensor(`${tensor}.scale`, [], Float32Array.of(scale)), makeTensor(`${tensor}.zero`, [], point));
    quantise(tensor, scale, [`${tensor}.scale`, `${tensor}.zero`]);
  };
  const quantisePixels = (pixels: string, scaleName: string): void => {
    const scale = floatElements(constant(scaleName))[0]!;
    if (!signed) {
      integers.set(pixels, { scale, name: pixels });
      return;
    }
    // Bytes less 128, exactly: runtimes want signed integers on both sides of a signed convolution.
    made.push(makeTensor(`${pixels}.signed.zero`, [], Int8Array.of(0)));
    quantise(pixels, scale, [scaleName, `${pixels}.signed.zero`]);
  };
  const parameter = (name: string, dims: readonly number[], values: Int8Array | Int32Array, scales: Float32Array) => {
    const zeros = values instanceof Int8Array ? new Int8Array(scales.length) : new Int32Array(scales.length);
    made.push(
      makeTensor(`${name}.quantised`, dims, values),
      makeTensor(`${name}.scale`, [scales.length], scales),
      makeTensor(`${name}.zero`, [scales.length], zeros),
    );
    const inputs = [`${name}.quantised`, `${name}.scale`, `${name}.zero`];
    nodes.push(makeNode('DequantizeLinear', inputs, `${name}.dequantised`, { axis: 0 }));
    replaced.add(name);
    return `${name}.dequantised`;
  };
  const convolutionInputs = ([read, weightName, biasName]: readonly string[]): string[] => {
    const { scale, name } = integers.get(read!)!;
    const weight = constant(weightName);
    const kernel = floatElements(weight);
    const found = quantiseParameters(kernel, floatElements(constant(biasName)), scale, reduceRange ? 63 : 127);
    return [
      name,
      parameter(weightName!, weight.dims, found.weight, found.weightScale),
      parameter(biasName!, [found.bias.length], found.bias, found.biasScale),
    ];
  };

  /** The numbers of a matrix are made by `Cast` and `Mul`: runtimes do that once, but `DequantizeLinear` in each run. */
  const matrixProduct = (node: NodeProto): NodeProto => {
    const [read, matrixName, biasName] = node.input as [string, string, string];
    const matrix = constant(matrixName);
    const [inputs, outputs] = matrix.dims as [number, number];
    const found = quantiseMatrix(floatElements(matrix), floatElements(constant(biasName)), means.get(read)!);
    replaced.add(matrixName).add(biasName);
    made.push(
      makeTensor(`${matrixName}.quantised`, [outputs, inputs], found.matrix),
      makeTensor(`${matrixName}.scale`, [outputs, 1], found.scale),
      makeTensor(biasName, [outputs], found.bias),
    );
    nodes.push(
      makeNode('Cast', [`${matrixName}.quantised`], `${matrixName}.integers`, { to: DataType.FLOAT }),
      makeNode('Mul', [`${matrixName}.integers`, `${matrixName}.scale`], `${matrixName}.dequantised`),
    );
    const attribute = [...node.attribute, makeAttribute('transB', 1)];
    return { ...node, input: [read, `${matrixName}.dequantised`, biasName], attribute };
  };

  for (const node of graph.node) {
    if (node.opType === 'Gemm') {
      nodes.push(matrixProduct(node));
      continue;
    }
    const output = node.output[0]!;
    const integerConvolution = node.opType === 'Conv' && plan.integer.has(output);
    const input = integerConvolution
      ? convolutionInputs(node.input)
      : node.input.map((name) => integers.get(name)?.name ?? name);
    nodes.push({ ...node, input });
    if (plan.pixels.has(output)) quantisePixels(output, node.input[1]!);
    else if (plan.tensors.includes(output)) quantiseActivation(output);
  }
  const initializer = graph.initializer.filter((tensor) => !replaced.has(tensor.name!));
  return { ...graph, node: nodes, initializer: [...initializer, ...made], valueInfo: [] };
}
