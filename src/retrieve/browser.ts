// What of `nearmiss/retrieve` runs in browsers: reading index files, filters and the search engine; no stores, no files.
export { loadRetrievalKernels, type RetrievalKernels, type RetrievalOptions } from '../kernels/retrieval.js';
export { type DeviceIndex, readDeviceIndex } from './device-index.js';
export type { VectorKind } from './device-index-format.js';
export {
  bitmapWords,
  type EngineHits,
  type EngineOptions,
  type EngineSearch,
  type ListOptions,
  type ListReport,
  type RowBitmap,
  type SearchEngine,
} from './engine.js';
export { type Bounds, checkFilter, type Field, type Filter, matches, type Scalar } from './filter.js';
export type { JsonObject, JsonValue } from './items.js';
export { createSearchEngine } from './search-engine.js';
export type { Hit, Hits, SearchOptions, StoredItem, StoreEncoder } from './store.js';
export { MAX_DIMENSION, METRICS, type Metric, type Vectors } from './vectors.js';
