import type { DecodedPixels } from './resize.js';

/** One thing found in a source: an encoded file, decoded pixels with their class (CIFAR), or what is left out and why. */
export type SourceItem =
  | { readonly kind: 'file'; readonly name: string; readonly size: number; readonly read: () => Promise<Uint8Array> }
  | { readonly kind: 'pixels'; readonly name: string; readonly className: string; readonly pixels: DecodedPixels }
  | { readonly kind: 'skipped'; readonly name: string; readonly reason: string };
