/** Replicas that take the statistics of their batch norms together, over equally large shares of the batch. */
export interface NormReplicas {
  readonly replicas: number;
  /** All replicas' `own`, equally long, one after the other in replica order. */
  allGather(own: Float32Array): Float32Array;
}
