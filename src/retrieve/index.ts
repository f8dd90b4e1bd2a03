export { createFlatIndex, type FlatIndex, type FlatIndexOptions, type SearchResult } from './flat.js';
export { type IndexBatch, type IndexCounts, type IndexOptions, indexPictures } from './indexing.js';
export { type Item, type JsonObject, type JsonValue, MAX_ID_BYTES, MAX_METADATA_BYTES } from './items.js';
export { type OpenOptions, openStore, type SqliteStore } from './sqlite-store.js';
export type {
  Hit,
  Pruning,
  SearchOptions,
  Store,
  StoredItem,
  StoreEncoder,
  StoreInfo,
  WriteOptions,
} from './store.js';
export { MAX_DIMENSION, METRICS, type Metric, type Vectors } from './vectors.js';
