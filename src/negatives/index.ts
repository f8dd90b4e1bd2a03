export type { ContrastSums } from './anchors.js';
export type { ContrastBatchInput } from './batch.js';
export {
  batchCandidates,
  type Candidates,
  NO_INSTANCE,
  type QueueCandidates,
  type QueueOptions,
  queueCandidates,
} from './candidates.js';
export { contrastBatch } from './contrast-batch.js';
export { type ContrastQueueInput, contrastQueue } from './contrast-queue.js';
export {
  type CandidateSource,
  type Objective,
  parseObjective,
  type ResolvedObjective,
  resolveObjective,
  type SelectAll,
  type SelectRing,
  type Weight,
} from './objective.js';
export { ball, debiased, hcl, moco, ntxent, type RingOptions, ring } from './presets.js';
export { type RankedNegatives, type RankNegativesInput, rankNegatives } from './ranking.js';
export { resolveSetting, type ScheduleSpec, type Setting } from './schedules.js';
