import { NearmissError } from '../errors.js';
import type { MethodState } from './method.js';

/** A float32 array of saved state; `NM_CHECKPOINT_CORRUPT` where it is missing or of another shape. */
export function savedFloats(state: MethodState, name: string, shape: readonly number[]): Float32Array {
  const saved = state[name];
  if (saved?.data instanceof Float32Array && saved.shape.join() === shape.join()) return saved.data;
  const found = saved ? `shape [${saved.shape}]` : 'none';
  throw new NearmissError('NM_CHECKPOINT_CORRUPT', `tensor 'method.${name}': found ${found}, expected [${shape}]`);
}

/** The same of int32 arrays; `length` undefined takes any. */
export function savedIntegers(state: MethodState, name: string, length?: number): Int32Array {
  const saved = state[name];
  if (saved?.data instanceof Int32Array && (length === undefined || saved.data.length === length)) return saved.data;
  const found = saved ? `shape [${saved.shape}]` : 'none';
  const expected = length === undefined ? 'integers' : `[${length}] integers`;
  throw new NearmissError('NM_CHECKPOINT_CORRUPT', `tensor 'method.${name}': found ${found}, expected ${expected}`);
}
