import { NearmissError } from '../errors.js';
import { type DeviceKernelOptions, loadDeviceKernels } from '../kernels/device.js';
import type { SimdTier } from '../kernels/load.js';
import type { ModelCard } from '../onnx/card.js';
import { INPUT_NAME, OUTPUT_NAME } from '../onnx/interface.js';
import { DataType, decodeModel, type ModelProto } from '../onnx/model.js';
import { fingerprint, SEAL_KEY, verifySeal } from '../onnx/seal.js';
import { Build } from './build.js';
import { readModelCard } from './card.js';
import { type Graph, readGraph } from './graph.js';
import { type FeatureMap, Machine, plan } from './machine.js';
import { addNode } from './operators.js';

/** An exported encoder that runs on the device's own kernels. */
export interface DeviceEncoder {
  readonly card: ModelCard;
  /** Width and height of the pictures in pixels. */
  readonly size: number;
  /** Numbers in an embedding. */
  readonly dim: number;
  /** SHA-256 of the model file, hex: embeddings of different fingerprints must not be compared. */
  readonly fingerprint: string;
  readonly tier: SimdTier;
  /**
   * Unit-length embeddings float32 [count, dim] of pictures uint8 [count, size, size, 3], RGB without transparency; zeros
   * for a picture whose features are all zero. `NM_SHAPE_MISMATCH` if the bytes are not a whole number of pictures.
   */
  embed(pixels: Uint8Array): Float32Array<ArrayBuffer>;
}

export interface DeviceEncoderOptions {
  /** Where the modules `device-plain.wasm` and `device-relaxed.wasm` are; default: in this package, which a bundle is not. */
  readonly kernels?: NonNullable<DeviceKernelOptions['modules']>;
  /** Default: the best tier this engine has. */
  readonly tier?: SimdTier;
  /** What messages call the model; `model` by default. */
  readonly name?: string;
}

/** The card of a file whose checksum holds; a sound model of another program is told from a damaged one. */
function openCard(model: ModelProto, bytes: Uint8Array, name: string): ModelCard {
  const sealed = model.metadataProps.some(({ key }) => key === SEAL_KEY);
  if (model.graph && !sealed) readModelCard(model, name);
  verifySeal(model, bytes, name);
  return readModelCard(model, name);
}

/** The graph must take and give what the card says, with a free number of pictures. */
function checkInterface(graph: Graph, card: ModelCard, name: string): void {
  const { inputSize, dim } = card;
  const sides = [
    ['input', INPUT_NAME, DataType.UINT8, [undefined, inputSize, inputSize, 3]],
    ['output', OUTPUT_NAME, DataType.FLOAT, [undefined, dim]],
  ] as const;
  for (const [side, wanted, type, shape] of sides) {
    const value = graph[side];
    const text = (of: Graph['input']): string =>
      `${of.name} of type ${of.type} [${of.shape.map((length) => length ?? 'batch').join(', ')}]`;
    const [found, allowed] = [text(value), text({ name: wanted, type, shape })];
    if (found === allowed) continue;
    throw new NearmissError('NM_MODEL_MISMATCH', `${name}: ${side}: found ${found}; allowed by its card: ${allowed}`);
  }
}

/** The layers of a graph and the map that they leave the embedding in. */
function build(graph: Graph, card: ModelCard, name: string): { layers: Build['layers']; output: FeatureMap } {
  const work = new Build(graph, card.inputSize);
  for (const node of graph.nodes) if (!work.isDone(node)) addNode(work, node);
  const output = work.find(graph.output.name);
  if (output?.kind !== 'floats' || output.axes !== 'flat' || output.map.channels !== card.dim) {
    const found = output?.kind === 'floats' ? `a map of ${output.map.shape}` : (output?.kind ?? 'nothing');
    const message = `${name}: output '${graph.output.name}': found ${found}; allowed by its card: ${card.dim} numbers`;
    throw new NearmissError('NM_MODEL_MISMATCH', message);
  }
  return { layers: work.layers, output: output.map };
}

/**
 * Opens an .onnx file that `nearmiss export` wrote, of float32 or int8, on kernels of our own: in a browser, in a worker of
 * one, or in Node. Weights are packed and memory is laid out once; pictures are embedded one by one.
 *
 * @throws `NM_MODEL_CORRUPT` (not ONNX, or its checksum fails), `NM_MODEL_CARD_MISSING`, `NM_MODEL_CARD_INVALID`,
 * `NM_MODEL_MISMATCH` (the graph is not what the card says), `NM_MODEL_UNSUPPORTED` (a node that the engine does not run),
 * `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`, `NM_SELF_CHECK_FAILED`, `NM_OUT_OF_MEMORY`
 *
 * @example
 * const bytes = new Uint8Array(await (await fetch('encoder.onnx')).arrayBuffer());
 * const kernels = { plain: 'device-plain.wasm', relaxed: 'device-relaxed.wasm' };
 * const encoder = await openDeviceEncoder(bytes, { kernels });
 * const vectors = encoder.embed(pixels); // [pixels.length / (size * size * 3), encoder.dim]
 */
export async function openDeviceEncoder(model: Uint8Array, options: DeviceEncoderOptions = {}): Promise<DeviceEncoder> {
  const { name = 'model', kernels, tier: wanted } = options;
  const proto = decodeModel(model, name);
  const card = openCard(proto, model, name);
  const graph = readGraph(proto, name);
  checkInterface(graph, card, name);
  const { layers, output } = build(graph, card, name);
  const { exports, tier } = await loadDeviceKernels({
    ...(wanted && { tier: wanted }),
    ...(kernels && { modules: kernels }),
  });
  const machine = new Machine(exports);
  const steps = plan(layers, output, machine);
  const { dim, inputSize: size } = card;
  return {
    card,
    size,
    dim,
    fingerprint: fingerprint(model),
    tier,
    embed(pixels) {
      const picture = size * size * 3;
      if (pixels.length % picture !== 0) {
        const allowed = `a multiple of ${picture} (${size} x ${size} x 3)`;
        throw new NearmissError('NM_SHAPE_MISMATCH', `pixels: found ${pixels.length} bytes, allowed: ${allowed}`);
      }
      const count = pixels.length / picture;
      const vectors = new Float32Array(count * dim);
      for (let i = 0; i < count; i++) {
        machine.picture = pixels.subarray(i * picture, (i + 1) * picture);
        for (const step of steps) step();
        const at = output.rowAt(0);
        vectors.set(machine.floats.subarray(at, at + dim), i * dim);
      }
      return vectors;
    },
  };
}
