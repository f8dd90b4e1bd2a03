import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import type { OptimiserState, Parameter } from './optimiser.js';

/** Arrays float32 [all parameters' length] in the kernels' heap, zero at the start, by name. */
export interface OptimiserMemory<Name extends string> {
  readonly at: Readonly<Record<Name, number>>;
  state(): OptimiserState;
  restore(state: OptimiserState): void;
  dispose(): void;
}

export function optimiserMemory<Name extends string>(
  { heap }: TrainingKernels,
  names: readonly Name[],
  parameters: readonly Parameter[],
): OptimiserMemory<Name> {
  const length = parameters.reduce((sum, parameter) => sum + parameter.length, 0);
  const at = {} as Record<Name, number>;
  for (const name of names) {
    at[name] = heap.malloc(4 * length);
    floats(heap, at[name], length).fill(0);
  }
  return {
    at,
    state: () => Object.fromEntries(names.map((name) => [name, floats(heap, at[name], length).slice()])),
    restore(state) {
      for (const name of names) {
        const saved = state[name];
        if (saved?.length !== length) {
          const found = saved ? `${saved.length} numbers` : 'none';
          throw new NearmissError(
            'NM_CHECKPOINT_CORRUPT',
            `optimiser.${name}: found ${found}, allowed: ${length} (those of the run's own optimiser)`,
          );
        }
        floats(heap, at[name], length).set(saved);
      }
    },
    dispose() {
      for (const name of names) heap.free(at[name]);
    },
  };
}

/** Calls `visit` for each parameter with the byte offset of its numbers. */
export function forEachParameter(
  parameters: readonly Parameter[],
  visit: (parameter: Parameter, offset: number) => void,
): void {
  let offset = 0;
  for (const parameter of parameters) {
    visit(parameter, offset);
    offset += 4 * parameter.length;
  }
}
