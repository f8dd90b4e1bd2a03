export { NearmissError } from '../errors.js';
export type { JsonObject, JsonValue } from '../retrieve/items.js';
export type {
  HealthAnswer,
  InfoAnswer,
  ItemStored,
  SearchAnswer,
  SearchAnswers,
  SearchHit,
  SearchResult,
  SearchSettings,
  StatsAnswer,
} from '../serve/messages.js';
export { type Client, type ClientOptions, createClient, type Embeddings, type Query } from './client.js';
export type {
  BulkError,
  BulkOptions,
  BulkResult,
  ClientItem,
  ItemContent,
  Items,
  ReceivedItem,
} from './items.js';
export type { Picture } from './pictures.js';
export { ServiceError } from './service-error.js';
export type { CallOptions } from './transport.js';
