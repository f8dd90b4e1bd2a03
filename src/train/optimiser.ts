/** An optimiser and its own numbers; learning rate and weight decay belong to the step. */
export type OptimiserSettings =
  /** Adam (Kingma & Ba 2015); weight decay is added to the gradient, as torch.optim.Adam does. */
  | { readonly kind: 'adam'; readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number }
  /** Adam with decoupled weight decay (Loshchilov & Hutter 2019). */
  | { readonly kind: 'adamw'; readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number }
  /** Gradient descent with momentum, default 0.9. */
  | { readonly kind: 'sgd'; readonly momentum?: number; readonly nesterov?: boolean }
  /** Layer-wise adaptive rates (You et al. 2017) as SimCLR has them: momentum 0.9, trust 0.001. */
  | { readonly kind: 'lars'; readonly momentum?: number; readonly nesterov?: boolean; readonly trust?: number };

export const OPTIMISER_KINDS: readonly OptimiserSettings['kind'][] = ['adam', 'adamw', 'sgd', 'lars'];

/** A trained tensor in the kernels' heap. */
export interface Parameter {
  /** Address of float32 [length]; it may move from step to step. */
  address(): number;
  readonly length: number;
  /** Biases and the norms' scales and shifts: LARS neither decays them nor adapts their rate. */
  readonly plain: boolean;
}

export interface OptimiserStep {
  /** Updates before this one. */
  readonly update: number;
  readonly learningRate: number;
  readonly weightDecay: number;
}

/** Copies of an optimiser's memory, float32 [all parameters' length], by name; what a checkpoint keeps. */
export type OptimiserState = Readonly<Record<string, Float32Array>>;

/**
 * Updates parameters in place. The gradients of all parameters lie one after the other, in their order; so do an
 * optimiser's own numbers.
 */
export interface Optimiser {
  /** `gradient` is the address of float32 [all parameters' length]. */
  apply(gradient: number, step: OptimiserStep): void;
  state(): OptimiserState;
  /** Takes up a saved state of the same optimiser and parameters; NM_CHECKPOINT_CORRUPT otherwise. */
  restore(state: OptimiserState): void;
  dispose(): void;
}
