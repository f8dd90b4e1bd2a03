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

/** Adding 2^23 rounds a number in [0, 2^22] to an integer, which then is the lowest bits. */
const ROUNDING: f32 = 8388608;

/**
 * Bucket of 4 similarities: 0 holds 1 and above, the last holds -1 and below. Never increases with similarity, and
 * `within` (buckets - 1, a mask) keeps it inside for NaN.
 */
// @ts-ignore: decorator
@inline
function bucketOf(s: v128, one: v128, scale: v128, zero: v128, last: v128, rounding: v128, within: v128): v128 {
  const place = f32x4.mul(f32x4.sub(one, s), scale);
  return v128.and(f32x4.add(f32x4.pmin(last, f32x4.pmax(zero, place)), rounding), within);
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

/** The bucket that holds `rank`. */
function bucketAtRank(rank: i32, buckets: usize): i32 {
  let bucket = 0;
  let before = load<i32>(buckets);
  while (before <= rank) {
    bucket++;
    before += load<i32>(buckets + ((<usize>bucket) << 2));
  }
  return bucket;
}

/** Candidates in the buckets before `bucket`. */
function countBefore(bucket: i32, buckets: usize): i32 {
  let before = 0;
  for (let b = 0; b < bucket; b++) before += load<i32>(buckets + ((<usize>b) << 2));
  return before;
}

/**
 * Collects the keys of two buckets (or of one given twice): those of the first from the start of `keys`, those of the
 * second from its end backwards, where there is room for all keys of a row.
 */
function collect(row: usize, columns: i32, first: i32, second: i32, bucketCount: i32, keys: usize): void {
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(<f32>bucketCount * 0.5);
  const last = f32x4.splat(<f32>(bucketCount - 1));
  const rounding = f32x4.splat(ROUNDING);
  const within = i32x4.splat(bucketCount - 1);
  const masked = f32x4.splat(-Infinity);
  const wantedFirst = i32x4.splat(first);
  const wantedSecond = i32x4.splat(second);
  let head = keys;
  let tail = keys + ((<usize>columns) << 3);
  for (let j = 0; j < columns; j += 4) {
    const s = v128.load(row + ((<usize>j) << 2));
    const bucket = bucketOf(s, one, scale, zero, last, rounding, within);
    const inFirst = i32x4.eq(bucket, wantedFirst);
    const found = v128.or(inFirst, i32x4.eq(bucket, wantedSecond));
    if (v128.any_true(found)) {
      const bits = i32x4.bitmask(v128.and(found, f32x4.gt(s, masked)));
      const firstBits = i32x4.bitmask(inFirst);
      for (let lane = 0; lane < 4; lane++) {
        if (!((bits >> lane) & 1)) continue;
        const key = keyOf(load<f32>(row + ((<usize>(j + lane)) << 2)), j + lane);
        if ((firstBits >> lane) & 1) {
          store<u64>(head, key);
          head += 8;
        } else {
          tail -= 8;
          store<u64>(tail, key);
        }
      }
    }
  }
}

/** Writes a boundary: similarity, and index in the next field. */
// @ts-ignore: decorator
@inline
function storeBoundary(at: usize, boundStride: usize, similarity: f32, index: i32): void {
  store<f32>(at, similarity);
  store<i32>(at + boundStride, index);
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
  const rounding = f32x4.splat(ROUNDING);
  const within = i32x4.splat(bucketCount - 1);
  const masked = f32x4.splat(-Infinity);
  for (let r = 0; r < rows; r++) {
    const row = similarities + <usize>r * stride;
    memory.fill(buckets, 0, (<usize>bucketCount) << 2);
    let absent = zero;
    for (let j = 0; j < columns; j += 4) {
      const s = v128.load(row + ((<usize>j) << 2));
      const bucket = i32x4.shl(bucketOf(s, one, scale, zero, last, rounding, within), 2);
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
    store<i32>(ranks + ((<usize>r) << 2), start);
    store<i32>(sizes + ((<usize>r) << 2), max<i32>(0, end - start));

    const firstIn = bounds + ((<usize>r) << 2);
    const firstOut = firstIn + boundStride * 2;
    const limited = start > 0 && start < present;
    const open = end >= present;
    const bucketIn = limited ? bucketAtRank(start, buckets) : -1;
    const bucketOut = open ? -1 : bucketAtRank(end, buckets);
    if (limited || !open) collect(row, columns, bucketIn, bucketOut, bucketCount, keys);
    if (limited) {
      const inside = load<i32>(buckets + ((<usize>bucketIn) << 2));
      const key = quickselect(keys, inside, start - countBefore(bucketIn, buckets));
      storeBoundary(firstIn, boundStride, similarityOf(key), <i32>key);
    } else {
      storeBoundary(firstIn, boundStride, start > 0 ? -Infinity : Infinity, 0);
    }
    if (open) {
      storeBoundary(firstOut, boundStride, -Infinity, 0);
    } else {
      const inside = load<i32>(buckets + ((<usize>bucketOut) << 2));
      const found = bucketOut == bucketIn ? keys : keys + ((<usize>(columns - inside)) << 3);
      const key = quickselect(found, inside, end - countBefore(bucketOut, buckets));
      storeBoundary(firstOut, boundStride, similarityOf(key), <i32>key);
    }
  }
}

/**
 * Writes the indices (int32) of a row's candidates that are ahead of its ring to `ahead` and of those in it to
 * `members`, both in the order of the columns. `bounds` points at the row's boundaries, as `selectRing` leaves them.
 */
export function listRing(
  row: usize,
  columns: i32,
  bounds: usize,
  boundStride: usize,
  ahead: usize,
  members: usize,
): void {
  const firstIn = load<f32>(bounds);
  const firstInIndex = load<i32>(bounds + boundStride);
  const firstOut = load<f32>(bounds + boundStride * 2);
  const firstOutIndex = load<i32>(bounds + boundStride * 3);
  // Candidates behind the ring are most of a row, and are passed over four at a time.
  const least = f32x4.splat(firstOut);
  const masked = f32x4.splat(-Infinity);
  for (let j = 0; j < columns; j += 4, row += 16) {
    const s = v128.load(row);
    if (!v128.any_true(v128.and(f32x4.ge(s, least), f32x4.gt(s, masked)))) continue;
    for (let lane = 0; lane < 4; lane++) {
      const similarity = load<f32>(row + ((<usize>lane) << 2));
      const index = j + lane;
      if (similarity == -Infinity) continue;
      if (similarity < firstOut || (similarity == firstOut && index >= firstOutIndex)) continue;
      if (similarity > firstIn || (similarity == firstIn && index < firstInIndex)) {
        store<i32>(ahead, index);
        ahead += 4;
      } else {
        store<i32>(members, index);
        members += 4;
      }
    }
  }
}
