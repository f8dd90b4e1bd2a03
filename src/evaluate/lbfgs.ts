/** A function to minimise: writes the gradient at `x` and returns the value. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** Ends when the largest entry of the gradient is below. Default 1e-5. */
  readonly tolerance?: number;
  readonly maxIterations?: number;
  /** Pairs of steps and gradient changes that are kept. Default 10. */
  readonly memory?: number;
  /** Values closer than this share of their size count as equal: for functions that compute in float32. Default 0. */
  readonly precision?: number;
}

export interface LbfgsResult {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** The gradient fell below the tolerance, rather than the iterations or the step length ran out. */
  readonly converged: boolean;
}

/** Share of the slope that a step must bring (Armijo), and how often a step is halved before giving up. */
const SUFFICIENT = 1e-4;
const MOST_HALVINGS = 30;

/**
 * Limited-memory BFGS (Liu and Nocedal 1989; Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 7.5) with
 * a step that is halved until it brings enough. Meant for convex functions. Deterministic.
 *
 * @param start left as it is
 */
export function minimise(f: Differentiable, start: Float64Array, options: LbfgsOptions = {}): LbfgsResult {
  const { tolerance = 1e-5, maxIterations = 200, memory = 10, precision = 0 } = options;
  const n = start.length;
  let x = start.slice();
  let gradient = new Float64Array(n);
  let value = f(x, gradient);
  const history: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (largest(gradient) <= tolerance) return { x, value, iterations: iteration, converged: true };
    const direction = descent(gradient, history);
    const slope = dot(direction, gradient);
    // Without curvature yet, a first step of length 1 at most.
    let step = history.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    const next = new Float64Array(n);
    const nextGradient = new Float64Array(n);
    let nextValue = Number.POSITIVE_INFINITY;
    let halvings = 0;
    for (; halvings < MOST_HALVINGS; halvings++, step /= 2) {
      for (let i = 0; i < n; i++) next[i] = x[i]! + step * direction[i]!;
      nextValue = f(next, nextGradient);
      if (nextValue <= value + SUFFICIENT * step * slope + precision * Math.abs(value)) break;
    }
    if (halvings === MOST_HALVINGS) return { x, value, iterations: iteration, converged: false };
    const s = new Float64Array(n);
    const y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      s[i] = next[i]! - x[i]!;
      y[i] = nextGradient[i]! - gradient[i]!;
    }
    const curvature = dot(s, y);
    // A pair without curvature would make the direction one of ascent.
    if (curvature > 1e-12 * dot(y, y)) history.push({ s, y, rho: 1 / curvature });
    if (history.length > memory) history.shift();
    x = next;
    gradient = nextGradient;
    value = nextValue;
  }
  return { x, value, iterations: maxIterations, converged: largest(gradient) <= tolerance };
}

/** The two-loop recursion: minus the approximate inverse Hessian times the gradient. */
function descent(
  gradient: Float64Array,
  history: readonly { readonly s: Float64Array; readonly y: Float64Array; readonly rho: number }[],
): Float64Array {
  const direction = gradient.map((value) => -value);
  const weights = new Float64Array(history.length);
  for (let j = history.length - 1; j >= 0; j--) {
    const { s, y, rho } = history[j]!;
    weights[j] = rho * dot(s, direction);
    add(direction, y, -weights[j]!);
  }
  const last = history.at(-1);
  if (last) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
  }
  history.forEach(({ s, y, rho }, j) => {
    add(direction, s, weights[j]! - rho * dot(y, direction));
  });
  return direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function add(target: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * source[i]!;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
