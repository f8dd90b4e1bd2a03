import type { PageConfig } from './page/backend.js';

/** `config.json` of a folder that `nearmiss bundle` wrote. */
export interface DeviceConfig extends PageConfig {
  readonly backend: 'device';
  readonly version: string;
  readonly engine: 'own' | 'ort';
  /** Bytes of the files that are loaded at the start. */
  readonly bytes: Readonly<Record<(typeof STARTING_FILES)[number], number>>;
}

export const STARTING_FILES = ['encoder.onnx', 'index.nmi', 'thumbnails.nmt'] as const;

/** A file of the folder and the SHA-256 of its content, for the service worker. */
export interface BundleFile {
  readonly path: string;
  /** As `Request.integrity` takes it: `sha256-` and base64. */
  readonly integrity: string;
}

/** What `nearmiss bundle` writes at the head of sw.js as `self.nearmissBundle`. */
export interface BundleContent {
  readonly version: string;
  readonly files: readonly BundleFile[];
}
