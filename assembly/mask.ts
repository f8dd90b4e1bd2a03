// Masks of similarities: what an anchor is never contrasted with is -infinity, which no kernel takes for a candidate.

/** Masks what the batch never contrasts: an anchor with its own two views (rows i and i ± half), and the padding. */
export function maskViews(
  tile: usize,
  stride: usize,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  half: i32,
): void {
  const end = min<i32>(firstRow + rows, half * 2);
  for (let i = firstRow; i < end; i++) {
    const row = tile + <usize>(i - firstRow) * stride;
    const self = i - firstColumn;
    const other = (i < half ? i + half : i - half) - firstColumn;
    if (self >= 0 && self < columns) store<f32>(row + ((<usize>self) << 2), -Infinity);
    if (other >= 0 && other < columns) store<f32>(row + ((<usize>other) << 2), -Infinity);
  }
  maskPadding(tile, stride, rows, half * 2 - firstColumn, columns);
}

/** Masks the candidates whose id is the anchor's, and the columns from `present` on. */
export function maskEqual(
  tile: usize,
  stride: usize,
  rows: i32,
  columns: i32,
  anchorIds: usize,
  candidateIds: usize,
  present: i32,
): void {
  const masked = f32x4.splat(-Infinity);
  for (let r = 0; r < rows; r++) {
    const id = v128.load32_splat(anchorIds + ((<usize>r) << 2));
    let at = tile + <usize>r * stride;
    let ids = candidateIds;
    for (let j = 0; j < columns; j += 4, at += 16, ids += 16) {
      const same = i32x4.eq(id, v128.load(ids));
      if (v128.any_true(same)) v128.store(at, v128.bitselect(masked, v128.load(at), same));
    }
  }
  maskPadding(tile, stride, rows, present, columns);
}

/** Masks the columns from `present` on. */
export function maskPadding(tile: usize, stride: usize, rows: i32, present: i32, columns: i32): void {
  for (let j = max<i32>(0, present); j < columns; j++) {
    let at = tile + ((<usize>j) << 2);
    for (let r = 0; r < rows; r++, at += stride) store<f32>(at, -Infinity);
  }
}
