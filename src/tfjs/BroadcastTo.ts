import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { compose } from './compose.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'BroadcastTo';

/** x repeated along its axes of length 1, and along new axes in front, up to `shape`. Stock tfjs-backend-wasm has none. */
export function broadcastTo(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, ({ inputs: { x }, attrs }) => {
    const shape = attrs?.['shape'] as number[];
    const own = x?.shape ?? [];
    const padded = [...new Array<number>(Math.max(0, shape.length - own.length)).fill(1), ...own];
    if (!x || padded.length > shape.length || padded.some((length, axis) => length !== 1 && length !== shape[axis])) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `${NAME}: found [${own}] for [${shape}], allowed: each axis 1 or as in the target`,
      );
    }
    const reps = shape.map((length, axis) => (padded[axis] === 1 ? length : 1));
    return compose(context, (run) => run('Tile', { x: run('Reshape', { x }, { shape: padded }) }, { reps }));
  });
}
