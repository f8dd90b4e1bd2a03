// Percentile ring: of an anchor's candidates, those whose rank by similarity lies in [inner, outer).
//
// A ring is kept as two boundaries, not as a list: the candidate at rank `inner` (the first one in) and the candidate
// at rank `outer` (the first one out). Candidates are ordered by similarity, largest first, and equal similarities by
// index, so "j is ahead of the boundary" is two comparisons, wherever and whenever the similarity is computed again.
//
// The rank is found in O(n): one pass counts similarities into buckets, the next collects the one bucket that holds
// the rank, and a quickselect orders that bucket. Masked candidates (-infinity) have no rank.

/** Bytes of scratch that `selectRing` needs for a row of `columns` candidates. */
export function ringScratch(columns: i32): i32 {
  return bucketsFor(columns) * 4 + columns * 8;
}

function bucketsFor(columns: i32): i32 {
  let buckets = 32;
  while (buckets < 2048 && buckets * 2 < columns) buckets <<= 1;
  return buckets;
}

/** Similarity, largest first, then index: the order of these keys as unsigned integers. */
// @ts-ignore: decorator
@inline
function keyOf(similarity: f32, index: i32): u64 {
  // Adding 0 turns -0 into 0: the two are equal to the kernels that compare with the boundary.
  const bits = reinterpret<i32>(similarity + 0);
  const ascending = bits ^ ((bits >> 31) & 0x7fffffff) ^ i32.MIN_VALUE;
  return ((<u64>(<u32>~ascending)) << 32) | <u64>(<u32>index);
}

// @ts-ignore: decorator
@inline
function similarityOf(key: u64): f32 {
  const ascending = ~(<i32>(key >> 32)) ^ i32.MIN_VALUE;
  return reinterpret<f32>(ascending ^ ((ascending >> 31) & 0x7fffffff));
}

/** Bucket of 4 similarities: 0 holds 1 and above, the last holds -1 and below. Never increases with similarity. */
// @ts-ignore: decorator
@inline
function bucketOf(s: v128, one: v128, scale: v128, zero: v128, last: v128): v128 {
  const place = f32x4.mul(f32x4.sub(one, s), scale);
  return i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(place, zero), last));
}

/** The key at `rank` (from 0) of `count` keys; reorders them. Expected O(count) for any order of the keys. */
function quickselect(keys: usize, count: i32, rank: i32): u64 {
  let low = 0;
  let high = count - 1;
  let random: u32 = 0x9e3779b9;
  while (low < high) {
    random = random * 1664525 + 1013904223;
    const at = low + <i32>((<u64>random * <u64>(high - low + 1)) >> 32);
    const pivot = load<u64>(keys + ((<usize>at) << 3));
    let i = low;
    let j = high;
    while (i <= j) {
      while (load<u64>(keys + ((<usize>i) << 3)) < pivot) i++;
      while (load<u64>(keys + ((<usize>j) << 3)) > pivot) j--;
      if (i <= j) {
        const left = keys + ((<usize>i) << 3);
        const right = keys + ((<usize>j) << 3);
        const held = load<u64>(left);
        store<u64>(left, load<u64>(right));
        store<u64>(right, held);
        i++;
        j--;
      }
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else break;
  }
  return load<u64>(keys + ((<usize>rank) << 3));
}

/** The key at `rank` of a row whose buckets are counted at `buckets`. */
function keyAtRank(row: usize, columns: i32, rank: i32, buckets: usize, bucketCount: i32, keys: usize): u64 {
  let bucket = 0;
  let ahead = 0;
  for (;;) {
    const inside = load<i32>(buckets + ((<usize>bucket) << 2));
    if (ahead + inside > rank) break;
    ahead += inside;
    bucket++;
  }
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(<f32>bucketCount * 0.5);
  const last = f32x4.splat(<f32>(bucketCount - 1));
  const wanted = i32x4.splat(bucket);
  const masked = f32x4.splat(-Infinity);
  let count = 0;
  for (let j = 0; j < columns; j += 4) {
    const s = v128.load(row + ((<usize>j) << 2));
    const found = v128.and(i32x4.eq(bucketOf(s, one, scale, zero, last), wanted), f32x4.gt(s, masked));
    if (v128.any_true(found)) {
      const bits = i32x4.bitmask(found);
      for (let lane = 0; lane < 4; lane++) {
        if ((bits >> lane) & 1) {
          const key = keyOf(load<f32>(row + ((<usize>(j + lane)) << 2)), j + lane);
          store<u64>(keys + ((<usize>count) << 3), key);
          count++;
        }
      }
    }
  }
  return quickselect(keys, count, rank - ahead);
}

/**
 * Finds the rings of `rows` rows of similarities, `columns` (a multiple of 4) wide; `stride` is the bytes between rows.
 *
 * Of n unmasked candidates the outer boundary is at rank floor(outer * n); the inner one at rank
 * floor(inner * that) or, without `innerOfOuter`, floor(inner * n). Written for row r at `bounds` + 4 r, the fields
 * `boundStride` bytes apart: similarity and index of the first one in, then of the first one out. Where no candidate
 * is ahead of the ring the first is +infinity, where none is behind it the second is -infinity. The inner rank and the
 * size of the ring go to ranks[r] and sizes[r] (int32).
 */
export function selectRing(
  similarities: usize,
  stride: usize,
  rows: i32,
  columns: i32,
  inner: f64,
  outer: f64,
  innerOfOuter: i32,
  bounds: usize,
  boundStride: usize,
  ranks: usize,
  sizes: usize,
  scratch: usize,
): void {
  const bucketCount = bucketsFor(columns);
  const buckets = scratch;
  const keys = scratch + ((<usize>bucketCount) << 2);
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(<f32>bucketCount * 0.5);
  const last = f32x4.splat(<f32>(bucketCount - 1));
  const masked = f32x4.splat(-Infinity);
  for (let r = 0; r < rows; r++) {
    const row = similarities + <usize>r * stride;
    memory.fill(buckets, 0, (<usize>bucketCount) << 2);
    let absent = zero;
    for (let j = 0; j < columns; j += 4) {
      const s = v128.load(row + ((<usize>j) << 2));
      const bucket = i32x4.shl(bucketOf(s, one, scale, zero, last), 2);
      // A masked lane counts in the last bucket, and is taken out of it again below.
      absent = i32x4.add(absent, f32x4.eq(s, masked));
      const b0 = buckets + <usize>i32x4.extract_lane(bucket, 0);
      store<i32>(b0, load<i32>(b0) + 1);
      const b1 = buckets + <usize>i32x4.extract_lane(bucket, 1);
      store<i32>(b1, load<i32>(b1) + 1);
      const b2 = buckets + <usize>i32x4.extract_lane(bucket, 2);
      store<i32>(b2, load<i32>(b2) + 1);
      const b3 = buckets + <usize>i32x4.extract_lane(bucket, 3);
      store<i32>(b3, load<i32>(b3) + 1);
    }
    const missing =
      -(i32x4.extract_lane(absent, 0) + i32x4.extract_lane(absent, 1)) -
      (i32x4.extract_lane(absent, 2) + i32x4.extract_lane(absent, 3));
    const lastBucket = buckets + ((<usize>(bucketCount - 1)) << 2);
    store<i32>(lastBucket, load<i32>(lastBucket) - missing);
    const present = columns - missing;
    const end = <i32>floor<f64>(outer * <f64>present);
    const start = <i32>floor<f64>(inner * <f64>(innerOfOuter ? end : present));
    const at = bounds + ((<usize>r) << 2);
    store<i32>(ranks + ((<usize>r) << 2), start);
    store<i32>(sizes + ((<usize>r) << 2), max<i32>(0, end - start));
    if (start > 0 && start < present) {
      const key = keyAtRank(row, columns, start, buckets, bucketCount, keys);
      store<f32>(at, similarityOf(key));
      store<i32>(at + boundStride, <i32>key);
    } else {
      store<f32>(at, start > 0 ? -Infinity : Infinity);
      store<i32>(at + boundStride, 0);
    }
    if (end < present) {
      const key = keyAtRank(row, columns, end, buckets, bucketCount, keys);
      store<f32>(at + boundStride * 2, similarityOf(key));
      store<i32>(at + boundStride * 3, <i32>key);
    } else {
      store<f32>(at + boundStride * 2, -Infinity);
      store<i32>(at + boundStride * 3, 0);
    }
  }
}
