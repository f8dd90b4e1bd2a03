import type * as tfCore from '@tensorflow/tfjs-core';
import { type EncoderGraph, type EncoderNode, initialWeights, tinyResnet } from '../src/encoders/index.js';
import { PAIRED_RECIPE } from '../src/images/index.js';
import type { TrainingKernels } from '../src/kernels/index.js';
import { hcl } from '../src/negatives/index.js';
import { randomStream } from '../src/random.js';
import { allocateExchange } from '../src/train/exchange.js';
import { Replica, type ReplicaOptions } from '../src/train/replica.js';

const ITEMS = 1024;

/**
 * A plain stack of twelve 3x3 convolutions with batch norm and ReLU: stem 3→32, two of 32, then for 64, 128 and 256
 * channels one of stride 2 and two of stride 1; 1.95 M parameters without the head.
 */
function twelveLayer(): EncoderGraph {
  const nodes: EncoderNode[] = [];
  let input = 'image';
  const add = (name: string, inputChannels: number, outputChannels: number, stride: 1 | 2): void => {
    nodes.push({ op: 'conv', name, input, kernel: 3, stride, inputChannels, outputChannels });
    nodes.push({ op: 'norm', name: `${name}.norm`, input: name, channels: outputChannels, relu: true });
    input = `${name}.norm`;
  };
  add('stem', 3, 32, 1);
  let from = 32;
  for (const to of [32, 64, 128, 256]) {
    if (to !== from) add(`down${to}`, from, to, 2);
    for (const i of [1, 2]) add(`conv${to}.${i}`, to, to, 1);
    from = to;
  }
  return { name: 'twelve-layer', nodes, featureChannels: 256, downsampling: 8, head: [256, 128, 64] };
}

/** The encoder that a benchmark's `--encoder` names. */
export function encoderToBench(name: string): EncoderGraph {
  if (name === 'tiny-resnet') return tinyResnet();
  if (name === 'twelve-layer') return twelveLayer();
  throw new Error(`--encoder: found '${name}', allowed: tiny-resnet, twelve-layer`);
}

/** The trainer's options for random pictures of 32x32, `views` of them a step over all replicas. */
export function benchedOptions(graph: EncoderGraph, views: number, replicas: number): ReplicaOptions {
  const random = randomStream(1);
  const pictures = new SharedArrayBuffer(ITEMS * 32 * 32 * 3);
  const data = new Uint8Array(pictures);
  for (let i = 0; i < data.length; i++) data[i] = random.integer(256);
  return {
    graph,
    weights: initialWeights(graph, 0),
    replica: 0,
    exchange: allocateExchange({ replicas, views, dim: graph.head[2], values: Replica.exchangedValues(graph) }),
    sources: [
      { size: 32, data },
      { size: 32, data },
    ],
    rows: Int32Array.from({ length: ITEMS }, (_, i) => i),
    recipe: PAIRED_RECIPE,
    method: 'simclr',
    methodOptions: {},
    objective: hcl({ temperature: 0.5, beta: 2, tauPlus: 0 }),
    seed: 0,
    batch: views / 2,
    learningRate: 2e-3,
    warmup: 0,
    weightDecay: 1e-6,
    updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
  };
}

/** The trainer's replica, alone in this thread. */
export function benchedReplica(
  tf: typeof tfCore,
  kernels: TrainingKernels,
  graph: EncoderGraph,
  views: number,
): Replica {
  return new Replica(tf, kernels, benchedOptions(graph, views, 1));
}
