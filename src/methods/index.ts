export type { Gather } from './gather.js';
export { type SimclrStep, type StepResult, simclrStep } from './simclr.js';
