/**
 * What becomes of the last feature map [pictures, height, width, channels]: averaged over a grid of pool x pool, then
 * whitened, then scaled to unit length. The grid's order is row-major, h[(y * pool + x) * channels + c], and its
 * regions are those of PyTorch's adaptive_avg_pool2d, which overlap where the map's size is odd.
 */
export interface ReadOut {
  readonly pool: 1 | 2;
  /** h becomes (h - mean) · matrix: mean [d], matrix [d, k] row-major, with d = pool * pool * channels. */
  readonly whitening?: { readonly mean: Float32Array; readonly matrix: Float32Array };
  /** Numbers in an embedding: k with a whitening, d without. */
  readonly dimensions: number;
}
