import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { poolGrid } from '../encoders/index.js';
import { type ErrorCode, NearmissError } from '../errors.js';
import { fusesMultiplyAdd, type TrainingTier } from '../kernels/index.js';
import { install } from '../tfjs/index.js';
import { ExchangeBroken } from './exchange.js';
import { Replica, type ReplicaOptions, type ReplicaState, type StepFigures } from './replica.js';

/** What the main thread asks of a replica's worker. Requests are answered in order, one answer each. */
export type WorkerRequest =
  | { readonly type: 'run'; readonly from: number; readonly to: number; readonly steps: number }
  | { readonly type: 'features'; readonly pictures: Uint8Array; readonly size: number; readonly pool: 1 | 2 }
  | { readonly type: 'projections'; readonly pictures: Uint8Array; readonly size: number }
  | { readonly type: 'calibrate'; readonly pictures: Uint8Array; readonly size: number }
  | { readonly type: 'state' }
  | { readonly type: 'restore'; readonly state: ReplicaState }
  | { readonly type: 'memory' };

export interface WorkerAnswers {
  run: number;
  features: Float32Array;
  projections: Float32Array;
  calibrate: undefined;
  state: ReplicaState;
  restore: undefined;
  memory: { tensors: number; tensorBytes: number; heapBytes: number };
}

export type WorkerMessage =
  | { readonly type: 'ready'; readonly fusesMultiplyAdd: boolean }
  | { readonly type: 'step'; readonly figures: StepFigures }
  | { readonly type: 'answer'; readonly value: WorkerAnswers[WorkerRequest['type']] }
  | {
      readonly type: 'failed';
      readonly message: string;
      /** Code of an error that a user can cause; absent for one that nobody should. */
      readonly code?: ErrorCode | undefined;
      readonly stack?: string | undefined;
      readonly broken: boolean;
    };

export interface WorkerData {
  readonly replica: ReplicaOptions;
  /** The same module for all replicas, compiled once. */
  readonly kernels: { readonly tier: TrainingTier; readonly module: WebAssembly.Module };
}

const port = parentPort;
if (!port) throw new Error('train/worker.js runs in a worker thread only');
const { replica: options, kernels: compiled } = workerData as WorkerData;
const send = (message: WorkerMessage): void => port.postMessage(message);

function answer(replica: Replica, request: WorkerRequest): WorkerAnswers[WorkerRequest['type']] {
  switch (request.type) {
    case 'run':
      return replica.run(request.from, request.to, request.steps, (figures) => {
        if (options.replica === 0) send({ type: 'step', figures });
      });
    case 'features': {
      const map = replica.featureMaps(request.pictures, request.size);
      return poolGrid(map.data, map.shape, request.pool);
    }
    case 'projections':
      return replica.projections(request.pictures, request.size);
    case 'calibrate':
      replica.calibrate(request.pictures, request.size);
      return undefined;
    case 'state':
      return replica.state();
    case 'restore':
      replica.restore(request.state);
      return undefined;
    case 'memory':
      return replica.memory();
  }
}

await tf.setBackend('wasm');
await tf.ready();
const kernels = await install(tf, { tier: compiled.tier, modules: { [compiled.tier]: compiled.module } });
const replica = new Replica(tf, kernels, options);
port.on('message', (request: WorkerRequest) => {
  try {
    send({ type: 'answer', value: answer(replica, request) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    const code = error instanceof NearmissError ? error.code : undefined;
    send({ type: 'failed', message, code, stack, broken: error instanceof ExchangeBroken });
  }
});
send({ type: 'ready', fusesMultiplyAdd: fusesMultiplyAdd(kernels.exports) });
