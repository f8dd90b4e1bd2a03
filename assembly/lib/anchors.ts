// What the two passes of the contrastive loss share: an anchor's numbers, and which candidates its ring holds.

// Fields of the anchors' table: float32 or int32 arrays, one entry an anchor, `fieldStride` bytes apart.
export const SHIFT: usize = 0;
export const SCALE_WX: usize = 1;
export const SCALE_W: usize = 2;
export const FIRST_IN: usize = 3;
export const FIRST_IN_INDEX: usize = 4;
export const FIRST_OUT: usize = 5;
export const FIRST_OUT_INDEX: usize = 6;
export const NEIGHBOUR_SHIFT: usize = 7;
export const NEIGHBOUR_SCALE: usize = 8;

// How w follows from x.
export const UNIFORM = 0; // beta 0: w = 1
export const LINEAR = 1; // beta 1: w = x, so one exponential a pair
export const POWER = 2; // any other beta: a second exponential

/** All ones where a candidate ranks ahead of a boundary (its similarity and index). */
// @ts-ignore: decorator
@inline
export function ahead(s: v128, index: v128, boundary: v128, boundaryIndex: v128): v128 {
  return v128.or(
    f32x4.gt(s, boundary),
    v128.and(f32x4.eq(s, boundary), i32x4.lt_s(index, boundaryIndex)),
  );
}
