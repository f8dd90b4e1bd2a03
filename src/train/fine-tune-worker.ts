import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { averagePool, inferenceFeatures, trainingFeatures, weightSpecs } from '../encoders/index.js';
import { augment, normalise } from '../images/index.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { addressOf, emptyTensor, install, takeValues } from '../tfjs/index.js';
import { BatchOrder } from './batches.js';
import type { FineTuneMessage, FineTuneTask } from './fine-tune.js';
import { learningRateAt } from './learning-rate.js';

const MOMENTUM = 0.9;
/** Share of the old running statistics that a step keeps, as in training. */
const KEEP = 0.9;
const PURPOSE_FINE_TUNE = 0xf7;
/** Pictures classified at a time. */
const CHUNK = 128;

const port = parentPort;
if (!port) throw new Error('train/fine-tune-worker.js runs in a worker thread only');
const task = workerData as FineTuneTask;
const send = (message: FineTuneMessage): void => port.postMessage(message);

/** The encoder without its projection head, and the linear layer on h, which starts at 0. */
function makeVariables(): Record<string, tf.Variable> {
  const variables: Record<string, tf.Variable> = {};
  for (const { name, shape, trainable } of weightSpecs(task.graph)) {
    if (name.startsWith('head.')) continue;
    const weight = task.weights[name];
    if (!weight) throw new Error(`weight '${name}' is missing`);
    variables[name] = tf.variable(tf.tensor(weight.data.slice(), [...shape], 'float32'), trainable);
  }
  variables['classes.kernel'] = tf.variable(tf.zeros([task.graph.featureChannels, task.classes]));
  variables['classes.bias'] = tf.variable(tf.zeros([task.classes]));
  return variables;
}

function logits(variables: Readonly<Record<string, tf.Variable>>, map: tf.Tensor4D): tf.Tensor2D {
  const products = tf.matMul(averagePool(tf, map), variables['classes.kernel'] as tf.Tensor2D);
  return tf.add(products, variables['classes.bias']!) as tf.Tensor2D;
}

/** One step of SGD with Nesterov momentum (Sutskever et al. 2013, as PyTorch writes it); returns the loss. */
function step(
  kernels: TrainingKernels,
  variables: Readonly<Record<string, tf.Variable>>,
  velocities: ReadonlyMap<string, Float32Array>,
  rows: Int32Array,
  number: number,
  learningRate: number,
): number {
  const { size } = task;
  const views = emptyTensor(tf, [rows.length, size, size, 3]) as tf.Tensor4D;
  augment(kernels, {
    source: task.pictures,
    size,
    rows,
    output: addressOf(tf, views),
    recipe: task.recipe,
    seed: task.seed,
    purpose: PURPOSE_FINE_TUNE,
    step: number,
    view: 0,
  });
  const statistics: { norm: string; mean: Float32Array; variance: Float32Array }[] = [];
  const trained = [...velocities.keys()].map((name) => variables[name]!);
  const { value, grads } = tf.variableGrads(() => {
    const map = trainingFeatures(tf, task.graph, variables, views, (norm, mean, variance) => {
      const [m, v] = [mean.dataSync<'float32'>().slice(), variance.dataSync<'float32'>().slice()];
      statistics.push({ norm, mean: m, variance: v });
    });
    const targets = tf.oneHot(
      tf.tensor1d(
        rows.map((row) => task.labels[row]!),
        'int32',
      ),
      task.classes,
    );
    return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits(variables, map))), 1))) as tf.Scalar;
  }, trained);
  const loss = value.dataSync<'float32'>()[0]!;
  tf.dispose([value, views]);
  for (const [name, velocity] of velocities) {
    const variable = variables[name]!;
    const gradient = grads[variable.name]!;
    const values = gradient.dataSync<'float32'>();
    const weights = floats(kernels.heap, addressOf(tf, variable), variable.size);
    for (let i = 0; i < weights.length; i++) {
      velocity[i] = MOMENTUM * velocity[i]! + values[i]!;
      weights[i]! -= learningRate * (values[i]! + MOMENTUM * velocity[i]!);
    }
    gradient.dispose();
  }
  for (const { norm, mean, variance } of statistics) {
    for (const [part, seen] of [
      ['mean', mean],
      ['variance', variance],
    ] as const) {
      const running = variables[`${norm}.${part}`]!;
      const values = floats(kernels.heap, addressOf(tf, running), running.size);
      for (let c = 0; c < values.length; c++) values[c] = KEEP * values[c]! + (1 - KEEP) * seen[c]!;
    }
  }
  return loss;
}

/** The likeliest class of each test picture, batch norms on running statistics. */
function classify(kernels: TrainingKernels, variables: Readonly<Record<string, tf.Variable>>): Int32Array {
  const { size, test } = task;
  const bytes = size * size * 3;
  const predicted = new Int32Array(test.length / bytes);
  for (let from = 0; from < predicted.length; from += CHUNK) {
    const source = test.subarray(from * bytes, (from + CHUNK) * bytes);
    const best = takeValues(
      tf.tidy(() => {
        const pictures = emptyTensor(tf, [source.length / bytes, size, size, 3]) as tf.Tensor4D;
        normalise(kernels, { source, output: addressOf(tf, pictures) });
        return logits(variables, inferenceFeatures(tf, task.graph, variables, pictures));
      }),
    );
    for (let row = 0; row < best.length / task.classes; row++) {
      const own = best.subarray(row * task.classes, (row + 1) * task.classes);
      predicted[from + row] = own.indexOf(Math.max(...own));
    }
  }
  return predicted;
}

async function run(): Promise<Int32Array> {
  await tf.setBackend('wasm');
  await tf.ready();
  const kernels = await install(tf);
  const variables = makeVariables();
  const trained = Object.keys(variables).filter((name) => variables[name]!.trainable);
  const velocities = new Map(trained.map((name) => [name, new Float32Array(variables[name]!.size)]));
  const items = task.labels.length;
  const batch = Math.min(task.batch, items);
  const steps = Math.max(task.leastSteps, Math.ceil((task.epochs * items) / batch));
  const order = new BatchOrder({ seed: task.seed, items, batch });
  for (let number = 0; number < steps; number++) {
    const learningRate = learningRateAt(number, { peak: task.learningRate, warmup: 0, steps });
    const loss = step(kernels, variables, velocities, order.at(number), number, learningRate);
    send({ type: 'step', step: number + 1, steps, loss });
  }
  return classify(kernels, variables);
}

run().then(
  (labels) => send({ type: 'predicted', labels }),
  (error: unknown) => {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ type: 'failed', message, stack });
  },
);
