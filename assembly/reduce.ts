/**
 * out[segments[row]][…] += x[row][…] over rows of `length` floats: out [count, length] is set to zero first, rows whose
 * segment is outside 0 … count - 1 are left out (as TensorFlow's unsorted_segment_sum does with negative ones).
 */
export function unsortedSegmentSum(x: usize, segments: usize, out: usize, rows: i32, length: i32, count: i32): void {
  const bytes = (<usize>length) * 4;
  const vectorBytes = bytes & ~(<usize>15);
  memory.fill(out, 0, (<usize>count) * bytes);
  for (let row = 0; row < rows; row++) {
    const segment = load<i32>(segments + (<usize>row) * 4);
    if (segment >= 0 && segment < count) {
      const to = out + (<usize>segment) * bytes;
      let i: usize = 0;
      for (; i < vectorBytes; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(x + i)));
      for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(x + i));
    }
    x += bytes;
  }
}

/** sum[i] += addend[i] over `length` floats. */
export function accumulate(sum: usize, addend: usize, length: i32): void {
  const end = sum + (<usize>(length & ~7)) * 4;
  while (sum < end) {
    const low = f32x4.add(v128.load(sum), v128.load(addend));
    const high = f32x4.add(v128.load(sum, 16), v128.load(addend, 16));
    v128.store(sum, low);
    v128.store(sum, high, 16);
    sum += 32;
    addend += 32;
  }
  for (let i = 0; i < (length & 7); i++) {
    store<f32>(sum, load<f32>(sum) + load<f32>(addend));
    sum += 4;
    addend += 4;
  }
}
