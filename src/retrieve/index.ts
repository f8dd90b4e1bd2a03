export { loadRetrievalKernels, type RetrievalKernels, type RetrievalOptions } from '../kernels/retrieval.js';
export { type DeviceIndex, readDeviceIndex } from './device-index.js';
export { VECTOR_KINDS, type VectorKind } from './device-index-format.js';
export { type DeviceIndexOptions, writeDeviceIndex } from './device-index-writer.js';
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
export { type IndexBatch, type IndexCounts, type IndexOptions, indexPictures } from './indexing.js';
export { type Item, type JsonObject, type JsonValue, MAX_ID_BYTES, MAX_METADATA_BYTES } from './items.js';
export {
  ITEM_FORMATS,
  type ItemFormat,
  type ReadItemsOptions,
  readItems,
  type WriteItemsOptions,
  writeItems,
} from './items-file.js';
export type { ConnectionOptions } from './postgres-connection.js';
export type { AnnOptions } from './postgres-hnsw.js';
export { openPostgresStore, type PostgresOptions, type PostgresStore } from './postgres-store.js';
export { createSearchEngine } from './search-engine.js';
export { type ShareOptions, type ShareResult, shareFiles } from './share.js';
export { type OpenOptions, openStore, type SqliteStore } from './sqlite-store.js';
export type {
  Hit,
  Hits,
  Pruning,
  Reembedding,
  SearchOptions,
  Store,
  StoredItem,
  StoreEncoder,
  StoreInfo,
  StoreStats,
  WriteOptions,
} from './store.js';
export { MAX_DIMENSION, METRICS, type Metric, type Vectors } from './vectors.js';
