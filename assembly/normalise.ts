import { madd } from './lib/vector';

// Batch norm over the rows of x [rows, channels], statistics of the batch, with ReLU fused in where asked for.
// Statistics are sums shifted by the first row (so that a large mean does not cancel) and taken per chunk of rows
// before they are added up; a chunk is summed one cache line of channels after the other, in registers. The passes that
// write walk memory contiguously, row by row: with channels outermost the prefetcher loses the stream (1.3-1.6x slower). Scratch is four rows of `channels` floats, each a multiple of 16 bytes.

/** Rows in a chunk: few enough for its sums to stay accurate and for `arrays` of them to lie in the first-level cache. */
// @ts-ignore: decorator
@inline
function chunkRows(channels: i32, arrays: i32): i32 {
  return max(16, min(256, 8192 / (channels * arrays)));
}

/** Bytes of a cache line: sixteen channels. */
const LINE: usize = 64;

// @ts-ignore: decorator
@inline
function roundUp16(bytes: usize): usize {
  return (bytes + 15) & ~(<usize>15);
}

/** a[0…n) += b[0…n), b = 0. */
function drain(a: usize, b: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 4) {
    store<f32>(a + i, load<f32>(a + i) + load<f32>(b + i));
    store<f32>(b + i, 0);
  }
}

/** sums += x - shift and squares += (x - shift)^2 over `rows` rows. */
function addMoments(x: usize, rows: i32, bytes: usize, shift: usize, sums: usize, squares: usize): void {
  const vectorBytes = bytes & ~(<usize>15);
  let start: usize = 0;
  for (; start + LINE <= bytes; start += LINE) {
    addLineMoments(x + start, rows, bytes, shift + start, sums + start, squares + start);
  }
  if (start == bytes) return;
  for (let row = 0; row < rows; row++) {
    let c = start;
    for (; c < vectorBytes; c += 16) {
      const d = f32x4.sub(v128.load(x + c), v128.load(shift + c));
      v128.store(sums + c, f32x4.add(v128.load(sums + c), d));
      v128.store(squares + c, madd(d, d, v128.load(squares + c)));
    }
    for (; c < bytes; c += 4) {
      const d = load<f32>(x + c) - load<f32>(shift + c);
      store<f32>(sums + c, load<f32>(sums + c) + d);
      store<f32>(squares + c, load<f32>(squares + c) + d * d);
    }
    x += bytes;
  }
}

/** `addMoments` for sixteen channels. */
function addLineMoments(x: usize, rows: i32, bytes: usize, shift: usize, sums: usize, squares: usize): void {
  const k0 = v128.load(shift);
  const k1 = v128.load(shift, 16);
  const k2 = v128.load(shift, 32);
  const k3 = v128.load(shift, 48);
  let a0 = v128.load(sums);
  let a1 = v128.load(sums, 16);
  let a2 = v128.load(sums, 32);
  let a3 = v128.load(sums, 48);
  let b0 = v128.load(squares);
  let b1 = v128.load(squares, 16);
  let b2 = v128.load(squares, 32);
  let b3 = v128.load(squares, 48);
  const end = x + (<usize>rows) * bytes;
  while (x < end) {
    const d0 = f32x4.sub(v128.load(x), k0);
    const d1 = f32x4.sub(v128.load(x, 16), k1);
    const d2 = f32x4.sub(v128.load(x, 32), k2);
    const d3 = f32x4.sub(v128.load(x, 48), k3);
    a0 = f32x4.add(a0, d0);
    a1 = f32x4.add(a1, d1);
    a2 = f32x4.add(a2, d2);
    a3 = f32x4.add(a3, d3);
    b0 = madd(d0, d0, b0);
    b1 = madd(d1, d1, b1);
    b2 = madd(d2, d2, b2);
    b3 = madd(d3, d3, b3);
    x += bytes;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, a2, 32);
  v128.store(sums, a3, 48);
  v128.store(squares, b0);
  v128.store(squares, b1, 16);
  v128.store(squares, b2, 32);
  v128.store(squares, b3, 48);
}

/** scale = gamma / sqrt(variance + epsilon), shift = beta - mean · scale: y = scale · x + shift. */
function affine(
  channels: i32,
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  epsilon: f32,
  scale: usize,
  shift: usize,
): void {
  for (let c: usize = 0; c < (<usize>channels) * 4; c += 4) {
    const factor = load<f32>(gamma + c) / sqrt<f32>(load<f32>(variance + c) + epsilon);
    store<f32>(scale + c, factor);
    store<f32>(shift + c, load<f32>(beta + c) - load<f32>(mean + c) * factor);
  }
}

/** y = scale · x + shift, at least `floor`, over all rows. */
function applyAffine(x: usize, y: usize, rows: i32, bytes: usize, scale: usize, shift: usize, floor: f32): void {
  const least = f32x4.splat(floor);
  const vectorBytes = bytes & ~(<usize>15);
  const pairBytes = bytes & ~(<usize>31);
  for (let row = 0; row < rows; row++) {
    let c: usize = 0;
    for (; c < pairBytes; c += 32) {
      const low = madd(v128.load(x + c), v128.load(scale + c), v128.load(shift + c));
      const high = madd(v128.load(x + c, 16), v128.load(scale + c, 16), v128.load(shift + c, 16));
      v128.store(y + c, f32x4.max(low, least));
      v128.store(y + c, f32x4.max(high, least), 16);
    }
    for (; c < vectorBytes; c += 16) {
      const value = madd(v128.load(x + c), v128.load(scale + c), v128.load(shift + c));
      v128.store(y + c, f32x4.max(value, least));
    }
    for (; c < bytes; c += 4) {
      const value = lane(load<f32>(x + c), load<f32>(scale + c), load<f32>(shift + c));
      store<f32>(y + c, max<f32>(value, floor));
    }
    x += bytes;
    y += bytes;
  }
}

/** One lane of `madd`: the tail rounds as the vectors do, so forward and gradient agree on where ReLU is active. */
// @ts-ignore: decorator
@inline
function lane(a: f32, b: f32, c: f32): f32 {
  return f32x4.extract_lane(madd(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c)), 0);
}

/**
 * sums += x - origin and squares += (x - origin)² over x [rows, channels], for `normStatistics`: a batch may come in
 * parts. `origin` [channels] is the batch's first row. Scratch is two rows.
 */
export function normMoments(
  x: usize,
  rows: i32,
  channels: i32,
  origin: usize,
  sums: usize,
  squares: usize,
  scratch: usize,
): void {
  const bytes = (<usize>channels) * 4;
  const chunkSquares = scratch + roundUp16(bytes);
  memory.fill(scratch, 0, 2 * roundUp16(bytes));
  const chunk = chunkRows(channels, 1);
  for (let row = 0; row < rows; row += chunk) {
    addMoments(x + (<usize>row) * bytes, min(chunk, rows - row), bytes, origin, scratch, chunkSquares);
    drain(sums, scratch, bytes);
    drain(squares, chunkSquares, bytes);
  }
}

/** Mean and biased variance [channels] of `rows` rows from their moments. */
export function normStatistics(
  origin: usize,
  sums: usize,
  squares: usize,
  rows: i32,
  channels: i32,
  mean: usize,
  variance: usize,
): void {
  const inverse = <f32>1 / <f32>rows;
  for (let c: usize = 0; c < (<usize>channels) * 4; c += 4) {
    const offset = load<f32>(sums + c) * inverse;
    store<f32>(mean + c, load<f32>(origin + c) + offset);
    store<f32>(variance + c, max<f32>(0, load<f32>(squares + c) * inverse - offset * offset));
  }
}

/** scale = gamma / sqrt(variance + epsilon), shift = beta - mean · scale, both [channels]: y = scale · x + shift. */
export function normAffine(
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  channels: i32,
  epsilon: f32,
  scale: usize,
  shift: usize,
): void {
  affine(channels, gamma, beta, mean, variance, epsilon, scale, shift);
}

/** y = scale · x + shift over x, y [rows, channels], with ReLU when `relu`. */
export function normApply(
  x: usize,
  y: usize,
  rows: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  relu: bool,
): void {
  applyAffine(x, y, rows, (<usize>channels) * 4, scale, shift, relu ? 0 : -Infinity);
}

/**
 * y = gamma · (x - mean) / sqrt(variance + epsilon) + beta over x, y [rows, channels], with ReLU when `relu`. Writes
 * the batch's mean and biased variance [channels].
 */
export function normTrain(
  x: usize,
  gamma: usize,
  beta: usize,
  y: usize,
  mean: usize,
  variance: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  relu: bool,
  scratch: usize,
): void {
  const step = roundUp16((<usize>channels) * 4);
  const sums = scratch;
  const squares = sums + step;
  memory.fill(scratch, 0, 2 * step);
  normMoments(x, rows, channels, x, sums, squares, squares + step);
  normStatistics(x, sums, squares, rows, channels, mean, variance);
  affine(channels, gamma, beta, mean, variance, epsilon, sums, squares);
  normApply(x, y, rows, channels, sums, squares, relu);
}

/**
 * dBeta += g and products += g · (x - mean) over dy, x [rows, channels], g = dy where ReLU was active, for
 * `normGradientTerms`. Scratch is two rows.
 */
export function normGradientMoments(
  dy: usize,
  x: usize,
  rows: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  mean: usize,
  relu: bool,
  dBeta: usize,
  products: usize,
  scratch: usize,
): void {
  const bytes = (<usize>channels) * 4;
  const chunkGamma = scratch + roundUp16(bytes);
  memory.fill(scratch, 0, 2 * roundUp16(bytes));
  const bound: f32 = relu ? 0 : -Infinity;
  const chunk = chunkRows(channels, 2);
  for (let row = 0; row < rows; row += chunk) {
    const offset = (<usize>row) * bytes;
    addGradientMoments(
      x + offset, dy + offset, min(chunk, rows - row), bytes, scale, shift, mean, bound, scratch, chunkGamma,
    );
    drain(dBeta, scratch, bytes);
    drain(products, chunkGamma, bytes);
  }
}

/** From the sums over all `rows` rows: dGamma in place of `products`, and a and b of dx = scale · g + a + b · x. */
export function normGradientTerms(
  dBeta: usize,
  products: usize,
  mean: usize,
  variance: usize,
  scale: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  a: usize,
  b: usize,
): void {
  const inverse = <f32>1 / <f32>rows;
  for (let c: usize = 0; c < (<usize>channels) * 4; c += 4) {
    const inverseDeviation = <f32>1 / sqrt<f32>(load<f32>(variance + c) + epsilon);
    const factor = load<f32>(scale + c);
    const sum = load<f32>(products + c) * inverseDeviation;
    store<f32>(products + c, sum);
    const slope = -factor * inverseDeviation * sum * inverse;
    store<f32>(b + c, slope);
    store<f32>(a + c, -factor * load<f32>(dBeta + c) * inverse - slope * load<f32>(mean + c));
  }
}

/** dx = scale · g + a + b · x over dy, x, dx [rows, channels], g = dy where ReLU was active. */
export function normGradientApply(
  dy: usize,
  x: usize,
  dx: usize,
  rows: i32,
  channels: i32,
  scale: usize,
  shift: usize,
  relu: bool,
  a: usize,
  b: usize,
): void {
  inputGradient(x, dy, dx, rows, (<usize>channels) * 4, scale, shift, relu ? 0 : -Infinity, a, b);
}

/**
 * Gradients of `normTrain`: dx [rows, channels], dGamma and dBeta [channels]. The ReLU's mask is found again from x.
 *
 *     g = dy where ReLU was active        dBeta = sum g        dGamma = sum g · (x - mean) / sqrt(variance + epsilon)
 *     dx = scale · (g - dBeta / rows - xHat · dGamma / rows) = scale · g + a + b · x
 */
export function normTrainGradient(
  dy: usize,
  x: usize,
  gamma: usize,
  beta: usize,
  mean: usize,
  variance: usize,
  dx: usize,
  dGamma: usize,
  dBeta: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
  relu: bool,
  scratch: usize,
): void {
  const step = roundUp16((<usize>channels) * 4);
  const scale = scratch;
  const shift = scale + step;
  const a = shift + step;
  const b = a + step;
  affine(channels, gamma, beta, mean, variance, epsilon, scale, shift);
  memory.fill(dGamma, 0, (<usize>channels) * 4);
  memory.fill(dBeta, 0, (<usize>channels) * 4);
  normGradientMoments(dy, x, rows, channels, scale, shift, mean, relu, dBeta, dGamma, a);
  normGradientTerms(dBeta, dGamma, mean, variance, scale, rows, channels, epsilon, a, b);
  normGradientApply(dy, x, dx, rows, channels, scale, shift, relu, a, b);
}

function addGradientMoments(
  x: usize,
  dy: usize,
  rows: i32,
  bytes: usize,
  scale: usize,
  shift: usize,
  mean: usize,
  bound: f32,
  sums: usize,
  products: usize,
): void {
  const least = f32x4.splat(bound);
  const vectorBytes = bytes & ~(<usize>15);
  let start: usize = 0;
  for (; start + LINE / 2 <= bytes; start += LINE / 2) {
    addHalfLineGradientMoments(
      x + start, dy + start, rows, bytes, scale + start, shift + start, mean + start, bound, sums + start, products + start,
    );
  }
  if (start == bytes) return;
  for (let row = 0; row < rows; row++) {
    let c = start;
    for (; c < vectorBytes; c += 16) {
      const value = v128.load(x + c);
      const active = f32x4.gt(madd(value, v128.load(scale + c), v128.load(shift + c)), least);
      const g = v128.and(v128.load(dy + c), active);
      v128.store(sums + c, f32x4.add(v128.load(sums + c), g));
      v128.store(products + c, madd(g, f32x4.sub(value, v128.load(mean + c)), v128.load(products + c)));
    }
    for (; c < bytes; c += 4) {
      const value = load<f32>(x + c);
      if (!(lane(value, load<f32>(scale + c), load<f32>(shift + c)) > bound)) continue;
      const g = load<f32>(dy + c);
      store<f32>(sums + c, load<f32>(sums + c) + g);
      store<f32>(products + c, load<f32>(products + c) + g * (value - load<f32>(mean + c)));
    }
    x += bytes;
    dy += bytes;
  }
}

/** `addGradientMoments` for eight channels. */
function addHalfLineGradientMoments(
  x: usize,
  dy: usize,
  rows: i32,
  bytes: usize,
  scale: usize,
  shift: usize,
  mean: usize,
  bound: f32,
  sums: usize,
  products: usize,
): void {
  const least = f32x4.splat(bound);
  const scale0 = v128.load(scale);
  const scale1 = v128.load(scale, 16);
  const shift0 = v128.load(shift);
  const shift1 = v128.load(shift, 16);
  const mean0 = v128.load(mean);
  const mean1 = v128.load(mean, 16);
  let a0 = v128.load(sums);
  let a1 = v128.load(sums, 16);
  let b0 = v128.load(products);
  let b1 = v128.load(products, 16);
  const end = x + (<usize>rows) * bytes;
  while (x < end) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const g0 = v128.and(v128.load(dy), f32x4.gt(madd(x0, scale0, shift0), least));
    const g1 = v128.and(v128.load(dy, 16), f32x4.gt(madd(x1, scale1, shift1), least));
    a0 = f32x4.add(a0, g0);
    a1 = f32x4.add(a1, g1);
    b0 = madd(g0, f32x4.sub(x0, mean0), b0);
    b1 = madd(g1, f32x4.sub(x1, mean1), b1);
    x += bytes;
    dy += bytes;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(products, b0);
  v128.store(products, b1, 16);
}

function inputGradient(
  x: usize,
  dy: usize,
  dx: usize,
  rows: i32,
  bytes: usize,
  scale: usize,
  shift: usize,
  bound: f32,
  a: usize,
  b: usize,
): void {
  const least = f32x4.splat(bound);
  const vectorBytes = bytes & ~(<usize>15);
  const pairBytes = bytes & ~(<usize>31);
  for (let row = 0; row < rows; row++) {
    let c: usize = 0;
    for (; c < pairBytes; c += 32) {
      const x0 = v128.load(x + c);
      const x1 = v128.load(x + c, 16);
      const factor0 = v128.load(scale + c);
      const factor1 = v128.load(scale + c, 16);
      const g0 = v128.and(v128.load(dy + c), f32x4.gt(madd(x0, factor0, v128.load(shift + c)), least));
      const g1 = v128.and(v128.load(dy + c, 16), f32x4.gt(madd(x1, factor1, v128.load(shift + c, 16)), least));
      const dx0 = madd(g0, factor0, madd(x0, v128.load(b + c), v128.load(a + c)));
      const dx1 = madd(g1, factor1, madd(x1, v128.load(b + c, 16), v128.load(a + c, 16)));
      v128.store(dx + c, dx0);
      v128.store(dx + c, dx1, 16);
    }
    for (; c < vectorBytes; c += 16) {
      const value = v128.load(x + c);
      const factor = v128.load(scale + c);
      const active = f32x4.gt(madd(value, factor, v128.load(shift + c)), least);
      const g = v128.and(v128.load(dy + c), active);
      v128.store(dx + c, madd(g, factor, madd(value, v128.load(b + c), v128.load(a + c))));
    }
    for (; c < bytes; c += 4) {
      const value = load<f32>(x + c);
      const factor = load<f32>(scale + c);
      const g: f32 = lane(value, factor, load<f32>(shift + c)) > bound ? load<f32>(dy + c) : 0;
      store<f32>(dx + c, g * factor + (value * load<f32>(b + c) + load<f32>(a + c)));
    }
    x += bytes;
    dy += bytes;
    dx += bytes;
  }
}
