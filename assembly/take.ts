/**
 * out[o][i] = x[o][indices[i]] for x [outer, length, slice] and int32 indices [count], in bytes of `slice`. Indices must
 * be within 0 … length - 1.
 */
export function take(x: usize, indices: usize, out: usize, outer: i32, length: i32, count: i32, slice: usize): void {
  for (let o = 0; o < outer; o++) {
    if (slice == 4) {
      for (let i = 0; i < count; i++) {
        store<u32>(out, load<u32>(x + (<usize>load<i32>(indices + (<usize>i) * 4)) * 4));
        out += 4;
      }
    } else {
      for (let i = 0; i < count; i++) {
        memory.copy(out, x + (<usize>load<i32>(indices + (<usize>i) * 4)) * slice, slice);
        out += slice;
      }
    }
    x += (<usize>length) * slice;
  }
}

/** out [outer, times, bytes]: each of x [outer, bytes] repeated; `bytes` is a multiple of 4. */
export function repeat(x: usize, out: usize, outer: i32, bytes: usize, times: i32): void {
  for (let o = 0; o < outer; o++) {
    if (bytes == 4) {
      const value = load<u32>(x);
      const vector = i32x4.splat(value);
      let i = 0;
      for (; i + 4 <= times; i += 4) {
        v128.store(out, vector);
        out += 16;
      }
      for (; i < times; i++) {
        store<u32>(out, value);
        out += 4;
      }
    } else {
      for (let i = 0; i < times; i++) {
        memory.copy(out, x, bytes);
        out += bytes;
      }
    }
    x += bytes;
  }
}
