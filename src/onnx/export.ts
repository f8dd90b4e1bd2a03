import { type EncoderGraph, type EncoderNode, PIXEL_SCALE, PIXEL_ZERO, type Weights } from '../encoders/graph.js';
import { type ReadOut, readOutDimensions } from '../encoders/readout.js';
import { NearmissError } from '../errors.js';
import { foldBatchNorm } from './batch-norm.js';
import { GraphBuilder } from './builder.js';
import { CARD_KEY, encodeCard, type ModelCard, type ModelCardDetails, PREPROCESSING } from './card.js';
import { INPUT_NAME, OUTPUT_NAME } from './interface.js';
import { addLabChannels, addLabRoots } from './lab.js';
import { DataType } from './model.js';
import { makeTensorValueInfo } from './nodes.js';
import { encodeSealedModel } from './seal.js';

/** ReduceL2 takes its axes as an attribute up to opset 17. */
const OPSET = 17;
const IR_VERSION = 8;
/** Shorter vectors are divided by this: an all-zero read-out gives zeros, not 0/0. */
const LENGTH_FLOOR = 1e-12;

export interface EncoderExport {
  readonly graph: EncoderGraph;
  readonly weights: Weights;
  /** Width and height of the pictures. */
  readonly size: number;
  readonly readout: ReadOut;
  readonly card: ModelCardDetails;
}

interface FeatureMap {
  readonly name: string;
  /** Height and width. */
  readonly side: number;
}

/** uint8 pictures, height x width x 3, become (p - 128) / 64, 3 x height x width. Bytes are cheaper to transpose. */
function addPreprocessing(builder: GraphBuilder, image: string): string {
  const transposed = builder.add('Transpose', [image], 'pixels.transposed', { perm: [0, 3, 1, 2] });
  const scale = builder.constant('pixels.scale', [], Float32Array.of(1 / PIXEL_SCALE));
  const zero = builder.constant('pixels.zero', [], Uint8Array.of(PIXEL_ZERO));
  return builder.add('DequantizeLinear', [transposed, scale, zero], 'pixels');
}

function addRelu(builder: GraphBuilder, name: string, relu: boolean, add: (output: string) => void): void {
  add(relu ? `${name}.linear` : name);
  if (relu) builder.add('Relu', [`${name}.linear`], name);
}

/** The batch norm that alone reads a convolution. */
function normAfter(graph: EncoderGraph, conv: string): Extract<EncoderNode, { op: 'norm' }> {
  const readers = graph.nodes.filter((node) => ('inputs' in node ? node.inputs.includes(conv) : node.input === conv));
  const [reader] = readers;
  if (readers.length !== 1 || reader?.op !== 'norm') {
    throw new Error(`encoder '${graph.name}': convolution '${conv}' must be read by one batch norm and nothing else`);
  }
  return reader;
}

/** The encoder's nodes with batch norms folded; outputs keep the names of the encoder's nodes. */
function addEncoder(
  builder: GraphBuilder,
  graph: EncoderGraph,
  weights: Weights,
  pixels: string,
  size: number,
): FeatureMap {
  const maps = new Map<string, FeatureMap>([['image', { name: pixels, side: size }]]);
  const map = (name: string): FeatureMap => {
    const found = maps.get(name);
    if (!found) throw new Error(`encoder '${graph.name}' reads '${name}' before it is there`);
    return found;
  };
  let last = map('image');
  /** Of the colour conversion, what all Lab channels share. */
  let roots: string | undefined;
  for (const node of graph.nodes) {
    if (node.op === 'norm') {
      last = map(node.name);
      continue;
    }
    if (node.op === 'lab') {
      roots ??= addLabRoots(builder, map(node.input).name);
      last = { name: addLabChannels(builder, roots, node.name, node.channels), side: size };
      maps.set(node.name, last);
      continue;
    }
    if (node.op === 'add' || node.op === 'concat') {
      const inputs = node.inputs.map(map);
      const names = inputs.map(({ name }) => name);
      if (node.op === 'concat') builder.add('Concat', names, node.name, { axis: 1 });
      else addRelu(builder, node.name, node.relu, (output) => builder.add('Add', names, output));
      last = { name: node.name, side: inputs[0]!.side };
      maps.set(node.name, last);
      continue;
    }
    const norm = normAfter(graph, node.name);
    const input = map(node.input);
    const folded = foldBatchNorm(node, norm, weights);
    const kernel = builder.constant(`${node.name}.weight`, folded.shape, folded.kernel);
    const bias = builder.constant(`${node.name}.bias`, [node.outputChannels], folded.bias);
    const pad = (node.kernel - 1) / 2;
    addRelu(builder, norm.name, norm.relu, (output) =>
      builder.add('Conv', [input.name, kernel, bias], output, {
        dilations: [1, 1],
        group: node.depthwise ? node.inputChannels : 1,
        kernel_shape: [node.kernel, node.kernel],
        pads: [pad, pad, pad, pad],
        strides: [node.stride, node.stride],
      }),
    );
    maps.set(norm.name, { name: norm.name, side: Math.floor((input.side + 2 * pad - node.kernel) / node.stride) + 1 });
  }
  return last;
}

/** h [batch, pool * pool * channels]: the map averaged over the grid of the read-out. */
function addPooling(builder: GraphBuilder, map: FeatureMap, pool: 1 | 2): string {
  if (pool === 1) {
    const pooled = builder.add('GlobalAveragePool', [map.name], 'pooled');
    return builder.add('Flatten', [pooled], 'features', { axis: 1 });
  }
  // Both halves have ceil(side / 2) rows; with an odd side they share the middle one, so the second starts at
  // floor(side / 2): a plain average pool with that stride.
  const half = Math.ceil(map.side / 2);
  const stride = Math.floor(map.side / 2);
  const pooled = builder.add('AveragePool', [map.name], 'pooled', {
    kernel_shape: [half, half],
    strides: [stride, stride],
  });
  const channelsLast = builder.add('Transpose', [pooled], 'pooled.transposed', { perm: [0, 2, 3, 1] });
  return builder.add('Flatten', [channelsLast], 'features', { axis: 1 });
}

/** (h - mean) · matrix as one Gemm with bias -mean · matrix. */
function addWhitening(builder: GraphBuilder, features: string, whitening: NonNullable<ReadOut['whitening']>): string {
  const { mean, matrix, dimensions } = whitening;
  const sums = new Float64Array(dimensions);
  for (let row = 0; row < mean.length; row++) {
    for (let column = 0; column < dimensions; column++) {
      sums[column]! -= mean[row]! * matrix[row * dimensions + column]!;
    }
  }
  const weight = builder.constant('whitening.weight', [mean.length, dimensions], matrix);
  const bias = builder.constant('whitening.bias', [dimensions], Float32Array.from(sums));
  return builder.add('Gemm', [features, weight, bias], 'whitened');
}

function addUnitLength(builder: GraphBuilder, vector: string, output: string): void {
  const length = builder.add('ReduceL2', [vector], 'length', { axes: [1], keepdims: 1 });
  const floor = builder.constant('length.floor', [], Float32Array.of(LENGTH_FLOOR));
  const divisor = builder.add('Max', [length, floor], 'length.safe');
  builder.add('Div', [vector, divisor], output);
}

function checkReadout(readout: ReadOut, channels: number, side: number): void {
  const { pool, whitening } = readout;
  if (pool === 2 && side < 2) {
    throw new NearmissError('NM_OPTION_INVALID', `pool: found 2 on a feature map of ${side}x${side}, allowed: 1`);
  }
  const width = pool * pool * channels;
  const expect = (field: string, found: number, allowed: number): void => {
    if (found === allowed) return;
    throw new NearmissError('NM_SHAPE_MISMATCH', `readout.${field}: found ${found} numbers, allowed: ${allowed}`);
  };
  if (whitening) {
    expect('whitening.mean', whitening.mean.length, width);
    expect('whitening.matrix', whitening.matrix.length, width * whitening.dimensions);
  }
}

/**
 * An encoder as an .onnx file (opset 17, IR 8): `image` uint8 [batch, size, size, 3] RGB in, `embedding` float32
 * [batch, readOutDimensions] of unit length out. Preprocessing, folded batch norms, pooling and whitening are inside;
 * the projection head is not (Chen et al. 2020, section 4.2: the layer before it serves retrieval better). The model
 * card is in the metadata and the file ends with its checksum. The same input gives the same bytes.
 *
 * Missing or wrongly shaped tensors are `NM_SHAPE_MISMATCH`, a size or grid that does not work `NM_OPTION_INVALID`.
 */
export function encoderToOnnx(request: EncoderExport): Uint8Array<ArrayBuffer> {
  const { graph, weights, size, readout, card: details } = request;
  if (!Number.isInteger(size) || size < graph.downsampling) {
    const allowed = `an integer of ${graph.downsampling} or more`;
    throw new NearmissError('NM_OPTION_INVALID', `size: found ${size}, allowed for ${graph.name}: ${allowed}`);
  }
  const builder = new GraphBuilder();
  const pixels = addPreprocessing(builder, INPUT_NAME);
  const map = addEncoder(builder, graph, weights, pixels, size);
  checkReadout(readout, graph.featureChannels, map.side);
  const features = addPooling(builder, map, readout.pool);
  const vector = readout.whitening ? addWhitening(builder, features, readout.whitening) : features;
  addUnitLength(builder, vector, OUTPUT_NAME);
  const dimensions = readOutDimensions(readout, graph.featureChannels);
  const card: ModelCard = {
    format: 1,
    ...details,
    encoder: graph.name,
    dim: dimensions,
    inputSize: size,
    pool: readout.pool,
    whitened: readout.whitening !== undefined,
    preprocessing: PREPROCESSING,
  };
  return encodeSealedModel({
    irVersion: IR_VERSION,
    producerName: 'nearmiss',
    graph: {
      node: builder.nodes,
      name: graph.name,
      initializer: builder.initializers,
      input: [makeTensorValueInfo(INPUT_NAME, DataType.UINT8, ['batch', size, size, 3])],
      output: [makeTensorValueInfo(OUTPUT_NAME, DataType.FLOAT, ['batch', dimensions])],
      valueInfo: [],
    },
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: [{ key: CARD_KEY, value: encodeCard(card) }],
  });
}
