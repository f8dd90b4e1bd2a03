import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { clipGradients } from './gradient-clip.js';
import type { Optimiser, OptimiserSettings, OptimiserState, Parameter } from './optimiser.js';
import { createOptimiser } from './optimisers.js';

/** How gradients become updates. */
export interface UpdateSettings {
  readonly optimiser: OptimiserSettings;
  /** Largest global norm of an update's gradient; 0: any. */
  readonly clip: number;
  /** Steps whose mean gradient makes one update, 1 or more. */
  readonly accumulate: number;
  /** Decay of the weights' moving average, below 1; 0: none is kept. */
  readonly ema: number;
}

/** One step's gradients and what is to be done with them. */
export interface StepGradients {
  readonly step: number;
  /** The run's last step: an update is due even if fewer than `accumulate` steps have come together. */
  readonly last: boolean;
  readonly gradients: Float32Array;
  readonly learningRate: number;
  readonly weightDecay: number;
}

/**
 * Gradients of steps into updates of parameters: their mean over a few steps, its norm limited, through an optimiser.
 * Everything that an interrupted run needs to go on to the bit is in `state`.
 */
export class ParameterUpdates {
  private readonly kernels: TrainingKernels;
  private readonly settings: Omit<UpdateSettings, 'ema'>;
  private readonly optimiser: Optimiser;
  private readonly length: number;
  private readonly gradient: number;
  /** Where the steps' gradients are added up; none where each step makes an update. */
  private readonly sum: number | undefined;

  constructor(kernels: TrainingKernels, settings: Omit<UpdateSettings, 'ema'>, parameters: readonly Parameter[]) {
    this.kernels = kernels;
    this.settings = settings;
    this.optimiser = createOptimiser(kernels, settings.optimiser, parameters);
    this.length = parameters.reduce((sum, parameter) => sum + parameter.length, 0);
    this.gradient = kernels.heap.malloc(4 * this.length);
    if (settings.accumulate > 1) {
      this.sum = kernels.heap.malloc(4 * this.length);
      floats(kernels.heap, this.sum, this.length).fill(0);
    }
  }

  /** Takes in a step's gradients float32 [all parameters]; returns whether the parameters were updated. */
  apply({ step, last, gradients, learningRate, weightDecay }: StepGradients): boolean {
    const { kernels, settings, length, gradient, sum } = this;
    const { accumulate, clip } = settings;
    floats(kernels.heap, gradient, length).set(gradients);
    const update = Math.floor(step / accumulate);
    if (sum !== undefined) {
      kernels.exports.blend(sum, gradient, length, 1, 1);
      const steps = (step % accumulate) + 1;
      if (steps < accumulate && !last) return false;
      kernels.exports.blend(gradient, sum, length, 0, 1 / steps);
      floats(kernels.heap, sum, length).fill(0);
    }
    if (clip > 0) clipGradients(kernels, gradient, length, clip);
    this.optimiser.apply(gradient, { update, learningRate, weightDecay });
    return true;
  }

  /** The optimiser's memory and the gradients that wait for their update, copied out. */
  state(): OptimiserState {
    const { sum, length } = this;
    const waiting = sum === undefined ? {} : { accumulated: floats(this.kernels.heap, sum, length).slice() };
    return { ...this.optimiser.state(), ...waiting };
  }

  restore(state: OptimiserState): void {
    this.optimiser.restore(state);
    const { sum, length } = this;
    if (sum === undefined) return;
    const accumulated = state['accumulated'];
    if (accumulated?.length !== length) {
      const found = accumulated ? `${accumulated.length} numbers` : 'none';
      throw new NearmissError('NM_CHECKPOINT_CORRUPT', `accumulated: found ${found}, allowed: ${length}`);
    }
    floats(this.kernels.heap, sum, length).set(accumulated);
  }

  dispose(): void {
    this.optimiser.dispose();
    this.kernels.heap.free(this.gradient);
    if (this.sum !== undefined) this.kernels.heap.free(this.sum);
  }
}
