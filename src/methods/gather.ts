/** How the replicas of a data-parallel run meet inside a loss; one replica alone gathers from itself. */
export interface Gather {
  /** This replica's number, 0 … replicas - 1. */
  readonly replica: number;
  readonly replicas: number;
  /** Embeddings of the whole batch, float32 [views, dim], shared. */
  readonly embeddings: Float32Array;
  /** Waits until all replicas are here. */
  barrier(): void;
  /** All replicas' `own`, equally long, one after the other in replica order; a copy. */
  allGather(own: Float32Array): Float32Array;
  /** This replica's own gradient with respect to all embeddings, float32 [views, dim], shared. */
  ownEmbeddingGradient(): Float32Array;
  /** Sums figures over the replicas in replica order; also a barrier. */
  sumFigures(figures: readonly number[]): number[];
  /** Sums all replicas' embedding gradients from float `from` to float `to`, in replica order. */
  sumEmbeddingGradients(from: number, to: number, target: Float32Array): void;
}
