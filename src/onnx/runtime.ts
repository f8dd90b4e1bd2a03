import type * as ort from 'onnxruntime-node';
import { NearmissError } from '../errors.js';

/** onnxruntime-node, or `NM_ONNXRUNTIME_MISSING` where it cannot be loaded. */
export async function loadRuntime(): Promise<typeof ort> {
  try {
    return await import('onnxruntime-node');
  } catch (cause) {
    const reason = (cause as Error).message;
    const message = `onnxruntime-node cannot be loaded: ${reason}`;
    throw new NearmissError('NM_ONNXRUNTIME_MISSING', message, { cause });
  }
}

/** Throws `NM_ONNXRUNTIME_MISSING` where exported models cannot run, before work that ends in one is begun. */
export async function checkRuntime(): Promise<void> {
  await loadRuntime();
}

/** A session of `threads` threads; a model that onnxruntime refuses is `NM_MODEL_CORRUPT`. */
export async function createSession(
  runtime: typeof ort,
  bytes: Uint8Array,
  threads: number,
  name: string,
): Promise<ort.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      interOpNumThreads: 1,
      intraOpNumThreads: threads,
      logSeverityLevel: 3,
    });
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new NearmissError('NM_MODEL_CORRUPT', `${name}: onnxruntime refuses it: ${reason}`, { cause });
  }
}
