/** What a crew of threads does at the moment. */
export interface CrewStats {
  /** Pictures that wait for a thread. */
  readonly queued: number;
  /** Pictures that a thread has. */
  readonly running: number;
  readonly threads: number;
  /** Threads that can take work; fewer than `threads` while one is replaced. */
  readonly ready: number;
  /** Threads that ended by themselves and were replaced. */
  readonly restarts: number;
}

/** A look at the service. Counts are since the start, also over reloads, except the restarts of a model's threads. */
export interface EmbeddingStats {
  /** Whether requests can be answered now: there are threads for all that it takes. */
  readonly ready: boolean;
  /** Requests that are not answered yet, and what they hold. */
  readonly requests: number;
  readonly pictures: number;
  readonly bytes: number;
  /** Pictures that wait, for decoding and for embedding together. */
  readonly queued: number;
  /** Pictures that are being decoded or embedded. */
  readonly running: number;
  readonly decoding: CrewStats;
  readonly embedding: CrewStats;
  /** Batches embedded so far, and the pictures in them. */
  readonly batches: number;
  readonly embedded: number;
  readonly largestBatch: number;
  /** Requests refused because too much was in work. */
  readonly shed: number;
  /** Requests whose time was up. */
  readonly timedOut: number;
}
