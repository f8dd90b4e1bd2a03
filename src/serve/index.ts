export {
  type CrewStats,
  type EmbeddingOptions,
  type EmbeddingService,
  type EmbeddingStage,
  type EmbeddingStats,
  startEmbedding,
} from './embedding.js';
export type { ServiceLimits, ServiceOptions } from './options.js';
export { type NearmissService, nearmissService } from './plugin.js';
export type {
  BulkProgress,
  BulkSummary,
  EmbedAnswer,
  EmbedBody,
  ErrorAnswer,
  InfoAnswer,
  ItemAnswer,
  ItemBody,
  ItemLine,
  ItemStored,
  LineError,
  Query,
  ReloadAnswer,
  SearchAnswer,
  SearchAnswers,
  SearchBody,
  SearchHit,
  SearchResult,
  SearchSettings,
  StageTimes,
  StatsAnswer,
} from './schemas.js';
export { createServer, type NearmissServer, type ServerOptions } from './server.js';
export { makeToken, parseTokens, type Scope, type Token } from './tokens.js';
