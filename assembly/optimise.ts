import { madd, nmadd, sumLanes } from './lib/vector';

/**
 * One step of Adam (Kingma & Ba 2015, algorithm 1, as PyTorch orders it) in place over `length` parameters:
 *
 *     g = gradient + decay · parameter          m = beta1 · m + (1 - beta1) · g        v = beta2 · v + (1 - beta2) · g²
 *     parameter = parameter · shrink - stepSize · m / (sqrt(v) · rootScale + epsilon)
 *
 * The caller folds the bias corrections into stepSize = rate / (1 - beta1^t) and rootScale = 1 / sqrt(1 - beta2^t), and
 * decoupled decay into shrink = 1 - rate · decay.
 */
export function adamStep(
  parameter: usize,
  m: usize,
  v: usize,
  gradient: usize,
  length: i32,
  beta1: f32,
  complement1: f32,
  beta2: f32,
  complement2: f32,
  stepSize: f32,
  rootScale: f32,
  epsilon: f32,
  decay: f32,
  shrink: f32,
): void {
  const keep1 = f32x4.splat(beta1);
  const add1 = f32x4.splat(complement1);
  const keep2 = f32x4.splat(beta2);
  const add2 = f32x4.splat(complement2);
  const size = f32x4.splat(stepSize);
  const root = f32x4.splat(rootScale);
  const tiny = f32x4.splat(epsilon);
  const pull = f32x4.splat(decay);
  const factor = f32x4.splat(shrink);
  const end = parameter + (<usize>(length & ~7)) * 4;
  while (parameter < end) {
    const p0 = v128.load(parameter);
    const p1 = v128.load(parameter, 16);
    const g0 = madd(pull, p0, v128.load(gradient));
    const g1 = madd(pull, p1, v128.load(gradient, 16));
    const m0 = madd(keep1, v128.load(m), f32x4.mul(add1, g0));
    const m1 = madd(keep1, v128.load(m, 16), f32x4.mul(add1, g1));
    const v0 = madd(keep2, v128.load(v), f32x4.mul(add2, f32x4.mul(g0, g0)));
    const v1 = madd(keep2, v128.load(v, 16), f32x4.mul(add2, f32x4.mul(g1, g1)));
    v128.store(m, m0);
    v128.store(m, m1, 16);
    v128.store(v, v0);
    v128.store(v, v1, 16);
    const update0 = f32x4.div(m0, madd(f32x4.sqrt(v0), root, tiny));
    const update1 = f32x4.div(m1, madd(f32x4.sqrt(v1), root, tiny));
    v128.store(parameter, nmadd(size, update0, f32x4.mul(p0, factor)));
    v128.store(parameter, nmadd(size, update1, f32x4.mul(p1, factor)), 16);
    parameter += 32;
    gradient += 32;
    m += 32;
    v += 32;
  }
  for (let i = 0; i < (length & 7); i++) {
    const p = load<f32>(parameter);
    const g = load<f32>(gradient) + decay * p;
    const newM = beta1 * load<f32>(m) + complement1 * g;
    const newV = beta2 * load<f32>(v) + complement2 * (g * g);
    store<f32>(m, newM);
    store<f32>(v, newV);
    store<f32>(parameter, p * shrink - (stepSize * newM) / (sqrt<f32>(newV) * rootScale + epsilon));
    parameter += 4;
    gradient += 4;
    m += 4;
    v += 4;
  }
}

/**
 * One step of gradient descent with momentum in place over `length` parameters:
 *
 *     g = gradient + decay · parameter                v = momentum · v + gain · g
 *     parameter -= rate · v                           or, nesterov, rate · (momentum · v + gain · g)
 *
 * SGD as PyTorch orders it has gain 1; LARS has the layer's rate in the gain and rate 1.
 */
export function momentumStep(
  parameter: usize,
  v: usize,
  gradient: usize,
  length: i32,
  momentum: f32,
  gain: f32,
  rate: f32,
  decay: f32,
  nesterov: i32,
): void {
  const keep = f32x4.splat(momentum);
  const add = f32x4.splat(gain);
  const size = f32x4.splat(rate);
  const pull = f32x4.splat(decay);
  const end = parameter + (<usize>(length & ~3)) * 4;
  while (parameter < end) {
    const p = v128.load(parameter);
    const g = f32x4.mul(add, madd(pull, p, v128.load(gradient)));
    const newV = madd(keep, v128.load(v), g);
    v128.store(v, newV);
    const update = nesterov ? madd(keep, newV, g) : newV;
    v128.store(parameter, nmadd(size, update, p));
    parameter += 16;
    gradient += 16;
    v += 16;
  }
  for (let i = 0; i < (length & 3); i++) {
    const p = load<f32>(parameter);
    const g = gain * (load<f32>(gradient) + decay * p);
    const newV = momentum * load<f32>(v) + g;
    store<f32>(v, newV);
    store<f32>(parameter, p - rate * (nesterov ? momentum * newV + g : newV));
    parameter += 4;
    gradient += 4;
    v += 4;
  }
}

/** target = keep · target + add · source over `length` numbers: averages, sums and scales. */
export function blend(target: usize, source: usize, length: i32, keep: f32, add: f32): void {
  const old = f32x4.splat(keep);
  const more = f32x4.splat(add);
  const end = target + (<usize>(length & ~3)) * 4;
  for (; target < end; target += 16, source += 16) {
    v128.store(target, madd(old, v128.load(target), f32x4.mul(more, v128.load(source))));
  }
  for (let i = 0; i < (length & 3); i++, target += 4, source += 4) {
    store<f32>(target, keep * load<f32>(target) + add * load<f32>(source));
  }
}

/** Numbers that are added up in float32 before they go to the float64 sum. */
const RUN = 512;

/** Sum of (values + scale · others)^2 over `length` numbers. */
export function squaredNorm(values: usize, others: usize, length: i32, scale: f32): f64 {
  const factor = f32x4.splat(scale);
  let total: f64 = 0;
  for (let first = 0; first < length; first += RUN) {
    const count = min<i32>(RUN, length - first);
    let sum = f32x4.splat(0);
    const end = values + (<usize>(count & ~3)) * 4;
    for (; values < end; values += 16, others += 16) {
      const x = madd(factor, v128.load(others), v128.load(values));
      sum = madd(x, x, sum);
    }
    total += <f64>sumLanes(sum);
    for (let i = 0; i < (count & 3); i++, values += 4, others += 4) {
      const x = load<f32>(values) + scale * load<f32>(others);
      total += <f64>(x * x);
    }
  }
  return total;
}
