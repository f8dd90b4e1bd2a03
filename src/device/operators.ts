import type { AddParameters } from '../kernels/device-layout.js';
import { DataType } from '../onnx/model.js';
import { type Build, describe, tabulate } from './build.js';
import { absorbEnding, addConvolution, endingOf, outputLength, quantisationOf } from './convolutions.js';
import {
  codeOf,
  concatenate,
  type ElementFunction,
  elementwise,
  euclideanLength,
  flatten,
  quantise,
} from './element-layers.js';
import type { GraphNode } from './graph.js';
import { averagePool, codeJoin, codeRange, convolution, join, POINT, type Quantisation } from './layers.js';
import { FeatureMap } from './machine.js';
import type { Axes, CodeTable, Mapped } from './values.js';

type Operator = (build: Build, node: GraphNode) => void;

const CHANNELS_FIRST: Axes = 'channels first';
const CHANNELS_LAST: Axes = 'channels last';

function transpose(build: Build, node: GraphNode): void {
  const value = build.value(node, 0);
  if (!('axes' in value)) throw node.unsupported(describe(value));
  // Memory stays as it is: only what ONNX calls its axes changes.
  const [from, to, perm] =
    value.axes === CHANNELS_LAST
      ? [CHANNELS_LAST, CHANNELS_FIRST, [0, 3, 1, 2]]
      : [CHANNELS_FIRST, CHANNELS_LAST, [0, 2, 3, 1]];
  node.expect('the axes of its input', value.axes, from);
  node.expect('perm', node.integers('perm', []), perm);
  build.define(node.output, { ...value, axes: to });
}

function dequantizeLinear(build: Build, node: GraphNode): void {
  const value = build.value(node, 0);
  if (value.kind === 'constant') {
    const { constant } = value;
    if (constant.data instanceof Float32Array) throw node.unsupported('float32 numbers, allowed: codes');
    const scales = build.numbers(node, 1).data;
    const zeros = node.inputs[2] ? build.constant(node, 2)?.data : new Uint8Array(scales.length);
    if (zeros?.length !== scales.length)
      throw node.unsupported(`${zeros?.length} zero points, allowed: ${scales.length}`);
    if (scales.length !== 1) {
      node.expect('axis', node.integer('axis', 1), 0);
      node.expect('the number of scales', scales.length, constant.dims[0]);
    }
    build.define(node.output, { kind: 'dequantised constant', constant, scales, zeros });
    return;
  }
  const quantisation = quantisationOf(build, node);
  if (value.kind === 'picture') {
    const codes = Int16Array.from({ length: 256 }, (_, byte) => byte - quantisation.zero);
    defineDecoded(build, node, value.axes, { codes, quantisation });
  } else if (value.kind === 'code table') {
    node.expect('the zero point', quantisation.zero, value.coded.quantisation.zero);
    defineDecoded(build, node, value.axes, { ...value.coded, quantisation });
  } else if (value.kind === 'codes') {
    node.expect('the zero point', quantisation.zero, value.quantisation.zero);
    build.define(node.output, { ...value, kind: 'dequantised', quantisation });
  } else {
    throw node.unsupported(`${describe(value)}, allowed: codes`);
  }
}

function defineDecoded(build: Build, node: GraphNode, axes: Axes, coded: CodeTable): void {
  const table = tabulate((byte) => coded.codes[byte]! * coded.quantisation.scale);
  build.define(node.output, { kind: 'table', axes, table, coded });
}

function quantizeLinear(build: Build, node: GraphNode): void {
  const quantisation = quantisationOf(build, node);
  const value = build.value(node, 0);
  if (value.kind === 'table') {
    const codes = Int16Array.from(value.table, (number) => codeOf(number, quantisation));
    build.define(node.output, { kind: 'code table', axes: value.axes, coded: { codes, quantisation } });
    return;
  }
  const { axes, map } = build.floats(node, 0);
  const out = new FeatureMap(map.height, map.width, map.channels, true);
  build.layers.push(quantise(map, quantisation, out));
  build.define(node.output, { kind: 'codes', axes, map: out, quantisation });
}

/**
 * onnxruntime's constants of a sum of codes: float32 throughout, the multiply-add of its constant rounding once; int8 codes
 * are taken for uint8 ones, as it does on x86.
 */
function addParameters(a: Quantisation, b: Quantisation, out: Quantisation): AddParameters {
  const [zeroA, zeroB, zeroOut] = [a, b, out].map(({ zero, lowest }) => zero - lowest) as [number, number, number];
  const ratioA = Math.fround(a.scale / out.scale);
  const ratioB = Math.fround(b.scale / out.scale);
  const zeros = Math.fround(ratioA * zeroA + Math.fround(ratioB * zeroB));
  return { ratioA, ratioB, fixed: Math.fround(zeroOut - zeros), zeroA, zeroB, zeroOut };
}

function addOfCodes(build: Build, node: GraphNode): boolean {
  const ending = endingOf(build, node.output);
  const a = build.find(node.input(0));
  const b = build.find(node.input(1));
  if (!ending.quantise || a?.kind !== 'dequantised' || b?.kind !== 'dequantised') return false;
  if (!a.map.sameShape(b.map)) return false;
  const quantisation = quantisationOf(build, ending.quantise);
  const { height, width, channels } = a.map;
  const out = new FeatureMap(height, width, channels, true);
  const parameters = addParameters(a.quantisation, b.quantisation, quantisation);
  build.layers.push(codeJoin(a.map, b.map, parameters, out, codeRange(quantisation, ending.relu !== undefined)));
  build.define(ending.name, { kind: 'codes', axes: a.axes, map: out, quantisation });
  absorbEnding(build, ending);
  return true;
}

function add(build: Build, node: GraphNode): void {
  if (addOfCodes(build, node)) return;
  const isMap = (index: number): boolean => ['floats', 'dequantised'].includes(build.value(node, index).kind);
  if (!isMap(0) || !isMap(1)) {
    applyElementwise(build, node, (a, b) => a! + b!);
    return;
  }
  const a = build.floats(node, 0);
  const b = build.floats(node, 1);
  if (!a.map.sameShape(b.map)) throw node.unsupported(`a sum of maps of ${a.map.shape} and ${b.map.shape}`);
  const relu = build.soleReader(node.output, 'Relu');
  if (relu) build.absorb(relu);
  emitJoin(build, relu?.output ?? node.output, a, b.map, relu !== undefined);
}

function emitJoin(build: Build, name: string, a: Mapped, b: FeatureMap | undefined, relu: boolean): void {
  const { height, width, channels } = a.map;
  build.emit(name, a.axes, join(a.map, b, new FeatureMap(height, width, channels), relu));
}

function relu(build: Build, node: GraphNode): void {
  if (build.value(node, 0).kind === 'table') applyElementwise(build, node, (a) => Math.max(a!, 0));
  else emitJoin(build, node.output, build.floats(node, 0), undefined, true);
}

/** A function of each element: of tables a table, of maps a map. Operands are those, or constants of one number. */
function applyElementwise(build: Build, node: GraphNode, operation: ElementFunction): void {
  const indices = node.inputs.map((_, index) => index);
  const values = indices.map((index) => build.value(node, index));
  const constants = values.map((value, index) =>
    value.kind.endsWith('constant') ? build.scalar(node, index) : undefined,
  );
  const tables = values.map((value) => (value.kind === 'table' ? value : undefined));
  const [first] = tables.filter((table) => table !== undefined);
  if (first && indices.every((index) => tables[index] ?? constants[index] !== undefined)) {
    const table = tabulate((byte) =>
      operation(...indices.map((index) => tables[index]?.table[byte] ?? constants[index]!)),
    );
    build.define(node.output, { kind: 'table', axes: first.axes, table });
    return;
  }
  const operands = indices.map((index) => constants[index] ?? build.floats(node, index));
  const maps = operands.filter((operand) => typeof operand !== 'number');
  const largest = maps.find(({ map }) => size(map) > 1) ?? maps[0];
  if (!largest) throw node.unsupported('constants only');
  const misfit = maps.find(({ map }) => !map.sameShape(largest.map) && size(map) !== 1);
  if (misfit) throw node.unsupported(`operands of ${largest.map.shape} and ${misfit.map.shape}`);
  const { height, width, channels } = largest.map;
  const layer = elementwise(
    operation,
    operands.map((operand) => (typeof operand === 'number' ? operand : operand.map)),
    new FeatureMap(height, width, channels),
  );
  build.emit(node.output, largest.axes, layer);
}

const size = (map: FeatureMap): number => map.height * map.width * map.channels;

const element =
  (operation: ElementFunction, operands = 2): Operator =>
  (build, node) => {
    node.expect('the number of inputs', node.inputs.length, operands);
    applyElementwise(build, node, operation);
  };

function concat(build: Build, node: GraphNode): void {
  const parts = node.inputs.map((_, index) => build.floats(node, index));
  const [first] = parts;
  if (!first) throw node.unsupported('no input');
  for (const { axes, map } of parts) {
    node.expect('the axes of its inputs', axes, CHANNELS_FIRST);
    node.expect('height and width', [map.height, map.width], [first.map.height, first.map.width]);
  }
  node.expect('axis', node.integer('axis', 0), 1);
  const maps = parts.map(({ map }) => map);
  const channels = maps.reduce((sum, map) => sum + map.channels, 0);
  build.emit(node.output, first.axes, concatenate(maps, new FeatureMap(first.map.height, first.map.width, channels)));
}

function pool(build: Build, node: GraphNode): void {
  const { axes, map } = build.floats(node, 0);
  node.expect('the axes of its input', axes, CHANNELS_FIRST);
  const global = node.op === 'GlobalAveragePool';
  const [height = 0, width = 0] = global ? [map.height, map.width] : node.integers('kernel_shape', []);
  const [strideHeight = 1, strideWidth = 1] = node.integers('strides', [1, 1]);
  node.expect('pads', node.integers('pads', [0, 0, 0, 0]), [0, 0, 0, 0]);
  node.expect('ceil_mode', node.integer('ceil_mode', 0), 0);
  node.expect('auto_pad', node.text('auto_pad', 'NOTSET'), 'NOTSET');
  const out = new FeatureMap(
    outputLength(node, map.height, height, strideHeight),
    outputLength(node, map.width, width, strideWidth),
    map.channels,
  );
  const window = { height, width, strideHeight, strideWidth, padTop: 0, padLeft: 0 };
  build.emit(node.output, axes, averagePool(map, window, out));
}

function flattenMap(build: Build, node: GraphNode): void {
  const { axes, map } = build.floats(node, 0);
  node.expect('axis', node.integer('axis', 1), 1);
  build.emit(node.output, 'flat', flatten(map, axes === CHANNELS_LAST, FeatureMap.flat(size(map))));
}

function flat(build: Build, node: GraphNode): FeatureMap {
  const { axes, map } = build.floats(node, 0);
  node.expect('the axes of its input', axes, 'flat');
  return map;
}

/** Integers of the file as numbers: int8 models store the matrix of the whitening so, with a scale for each row. */
function cast(build: Build, node: GraphNode): void {
  const constant = build.constant(node, 0);
  if (!constant || constant.data instanceof Float32Array) throw node.unsupported('no integers of the file');
  node.expect('to', node.integer('to', 0), DataType.FLOAT);
  build.define(node.output, { kind: 'dequantised constant', constant, scales: Float32Array.of(1), zeros: [0] });
}

function multiply(build: Build, node: GraphNode): void {
  const value = build.value(node, 0);
  if (value.kind !== 'dequantised constant') {
    element((a, b) => a! * b!)(build, node);
    return;
  }
  const { dims, data } = build.numbers(node, 1);
  node.expect('the shape of its scales', dims, [value.constant.dims[0], 1]);
  node.expect('the scale before', value.scales, [1]);
  build.define(node.output, { ...value, scales: data, zeros: new Uint8Array(data.length) });
}

/** A list of numbers times a matrix: a convolution of a single pixel. */
function gemm(build: Build, node: GraphNode): void {
  const x = flat(build, node);
  const { data: matrix, dims } = build.numbers(node, 1);
  const bias = node.inputs[2] ? build.numbers(node, 2).data : undefined;
  const transposed = node.integer('transB', 0) === 1;
  const [rows = 0, columns = 0] = transposed ? [dims[1], dims[0]] : dims;
  node.expect('transA', node.integer('transA', 0), 0);
  node.expect('alpha', node.float('alpha', 1), 1);
  node.expect('beta', node.float('beta', 1), 1);
  node.expect('rows of its matrix', rows, x.channels);
  node.expect('numbers of its bias', bias?.length ?? columns, columns);
  const filter = transposed
    ? matrix
    : Float32Array.from({ length: rows * columns }, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!);
  const weights = { filter, bias, depthwise: false };
  build.emit(node.output, 'flat', convolution(x, POINT, weights, FeatureMap.flat(columns), false));
}

function reduceL2(build: Build, node: GraphNode): void {
  const x = flat(build, node);
  node.expect('axes', node.integers('axes', []), [1]);
  node.expect('keepdims', node.integer('keepdims', 1), 1);
  build.emit(node.output, 'flat', euclideanLength(x, FeatureMap.flat(1)));
}

/** The operators of the graphs that nearmiss exports. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  Add: add,
  AveragePool: pool,
  Cast: cast,
  Concat: concat,
  Conv: addConvolution,
  DequantizeLinear: dequantizeLinear,
  Div: element((a, b) => a! / b!),
  Flatten: flattenMap,
  Gemm: gemm,
  GlobalAveragePool: pool,
  Greater: element((a, b) => (a! > b! ? 1 : 0)),
  Max: element((a, b) => Math.max(a!, b!)),
  Mul: multiply,
  Pow: element((a, b) => a! ** b!),
  QuantizeLinear: quantizeLinear,
  ReduceL2: reduceL2,
  Relu: relu,
  Transpose: transpose,
  Where: element((condition, a, b) => (condition ? a! : b!), 3),
};

/** Turns a node into layers, or into another name for what is there. `NM_MODEL_UNSUPPORTED` where the engine cannot. */
export function addNode(build: Build, node: GraphNode): void {
  const operator = Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
  if (!operator)
    throw node.unsupported(`an operator that the engine lacks, allowed: ${Object.keys(OPERATORS).join(', ')}`);
  operator(build, node);
}
