export { requireNegatives } from './enough-negatives.js';
export type { Gather } from './gather.js';
export type {
  Method,
  MethodContext,
  MethodOption,
  MethodRun,
  MethodState,
  SavedArray,
  StepInput,
  StepResult,
} from './method.js';
export {
  checkMethod,
  completeObjective,
  METHOD_NAMES,
  METHODS,
  methodByName,
  resolveMethodOptions,
} from './registry.js';
