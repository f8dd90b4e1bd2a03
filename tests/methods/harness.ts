import * as tf from '@tensorflow/tfjs-core';
import { type EncoderGraph, initialWeights, weightSpecs } from '../../src/encoders/index.js';
import type { TrainingKernels } from '../../src/kernels/index.js';
import { type Method, type MethodContext, type MethodRun, resolveMethodOptions } from '../../src/methods/index.js';
import type { Objective } from '../../src/negatives/index.js';
import { allocateExchange, Exchange } from '../../src/train/exchange.js';

/** A method at work in this thread, alone. */
export interface Bench {
  readonly run: MethodRun;
  readonly context: MethodContext;
  readonly variables: Readonly<Record<string, tf.Variable>>;
  readonly trainable: readonly tf.Variable[];
}

/** A method on fresh weights, for `batch` items a step out of `items`. */
export function startMethod(
  kernels: TrainingKernels,
  graph: EncoderGraph,
  method: Method,
  objective: Objective,
  sizes: { readonly batch: number; readonly items: number; readonly options?: Readonly<Record<string, number>> },
): Bench {
  const weights = initialWeights(graph, 2);
  const variables = Object.fromEntries(
    weightSpecs(graph).map((spec) => {
      const { data, shape } = weights[spec.name]!;
      return [spec.name, tf.variable(tf.tensor(data.slice(), [...shape]), spec.trainable)];
    }),
  );
  const trainable = Object.values(variables).filter((variable) => variable.trainable);
  const exchange = allocateExchange({ replicas: 1, views: 2 * sizes.batch, dim: graph.head[2], values: 1 });
  const context: MethodContext = {
    tf,
    kernels,
    graph,
    tensors: variables,
    trainable,
    gather: new Exchange(exchange, 0),
    objective,
    options: resolveMethodOptions(method, sizes.options ?? {}, 'test'),
    items: sizes.items,
    seed: 5,
  };
  return { run: method.start(context), context, variables, trainable };
}
