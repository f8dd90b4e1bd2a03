import type * as tfCore from '@tensorflow/tfjs-core';
import { floats } from '../kernels/index.js';
import { addressOf, emptyTensor, installedKernels } from '../tfjs/index.js';
import type { EncoderGraph } from './graph.js';
import type { NormReplicas } from './norm-replicas.js';
import { type PassPlan, planPass } from './pass-plan.js';
import type { EncoderTensors, RecordStatistics } from './tensors.js';
import { TrainingGradient } from './training-gradient.js';
import { type PassMemory, TrainingPass } from './training-pass.js';

type Tf = typeof tfCore;

const plans = new WeakMap<EncoderGraph, Map<string, PassPlan | undefined>>();

function planFor(graph: EncoderGraph, height: number, width: number): PassPlan | undefined {
  let bySize = plans.get(graph);
  if (!bySize) {
    bySize = new Map();
    plans.set(graph, bySize);
  }
  const key = `${height}x${width}`;
  if (!bySize.has(key)) bySize.set(key, planPass(graph, height, width));
  return bySize.get(key);
}

/** True where batch norms can take their statistics over all replicas (`trainingFeatures`): pictures of `size`. */
export function sharesStatistics(graph: EncoderGraph, size: number): boolean {
  return planFor(graph, size, size) !== undefined;
}

/**
 * `trainingFeatures` as one operation: convolutions, norms and joins are worked on part of the batch by part, so that a
 * part is normalised, summed for the next norm and joined while it is in the cache, and the results of norms are never
 * stored. Undefined where our kernels are not those of the active backend, or the graph is of another form.
 */
export function fusedFeatures(
  tf: Tf,
  graph: EncoderGraph,
  tensors: EncoderTensors,
  pictures: tfCore.Tensor4D,
  record: RecordStatistics,
  together?: NormReplicas,
): tfCore.Tensor4D | undefined {
  const installed = tf.getBackend() === 'wasm' ? installedKernels(tf) : undefined;
  const [batch, height, width] = pictures.shape;
  if (!installed || batch === 0) return undefined;
  const plan = planFor(graph, height, width);
  if (!plan) return undefined;
  const names = plan.norms.flatMap(({ conv, norm }) => [
    `${conv.name}.kernel`,
    `${norm.name}.gamma`,
    `${norm.name}.beta`,
  ]);
  const weights = names.map((name) => {
    const found = tensors[name];
    if (!found) throw new Error(`encoder tensor '${name}' is missing`);
    return found;
  });
  const statistics = plan.norms.map(({ norm }) => {
    const [mean, variance] = [emptyTensor(tf, [norm.channels]), emptyTensor(tf, [norm.channels])];
    return { norm: norm.name, mean: mean as tfCore.Tensor1D, variance: variance as tfCore.Tensor1D };
  });
  const addresses = (list: readonly tfCore.Tensor[], by: readonly string[]): Map<string, number> =>
    new Map(by.map((name, i) => [name, addressOf(tf, list[i]!)]));
  const statisticNames = statistics.flatMap(({ norm }) => [`${norm}.mean`, `${norm}.variance`]);
  const statisticTensors = statistics.flatMap(({ mean, variance }) => [mean, variance]);
  const keptNames = [
    ...plan.norms.map(({ conv }) => conv.name),
    ...graph.nodes.flatMap((node) => (node.op === 'add' && node !== plan.last ? [node.name] : [])),
  ];
  const tensorOf = (name: string): tfCore.Tensor => {
    const place = plan.places.get(name)!;
    return emptyTensor(tf, [batch, place.height, place.width, place.channels]);
  };
  const memoryOf = (features: tfCore.Tensor, kept: readonly tfCore.Tensor[]): PassMemory => ({
    batch,
    together: together && together.replicas > 1 ? together : undefined,
    precise: installed.precise,
    pictures: addressOf(tf, pictures),
    features: addressOf(tf, features),
    weights: addresses(weights, names),
    kept: addresses(kept, keptNames),
    statistics: addresses(statisticTensors, statisticNames),
  });

  const apply = tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as tfCore.GradSaveFunc;
    const kept = keptNames.map(tensorOf);
    const features = tensorOf(plan.last.name);
    new TrainingPass(installed.kernels, plan, memoryOf(features, kept)).forward();
    // The pictures and statistics are saved too, so that they live until the way back.
    save([features, pictures, ...statisticTensors, ...kept]);
    return {
      value: features,
      gradFunc: (dy: tfCore.Tensor, saved: tfCore.Tensor[]) => {
        const gradients = weights.map((weight) => emptyTensor(tf, weight.shape));
        const targets = addresses(gradients, names);
        for (const { norm } of plan.norms) {
          for (const part of ['gamma', 'beta']) {
            floats(installed.kernels.heap, targets.get(`${norm.name}.${part}`)!, norm.channels).fill(0);
          }
        }
        const kept = saved.slice(2 + statisticTensors.length);
        new TrainingGradient(installed.kernels, plan, memoryOf(saved[0]!, kept)).backward(addressOf(tf, dy), targets);
        return gradients;
      },
    };
  });
  const features = apply(...weights) as tfCore.Tensor4D;
  for (const { norm, mean, variance } of statistics) record(norm, mean, variance);
  return features;
}
