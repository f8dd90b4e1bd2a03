/**
 * Columns of a panel and of a register tile, set by the build target. 8 suits engines with 128-bit vectors. 16 is for the
 * paired tier, where V8 packs two neighbouring v128 operations into one of 256 bits: it starts from stores to p and
 * p + 16 and packs what both halves do alike. So kernels work on eight floats (a pair of vectors) at a time, and a tile
 * of 4x16 is eight accumulators of 256 bits. An engine that does not pack runs such a tile at half speed (it spills).
 */
export const PANEL: i32 = PANEL_COLUMNS;

/** Rows of a tile. */
export const TILE: i32 = 4;

/** `count` rounded up to whole panels. */
// @ts-ignore: decorator
@inline
export function panelled(count: i32): i32 {
  return (count + PANEL - 1) & ~(PANEL - 1);
}

/** Bytes of a filter's matrix [inChannels, outChannels] in panels, or of its transpose: channels are multiples of eight. */
// @ts-ignore: decorator
@inline
export function filterPanelBytes(inChannels: i32, outChannels: i32): usize {
  return (<usize>max(inChannels * panelled(outChannels), outChannels * panelled(inChannels))) * 4;
}
