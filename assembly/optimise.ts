import { madd, nmadd } from './lib/vector';

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
