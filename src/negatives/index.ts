export { AdaptiveSettings, type StepRecord } from './adaptive.js';
export type { ContrastSums } from './anchors.js';
export { type BankCandidates, type BankOptions, bankCandidates } from './bank.js';
export type { ContrastBankInput } from './bank-run.js';
export type { ContrastBatchInput } from './batch.js';
export {
  batchCandidates,
  type Candidates,
  NO_INSTANCE,
  type QueueCandidates,
  type QueueOptions,
  queueCandidates,
} from './candidates.js';
export { type ContrastBankSums, contrastBank } from './contrast-bank.js';
export { contrastBatch } from './contrast-batch.js';
export { type ContrastQueueInput, contrastQueue } from './contrast-queue.js';
export { type DiversityInput, diversity } from './diversity.js';
export type { BankDraws } from './draws.js';
export type { GeneratedNegatives } from './generated.js';
export type { MixDraws } from './mixed.js';
export type {
  CandidateSource,
  LossForm,
  Objective,
  ResolvedGenerate,
  ResolvedMix,
  ResolvedObjective,
  SelectAll,
  SelectRing,
  SynthesiseGenerate,
  SynthesiseMix,
  Weight,
} from './objective.js';
export { parseObjective } from './parse-objective.js';
export {
  ball,
  debiased,
  generated,
  hcl,
  instance,
  mochi,
  moco,
  ntxent,
  type RingOptions,
  ring,
  supcon,
} from './presets.js';
export { type RankedNegatives, type RankNegativesInput, rankNegatives } from './ranking.js';
export { type AdaptiveValue, resolveObjective } from './resolve-objective.js';
export { resolveSetting, type ScheduleSpec, type Setting, settingRange } from './schedules.js';
export { takeWorkspace, type Workspace } from './workspace.js';
