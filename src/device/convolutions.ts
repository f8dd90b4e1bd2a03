import { DataType } from '../onnx/model.js';
import { type Build, codeBounds } from './build.js';
import type { GraphNode } from './graph.js';
import { codeConvolution, codeRange, convolution, type Quantisation, type Window } from './layers.js';
import { FeatureMap } from './machine.js';
import type { Mapped, Value } from './values.js';

interface Geometry extends Window {
  readonly outputs: number;
  readonly depthwise: boolean;
  /** Of the output. */
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Checks a convolution's settings and sets the border that its input needs. */
function geometryOf(node: GraphNode, x: Mapped, dims: readonly number[]): Geometry {
  const { map } = x;
  node.expect('the axes of its input', x.axes, 'channels first');
  const [outputs = 0, perGroup = 0, height = 0, width = 0] = dims;
  node.expect('the number of axes of its weights', dims.length, 4);
  node.expect('kernel_shape', node.integers('kernel_shape', [height, width]), [height, width]);
  node.expect('dilations', node.integers('dilations', [1, 1]), [1, 1]);
  if (node.text('auto_pad', 'NOTSET') !== 'NOTSET') throw node.unsupported('auto_pad, allowed: pads');
  const group = node.integer('group', 1);
  const depthwise = group > 1;
  if (depthwise) {
    node.expect('group', group, map.channels);
    node.expect('output channels', outputs, map.channels);
  }
  node.expect('input channels of its weights', perGroup * group, map.channels);
  const [padTop = 0, padLeft = 0, padBottom = 0, padRight = 0] = node.integers('pads', [0, 0, 0, 0]);
  const [strideHeight = 1, strideWidth = 1] = node.integers('strides', [1, 1]);
  map.border = Math.max(map.border, padTop, padLeft, padBottom, padRight);
  return {
    height,
    width,
    strideHeight,
    strideWidth,
    padTop,
    padLeft,
    outputs,
    depthwise,
    outHeight: outputLength(node, map.height + padTop + padBottom, height, strideHeight),
    outWidth: outputLength(node, map.width + padLeft + padRight, width, strideWidth),
  };
}

/** Patches of a length that fit into another. */
export function outputLength(node: GraphNode, length: number, patch: number, stride: number): number {
  if (patch < 1 || stride < 1 || patch > length)
    throw node.unsupported(`patches of ${patch}, ${stride} apart, on ${length}`);
  return Math.floor((length - patch) / stride) + 1;
}

/** What becomes of a sum: ReLU or not, and the QuantizeLinear that makes codes of it, if there is one. */
export interface Ending {
  readonly relu: GraphNode | undefined;
  readonly quantise: GraphNode | undefined;
  /** The last name of the three that the sum goes by. */
  readonly name: string;
}

/** What alone reads a sum: [ReLU], [QuantizeLinear]. */
export function endingOf(build: Build, output: string): Ending {
  const relu = build.soleReader(output, 'Relu');
  const quantise = build.soleReader(relu?.output ?? output, 'QuantizeLinear');
  return { relu, quantise, name: (quantise ?? relu)?.output ?? output };
}

/** The quantisation that a QuantizeLinear or DequantizeLinear of one scale states. */
export function quantisationOf(build: Build, node: GraphNode): Quantisation {
  const scale = build.scalar(node, 1);
  const zero = node.inputs[2] ? build.constant(node, 2) : undefined;
  const bounds = codeBounds(zero?.dataType ?? DataType.UINT8);
  if (!bounds) throw node.unsupported(`codes of data type ${zero?.dataType}, allowed: uint8, int8`);
  if (zero && zero.data.length !== 1) throw node.unsupported(`${zero.data.length} zero points, allowed: 1`);
  return { scale, zero: zero?.data[0] ?? 0, ...bounds };
}

interface CodeWeights {
  readonly filter: Int8Array;
  readonly bias: Int32Array | undefined;
  readonly dims: readonly number[];
  /** Of the output channels' weights. */
  readonly scales: Float32Array;
}

/** Products of a patch: their sum, at most 255 · 128 times as large, and a bias of 2^30 fit 32 bits. */
const MOST_PRODUCTS = 2 ** 15;

/** Int8 weights without zero points and int32 biases in units of their products; undefined where they are not that. */
function codeWeights(build: Build, node: GraphNode, inputScale: number): CodeWeights | undefined {
  const weight = build.value(node, 1);
  const bias = node.inputs[2] ? build.value(node, 2) : undefined;
  if (weight.kind !== 'dequantised constant' || !(weight.constant.data instanceof Int8Array)) return undefined;
  if (Array.prototype.some.call(weight.zeros, (zero) => zero !== 0)) return undefined;
  const outputs = weight.constant.dims[0]!;
  if (weight.constant.data.length > outputs * MOST_PRODUCTS) return undefined;
  const scales = Float32Array.from({ length: outputs }, (_, output) => scaleOf(weight, output));
  const found: CodeWeights = { filter: weight.constant.data, dims: weight.constant.dims, scales, bias: undefined };
  if (!bias) return found;
  if (bias.kind !== 'dequantised constant' || !(bias.constant.data instanceof Int32Array)) return undefined;
  // As onnxruntime takes it: the scale of a bias is that of the products, whatever the file says; so it must say that.
  for (let output = 0; output < outputs; output++) {
    const products = inputScale * scales[output]!;
    if (Math.abs(scaleOf(bias, output) - products) > 1e-6 * products) return undefined;
  }
  return { ...found, bias: bias.constant.data };
}

function scaleOf({ scales }: Extract<Value, { kind: 'dequantised constant' }>, index: number): number {
  return scales[scales.length === 1 ? 0 : index]!;
}

/** A convolution of codes to codes; undefined where it is not one. */
function addCodeConvolution(build: Build, node: GraphNode): boolean {
  const ending = endingOf(build, node.output);
  if (!ending.quantise) return false;
  const x = build.codes(build.value(node, 0));
  const weights = x && codeWeights(build, node, x.quantisation.scale);
  if (!weights) return false;
  const geometry = geometryOf(node, x, weights.dims);
  const quantisation = quantisationOf(build, ending.quantise);
  const out = new FeatureMap(geometry.outHeight, geometry.outWidth, geometry.outputs, true);
  const range = codeRange(quantisation, ending.relu !== undefined);
  // Rounded as onnxruntime rounds it.
  const scales = weights.scales.map((scale) => Math.fround(x.quantisation.scale * scale) / quantisation.scale);
  const filter = { filter: weights.filter, bias: weights.bias, scales, depthwise: geometry.depthwise };
  build.layers.push(codeConvolution(x.map, geometry, filter, out, range));
  build.define(ending.name, { kind: 'codes', axes: x.axes, map: out, quantisation });
  absorbEnding(build, ending);
  return true;
}

export function absorbEnding(build: Build, { relu, quantise }: Ending): void {
  if (relu) build.absorb(relu);
  if (quantise) build.absorb(quantise);
}

/** The Add that alone reads a convolution, with a map of the same shape that is there already. */
function addendOf(build: Build, output: string, shape: FeatureMap): { add: GraphNode; map: FeatureMap } | undefined {
  const add = build.soleReader(output, 'Add');
  const [other] = add?.inputs.filter((name) => name !== output) ?? [];
  const value = other === undefined ? undefined : build.find(other);
  if (!add || value?.kind !== 'floats' || !value.map.sameShape(shape)) return undefined;
  return { add, map: value.map };
}

/** Conv: of codes where its operands and its result are, else of float32, with the Add and ReLU that follow it. */
export function addConvolution(build: Build, node: GraphNode): void {
  if (addCodeConvolution(build, node)) return;
  const x = build.floats(node, 0);
  const { data: filter, dims } = build.numbers(node, 1);
  const bias = node.inputs[2] ? build.numbers(node, 2).data : undefined;
  const geometry = geometryOf(node, x, dims);
  const out = new FeatureMap(geometry.outHeight, geometry.outWidth, geometry.outputs);
  const addend = addendOf(build, node.output, out);
  if (addend) build.absorb(addend.add);
  const sum = addend?.add.output ?? node.output;
  const relu = build.soleReader(sum, 'Relu');
  if (relu) build.absorb(relu);
  const weights = { filter, bias, depthwise: geometry.depthwise };
  const layer = convolution(x.map, geometry, weights, out, relu !== undefined, addend?.map);
  addend?.map.readInPanels();
  build.emit(relu?.output ?? sum, x.axes, layer);
}
