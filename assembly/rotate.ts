// A random rotation as rounds of (signs, Walsh-Hadamard transform) on blocks of 2^m components: O(d log d), no matrix. Two
// rounds on one block where the dimension is a power of two; else four, on the first and the last 2^m components in turn.
// (Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009, section 2, use one round; the second spreads
// vectors that happen to be built like a row of the transform.)
//
// Rounding. A transform of size p is log2(p) levels of a ± b. A sum rounds by at most u = 2^-24 of itself, so a level adds an
// error of at most u times the length of its result; a level is √2 times a rotation, so relative to the length nothing
// grows: log2(p) u a transform. The multiplication with ±1/√p adds 2u (the constant and the product). All in all, with
// R = rounds * (log2(p) + 2):
//   |computed - rotated| <= R u |x| (1 + R u)
// whatever the vector, as long as nothing underflows (encode.ts and prepare.ts see to that).

/** Transform of `count` components, a power of two, unscaled, in place. */
function transform(x: usize, count: i32): void {
  if (count < 4) {
    if (count == 2) {
      const a = load<f32>(x);
      const b = load<f32>(x, 4);
      store<f32>(x, a + b);
      store<f32>(x, a - b, 4);
    }
    return;
  }
  const end = x + ((<usize>count) << 2);
  const odd = f32x4(1, -1, 1, -1);
  const high = f32x4(1, 1, -1, -1);
  for (let p = x; p < end; p += 16) {
    let v = v128.load(p);
    // (a, b, c, d) -> (a + b, a - b, c + d, c - d): the multiplication by ±1 is exact
    v = f32x4.add(
      i8x16.shuffle(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11),
      f32x4.mul(odd, i8x16.shuffle(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15)),
    );
    v = f32x4.add(
      i8x16.shuffle(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7),
      f32x4.mul(high, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)),
    );
    v128.store(p, v);
  }
  for (let half: usize = 16; half < end - x; half <<= 1) {
    for (let block = x; block < end; block += half << 1) {
      const stop = block + half;
      for (let p = block; p < stop; p += 16) {
        const a = v128.load(p);
        const b = v128.load(p + half);
        v128.store(p, f32x4.add(a, b));
        v128.store(p + half, f32x4.sub(a, b));
      }
    }
  }
}

/**
 * Rotates a vector in place.
 * x: f32 [dim]; signs: f32 [rounds, block], each ±1 / √block; block: the largest power of two up to dim; odd rounds work on
 * the last `block` components, even ones on the first.
 */
export function rotate(x: usize, dim: i32, block: i32, rounds: i32, signs: usize): void {
  const bytes = (<usize>block) << 2;
  const last = ((<usize>(dim - block)) << 2);
  for (let round = 0; round < rounds; round++) {
    const at = round & 1 ? x + last : x;
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) v128.store(at + j, f32x4.mul(v128.load(at + j), v128.load(signs + j)));
    for (; j < bytes; j += 4) store<f32>(at + j, load<f32>(at + j) * load<f32>(signs + j));
    transform(at, block);
    signs += bytes;
  }
}
