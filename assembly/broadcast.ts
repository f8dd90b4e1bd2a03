// Functions of two float32 tensors that broadcast. Shapes come as four axes, outermost first; an operand along whose axis
// an element repeats has stride 0 there. A block of int32 holds sizes [4], strides of a [4], strides of b [4], in elements;
// strides of the last axis are 0 or 1, and the output is dense.

const MAXIMUM = 0;
const MINIMUM = 1;
const EQUAL = 2;
const LESS = 3;
const LESS_EQUAL = 4;

// @ts-ignore: decorator
@inline
function number(block: usize, place: i32): i32 {
  return load<i32>(block + (<usize>place) * 4);
}

// @ts-ignore: decorator
@inline
function bytes(block: usize, place: i32): usize {
  return (<usize>number(block, place)) * 4;
}

/**
 * out = the larger (kind 0) or smaller (1) of a and b, as float32, or whether they are equal (2), a < b (3), a <= b (4), as
 * bytes of 0 and 1, which `flipped` turns round. Scratch of 32 bytes.
 */
export function broadcastBinary(kind: i32, flipped: i32, block: usize, a: usize, b: usize, out: usize, scratch: usize): void {
  const count = number(block, 3);
  const aStep = number(block, 7) == 0 ? 0 : 1;
  const bStep = number(block, 11) == 0 ? 0 : 1;
  const width: usize = kind <= MINIMUM ? 4 : 1;
  let a0 = a;
  let b0 = b;
  for (let i = 0; i < number(block, 0); i++) {
    let a1 = a0;
    let b1 = b0;
    for (let j = 0; j < number(block, 1); j++) {
      let a2 = a1;
      let b2 = b1;
      for (let k = 0; k < number(block, 2); k++) {
        if (kind <= MINIMUM) extremeRow(kind, a2, aStep, b2, bStep, out, count, scratch);
        else compareRow(kind, flipped, a2, aStep, b2, bStep, out, count, scratch);
        out += (<usize>count) * width;
        a2 += bytes(block, 6);
        b2 += bytes(block, 10);
      }
      a1 += bytes(block, 5);
      b1 += bytes(block, 9);
    }
    a0 += bytes(block, 4);
    b0 += bytes(block, 8);
  }
}

function extremeRow(
  kind: i32,
  a: usize,
  aStep: i32,
  b: usize,
  bStep: i32,
  out: usize,
  count: i32,
  scratch: usize,
): void {
  // A number that repeats is read as a vector that repeats.
  if (aStep == 0) v128.store(scratch, v128.load32_splat(a));
  if (bStep == 0) v128.store(scratch, v128.load32_splat(b), 16);
  if (aStep == 0) a = scratch;
  if (bStep == 0) b = scratch + 16;
  const aBytes = (<usize>aStep) * 16;
  const bBytes = (<usize>bStep) * 16;
  const end = out + (<usize>(count & ~3)) * 4;
  if (kind == MAXIMUM) {
    while (out < end) {
      v128.store(out, f32x4.max(v128.load(a), v128.load(b)));
      a += aBytes;
      b += bBytes;
      out += 16;
    }
  } else {
    while (out < end) {
      v128.store(out, f32x4.min(v128.load(a), v128.load(b)));
      a += aBytes;
      b += bBytes;
      out += 16;
    }
  }
  for (let i = 0; i < (count & 3); i++) {
    const left = load<f32>(a);
    const right = load<f32>(b);
    store<f32>(out, kind == MAXIMUM ? max<f32>(left, right) : min<f32>(left, right));
    a += aBytes >> 2;
    b += bBytes >> 2;
    out += 4;
  }
}

// @ts-ignore: decorator
@inline
function compare(kind: i32, a: v128, b: v128): v128 {
  return kind == EQUAL ? f32x4.eq(a, b) : kind == LESS ? f32x4.lt(a, b) : f32x4.le(a, b);
}

function compareRow(
  kind: i32,
  flipped: i32,
  a: usize,
  aStep: i32,
  b: usize,
  bStep: i32,
  out: usize,
  count: i32,
  scratch: usize,
): void {
  if (aStep == 0) v128.store(scratch, v128.load32_splat(a));
  if (bStep == 0) v128.store(scratch, v128.load32_splat(b), 16);
  if (aStep == 0) a = scratch;
  if (bStep == 0) b = scratch + 16;
  const aBytes = (<usize>aStep) * 16;
  const bBytes = (<usize>bStep) * 16;
  const turn = i8x16.splat(<i8>flipped);
  const one = i8x16.splat(1);
  const end = out + (<usize>(count & ~15));
  while (out < end) {
    const m0 = compare(kind, v128.load(a), v128.load(b));
    a += aBytes;
    b += bBytes;
    const m1 = compare(kind, v128.load(a), v128.load(b));
    a += aBytes;
    b += bBytes;
    const m2 = compare(kind, v128.load(a), v128.load(b));
    a += aBytes;
    b += bBytes;
    const m3 = compare(kind, v128.load(a), v128.load(b));
    a += aBytes;
    b += bBytes;
    const mask = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(m0, m1), i16x8.narrow_i32x4_s(m2, m3));
    v128.store(out, v128.xor(v128.and(mask, one), turn));
    out += 16;
  }
  for (let i = 0; i < (count & 15); i++) {
    const left = load<f32>(a);
    const right = load<f32>(b);
    const holds = kind == EQUAL ? left == right : kind == LESS ? left < right : left <= right;
    store<u8>(out, <u8>holds ^ <u8>flipped);
    a += aBytes >> 2;
    b += bBytes >> 2;
    out++;
  }
}
