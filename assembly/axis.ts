// Reductions and running sums along one axis of x [outer, length, inner].

/** Which reduction; the numbers are those of src/kernels/axis.ts. */
const SUM = 0;
const MAX = 1;

/** Rows that one partial result takes in, so that rounding does not grow with the length. */
const BLOCK = 64;
/** Short rows are taken together until they are this wide. */
const WIDE = 256;

/** Rows of `inner` floats that are reduced side by side; a multiple of 4 but for rows that are long themselves. */
// @ts-ignore: decorator
@inline
function together(inner: i32): i32 {
  return inner >= WIDE ? 1 : (WIDE / inner + 3) & ~3;
}

/** Bytes of scratch that `reduceAxis` needs: [one block's result | all blocks' result]. */
export function reduceAxisScratch(inner: i32): usize {
  return (<usize>(2 * inner * together(inner))) * 4;
}

/** to[i] = to[i] + from[i], or the larger, or the smaller. Max and min keep NaN. */
function combine(kind: i32, to: usize, from: usize, count: i32): void {
  const end = to + (<usize>(count & ~7)) * 4;
  if (kind == SUM) {
    while (to < end) {
      const low = f32x4.add(v128.load(to), v128.load(from));
      const high = f32x4.add(v128.load(to, 16), v128.load(from, 16));
      v128.store(to, low);
      v128.store(to, high, 16);
      to += 32;
      from += 32;
    }
  } else if (kind == MAX) {
    while (to < end) {
      const low = f32x4.max(v128.load(to), v128.load(from));
      const high = f32x4.max(v128.load(to, 16), v128.load(from, 16));
      v128.store(to, low);
      v128.store(to, high, 16);
      to += 32;
      from += 32;
    }
  } else {
    while (to < end) {
      const low = f32x4.min(v128.load(to), v128.load(from));
      const high = f32x4.min(v128.load(to, 16), v128.load(from, 16));
      v128.store(to, low);
      v128.store(to, high, 16);
      to += 32;
      from += 32;
    }
  }
  for (let i = 0; i < (count & 7); i++) {
    store<f32>(to, combineNumbers(kind, load<f32>(to), load<f32>(from)));
    to += 4;
    from += 4;
  }
}

// @ts-ignore: decorator
@inline
function combineNumbers(kind: i32, a: f32, b: f32): f32 {
  return kind == SUM ? a + b : kind == MAX ? max<f32>(a, b) : min<f32>(a, b);
}

/** out [outer, inner]: the sum (kind 0), maximum (1) or minimum (2) of x [outer, length, inner] along `length` >= 1. */
export function reduceAxis(kind: i32, x: usize, out: usize, outer: i32, length: i32, inner: i32, scratch: usize): void {
  const rows = together(inner);
  const width = inner * rows;
  const widths = length / rows;
  const rowBytes = (<usize>inner) * 4;
  const wideBytes = (<usize>width) * 4;
  const total = scratch + wideBytes;
  for (let o = 0; o < outer; o++) {
    let rest = length;
    if (widths == 0) {
      memory.copy(out, x, rowBytes);
      x += rowBytes;
      rest--;
    } else {
      for (let first = 0; first < widths; first += BLOCK) {
        const partial = first == 0 ? total : scratch;
        memory.copy(partial, x, wideBytes);
        x += wideBytes;
        const last = min(first + BLOCK, widths);
        for (let row = first + 1; row < last; row++) {
          combine(kind, partial, x, width);
          x += wideBytes;
        }
        if (first > 0) combine(kind, total, scratch, width);
      }
      // The rows that lie side by side, halved until one is left.
      let left = rows;
      while (left > 1) {
        const half = left >> 1;
        combine(kind, total, total + (<usize>(left - half)) * rowBytes, half * inner);
        left -= half;
      }
      memory.copy(out, total, rowBytes);
      rest -= widths * rows;
    }
    for (; rest > 0; rest--) {
      combine(kind, out, x, inner);
      x += rowBytes;
    }
    out += rowBytes;
  }
}

/** out = values / divisor over `count` floats. */
export function divideBy(values: usize, divisor: f32, count: i32): void {
  for (let i = 0; i < count; i++) {
    store<f32>(values, load<f32>(values) / divisor);
    values += 4;
  }
}

/** Running sums of x [outer, length, inner] along `length`, from its end where `reverse`, without the element itself where `exclusive`. */
export function cumulativeSum(
  x: usize,
  out: usize,
  outer: i32,
  length: i32,
  inner: i32,
  exclusive: bool,
  reverse: bool,
): void {
  const rowBytes = (<usize>inner) * 4;
  const step: usize = reverse ? 0 - rowBytes : rowBytes;
  for (let o = 0; o < outer; o++) {
    const start = reverse ? (<usize>(length - 1)) * rowBytes : 0;
    let from = x + start;
    let to = out + start;
    if (inner == 1) {
      let sum: f32 = 0;
      for (let i = 0; i < length; i++) {
        const value = load<f32>(from);
        store<f32>(to, exclusive ? sum : sum + value);
        sum += value;
        from += step;
        to += step;
      }
    } else {
      if (exclusive) memory.fill(to, 0, rowBytes);
      else memory.copy(to, from, rowBytes);
      for (let i = 1; i < length; i++) {
        const before = to;
        to += step;
        // Exclusive sums take in the element before this one.
        const value = exclusive ? from : from + step;
        from += step;
        addRows(before, value, to, inner);
      }
    }
    x += (<usize>length) * rowBytes;
    out += (<usize>length) * rowBytes;
  }
}

function addRows(a: usize, b: usize, out: usize, count: i32): void {
  const end = out + (<usize>(count & ~3)) * 4;
  while (out < end) {
    v128.store(out, f32x4.add(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
    out += 16;
  }
  for (let i = 0; i < (count & 3); i++) {
    store<f32>(out, load<f32>(a) + load<f32>(b));
    a += 4;
    b += 4;
    out += 4;
  }
}
