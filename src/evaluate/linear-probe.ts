import { NearmissError } from '../errors.js';
import {
  floats,
  loadTrainingKernels,
  multiplyMatrices,
  standaloneHeap,
  type TrainingKernels,
} from '../kernels/index.js';
import { minimise } from './lbfgs.js';
import { expectLength } from './retrieval.js';
import { rowCount } from './similarity.js';

export interface ProbeOptions {
  /** C, the inverse of the L2 penalty: C · Σ cross entropy + ½|W|². Default 0.1. */
  readonly c?: number;
  /** Default 200. */
  readonly maxIterations?: number;
}

/** A fitted linear classifier of features. */
export interface LinearProbe {
  /** Labels that it tells apart, ascending. */
  readonly labels: readonly number[];
  /** Logits' weights [width + 1, labels], the last row the intercepts, for standardised features. */
  readonly weights: Float64Array;
  /** The value of the objective, mean cross entropy + |W|²/(2 C n). */
  readonly value: number;
  readonly converged: boolean;
  /** The likeliest label of each row [count, width]. */
  predict(features: Float32Array): Int32Array;
}

const TOLERANCE = 1e-5;
/** Of a loss whose logits are float32. */
const PRECISION = 1e-7;

/**
 * The linear probe: multinomial logistic regression on frozen features (Zhang et al. 2016; "linear evaluation" of Chen
 * et al. 2020). Features are standardised by the mean and deviation of the training rows; intercepts are not
 * penalised; minimised by L-BFGS from 0, so the same rows give the same probe. With the same C it is scikit-learn's
 * `LogisticRegression(C)` on `StandardScaler`.
 *
 * @param features [count, width] of an encoder in inference mode
 * @param labels [count], whole numbers
 * @throws `NM_SHAPE_MISMATCH`; `NM_OPTION_INVALID` for fewer than two labels or C not above 0
 */
export async function fitLinearProbe(
  features: Float32Array,
  labels: ArrayLike<number>,
  width: number,
  options: ProbeOptions = {},
): Promise<LinearProbe> {
  const { c = 0.1, maxIterations = 200 } = options;
  const count = rowCount(features, width, 'features');
  expectLength('labels', labels, count);
  const known = [...new Set(Array.from(labels))].sort((a, b) => a - b);
  if (known.length < 2) {
    throw new NearmissError('NM_OPTION_INVALID', `linear probe: found ${known.length} labels, allowed: at least two`);
  }
  if (!(c > 0)) throw new NearmissError('NM_OPTION_INVALID', `linear probe: c: found ${c}, allowed: a number above 0`);
  const scale = standardisation(features, width);
  const place = new Map(known.map((label, i) => [label, i]));
  const targets = Int32Array.from({ length: count }, (_, row) => place.get(labels[row]!)!);
  const kernels = await loadTrainingKernels(standaloneHeap());
  const problem = new LogisticProblem(kernels, scale.apply(features), targets, width, known.length, 1 / (c * count));
  try {
    const start = new Float64Array((width + 1) * known.length);
    const { x, value, converged } = minimise(problem.evaluate, start, {
      tolerance: TOLERANCE,
      maxIterations,
      precision: PRECISION,
    });
    return {
      labels: known,
      weights: x,
      value,
      converged,
      predict: (rows) => predict(scale.apply(rows), x, width, known),
    };
  } finally {
    problem.close();
  }
}

/** Subtracts the columns' means and divides by their deviations; constant columns become 0. */
function standardisation(rows: Float32Array, width: number): { apply(rows: Float32Array): Float32Array } {
  const count = rows.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) mean[i % width]! += rows[i]! / count;
  const variance = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) variance[i % width]! += (rows[i]! - mean[i % width]!) ** 2 / count;
  const factor = variance.map((value, i) => (value > 1e-12 * (1 + mean[i]! ** 2) ? 1 / Math.sqrt(value) : 0));
  return {
    apply: (source) => Float32Array.from(source, (value, i) => (value - mean[i % width]!) * factor[i % width]!),
  };
}

/** Mean cross entropy of softmax(X W + b) with its penalty; the products run in float32 SIMD, sums in float64. */
class LogisticProblem {
  private readonly kernels: TrainingKernels;
  private readonly targets: Int32Array;
  private readonly width: number;
  private readonly classes: number;
  private readonly penalty: number;
  private readonly x: number;
  private readonly w: number;
  private readonly logits: number;
  private readonly products: number;

  constructor(
    kernels: TrainingKernels,
    features: Float32Array,
    targets: Int32Array,
    width: number,
    classes: number,
    penalty: number,
  ) {
    this.kernels = kernels;
    this.targets = targets;
    this.width = width;
    this.classes = classes;
    this.penalty = penalty;
    const { heap } = kernels;
    this.x = heap.malloc(features.byteLength);
    this.w = heap.malloc(4 * width * classes);
    this.logits = heap.malloc(4 * targets.length * classes);
    this.products = heap.malloc(4 * width * classes);
    floats(heap, this.x, features.length).set(features);
  }

  readonly evaluate = (parameters: Float64Array, gradient: Float64Array): number => {
    const { kernels, targets, width, classes, penalty } = this;
    const { heap } = kernels;
    const count = targets.length;
    const size = width * classes;
    floats(heap, this.w, size).set(parameters.subarray(0, size));
    const shape = { a: this.x, rows: count, depth: width, columns: classes };
    multiplyMatrices(kernels, { ...shape, b: this.w, out: this.logits, transposeA: false, transposeB: false });
    const logits = floats(heap, this.logits, count * classes);
    const bias = parameters.subarray(size);
    gradient.fill(0);
    let loss = 0;
    const p = new Float64Array(classes);
    for (let row = 0; row < count; row++) {
      const at = row * classes;
      let most = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < classes; k++) {
        p[k] = logits[at + k]! + bias[k]!;
        most = Math.max(most, p[k]!);
      }
      const target = targets[row]!;
      const right = p[target]! - most;
      let sum = 0;
      for (let k = 0; k < classes; k++) {
        p[k] = Math.exp(p[k]! - most);
        sum += p[k]!;
      }
      loss += Math.log(sum) - right;
      for (let k = 0; k < classes; k++) {
        const residual = (p[k]! / sum - (k === target ? 1 : 0)) / count;
        logits[at + k] = residual;
        gradient[size + k]! += residual;
      }
    }
    multiplyMatrices(kernels, {
      a: this.x,
      b: this.logits,
      out: this.products,
      rows: width,
      depth: count,
      columns: classes,
      transposeA: true,
      transposeB: false,
    });
    const products = floats(heap, this.products, size);
    let square = 0;
    for (let i = 0; i < size; i++) {
      const weight = parameters[i]!;
      gradient[i] = products[i]! + penalty * weight;
      square += weight * weight;
    }
    return loss / count + 0.5 * penalty * square;
  };

  close(): void {
    for (const address of [this.x, this.w, this.logits, this.products]) this.kernels.heap.free(address);
  }
}

function predict(features: Float32Array, weights: Float64Array, width: number, labels: readonly number[]): Int32Array {
  const count = rowCount(features, width, 'features');
  const classes = labels.length;
  const logits = new Float64Array(classes);
  return Int32Array.from({ length: count }, (_, row) => {
    logits.set(weights.subarray(width * classes));
    for (let i = 0; i < width; i++) {
      const value = features[row * width + i]!;
      const at = i * classes;
      for (let k = 0; k < classes; k++) logits[k]! += value * weights[at + k]!;
    }
    return labels[logits.indexOf(Math.max(...logits))] ?? -1;
  });
}
