import {
  type ConvolutionAlgorithm,
  type ConvolutionShape,
  ConvolutionWork,
  chooseConvolution,
  floats,
  type TrainingKernels,
} from '../kernels/index.js';
import { NORM_EPSILON } from './graph.js';
import type { NormReplicas } from './norm-replicas.js';
import {
  type AddNode,
  type ConvStep,
  inputsOf,
  type NormNode,
  outputOf,
  type PassPlan,
  type Place,
} from './pass-plan.js';

/** Addresses of what a pass works on, all float32 in the kernels' heap. */
export interface PassMemory {
  readonly batch: number;
  /** Replicas that batch norms take their statistics with; undefined: each its own. */
  readonly together: NormReplicas | undefined;
  readonly precise: boolean;
  /** Normalised pictures [batch, height, width, 3]. */
  readonly pictures: number;
  /** The feature map [batch, height, width, channels]. */
  readonly features: number;
  /** Weights by tensor name: `<conv>.kernel`, `<norm>.gamma`, `<norm>.beta`. */
  readonly weights: ReadonlyMap<string, number>;
  /** Outputs of convolutions, before their norms, and of joins other than the last [batch, height, width, channels]. */
  readonly kept: ReadonlyMap<string, number>;
  /** Means and biased variances [channels] by norm, as `<norm>.mean` and `<norm>.variance`. */
  readonly statistics: ReadonlyMap<string, number>;
}

/** Bytes of a part's largest image data: what a step writes is still in the second-level cache for the next step. */
const PART_BYTES = 262144;

const elementsOf = ({ height, width, channels }: Place): number => height * width * channels;

/** Work space of a stage or pass, freed together. */
class Space {
  private readonly kernels: TrainingKernels;
  private readonly blocks = new Set<number>();

  constructor(kernels: TrainingKernels) {
    this.kernels = kernels;
  }

  take(bytes: number): number {
    const address = this.kernels.heap.malloc(bytes);
    this.blocks.add(address);
    return address;
  }

  zeros(length: number): number {
    const address = this.take(4 * length);
    floats(this.kernels.heap, address, length).fill(0);
    return address;
  }

  release(address: number): void {
    if (this.blocks.delete(address)) this.kernels.heap.free(address);
  }

  free(): void {
    for (const block of this.blocks) this.kernels.heap.free(block);
    this.blocks.clear();
  }
}

/** A norm as scale and shift [channels]. */
interface Affine {
  readonly norm: NormNode;
  readonly scale: number;
  readonly shift: number;
}

/** What both directions of a pass share. */
export class TrainingPass {
  protected readonly kernels: TrainingKernels;
  protected readonly plan: PassPlan;
  protected readonly memory: PassMemory;
  protected readonly space: Space;
  protected readonly convOf: ReadonlyMap<string, ConvStep>;
  private readonly affines = new Map<string, Affine>();

  constructor(kernels: TrainingKernels, plan: PassPlan, memory: PassMemory) {
    this.kernels = kernels;
    this.plan = plan;
    this.memory = memory;
    this.space = new Space(kernels);
    this.convOf = new Map(plan.norms.map((step) => [step.norm.name, step]));
  }

  protected place(name: string): Place {
    return this.plan.places.get(name)!;
  }

  protected weight(name: string): number {
    return this.memory.weights.get(name)!;
  }

  /** Bytes of `images` images of a value or convolution. */
  protected bytes(name: string, images: number): number {
    return 4 * images * elementsOf(this.place(name));
  }

  protected rows(name: string, images: number): number {
    const { height, width } = this.place(name);
    return images * height * width;
  }

  /** Images of a part in a stage of these steps. */
  protected partOf(stage: readonly (ConvStep | { readonly op: 'add'; readonly add: AddNode })[]): number {
    const largest = Math.max(
      ...stage.flatMap((step) => [outputOf(step), ...inputsOf(step)]).map((name) => this.bytes(name, 1)),
    );
    return Math.min(this.memory.batch, Math.max(1, Math.floor(PART_BYTES / largest)));
  }

  protected work({ conv }: ConvStep, part: number): ConvolutionWork {
    const [from, to] = [this.place(conv.input), this.place(conv.name)];
    const shape: ConvolutionShape = {
      batch: part,
      inHeight: from.height,
      inWidth: from.width,
      inChannels: from.channels,
      outHeight: to.height,
      outWidth: to.width,
      outChannels: to.channels,
      filterHeight: conv.kernel,
      filterWidth: conv.kernel,
      strideHeight: conv.stride,
      strideWidth: conv.stride,
      dilationHeight: 1,
      dilationWidth: 1,
      padTop: (conv.kernel - 1) / 2,
      padLeft: (conv.kernel - 1) / 2,
    };
    const algorithm: ConvolutionAlgorithm = conv.depthwise
      ? 'depthwise'
      : chooseConvolution(shape, this.memory.precise);
    return new ConvolutionWork(this.kernels, shape, algorithm);
  }

  /** Scale and shift of a norm whose statistics are known. */
  protected affine(name: string): Affine {
    const found = this.affines.get(name);
    if (found) return found;
    const { norm } = this.convOf.get(name)!;
    const scale = this.space.take(4 * norm.channels);
    const shift = this.space.take(4 * norm.channels);
    const { statistics } = this.memory;
    this.kernels.exports.normAffine(
      this.weight(`${name}.gamma`),
      this.weight(`${name}.beta`),
      statistics.get(`${name}.mean`)!,
      statistics.get(`${name}.variance`)!,
      norm.channels,
      NORM_EPSILON,
      scale,
      shift,
    );
    const affine = { norm, scale, shift };
    this.affines.set(name, affine);
    return affine;
  }

  /** Address of a convolution's output or a join from image `first` on. */
  protected kept(name: string, first: number): number {
    const { features, kept } = this.memory;
    const address = name === this.plan.last.name ? features : kept.get(name)!;
    return address + this.bytes(name, first);
  }

  /**
   * Address of a value from image `first` on; what a norm gives is computed here, to where `applied` says for this part,
   * once a part.
   */
  protected value(
    name: string,
    first: number,
    images: number,
    applied: Map<string, number>,
    done: Set<string>,
  ): number {
    if (name === 'image') return this.memory.pictures + this.bytes(name, first);
    const step = this.convOf.get(name);
    if (!step) return this.kept(name, first);
    const target = applied.get(name)!;
    if (done.has(name)) return target;
    const { norm, scale, shift } = this.affine(name);
    const z = this.kept(step.conv.name, first);
    this.kernels.exports.normApply(z, target, this.rows(name, images), norm.channels, scale, shift, norm.relu);
    done.add(name);
    return target;
  }

  /** Where `value` puts what the norms that convolutions of a stage read give. */
  protected appliedIn(convs: readonly ConvStep[], part: number, space: Space): Map<string, number> {
    const applied = new Map<string, number>();
    for (const { conv } of convs) {
      if (!this.convOf.has(conv.input) || applied.has(conv.input)) continue;
      applied.set(conv.input, space.take(this.bytes(conv.input, part)));
    }
    return applied;
  }

  /** Features, outputs of convolutions and joins, and statistics, all to where `memory` says. */
  forward(): void {
    try {
      for (const stage of this.plan.forward) this.forwardStage(stage);
      const { last, norms } = this.plan;
      if (last.op === 'norm') {
        const { scale, shift } = this.affine(last.name);
        const { conv } = norms.find(({ norm }) => norm === last)!;
        const { batch, features, kept } = this.memory;
        const rows = this.rows(last.name, batch);
        this.kernels.exports.normApply(kept.get(conv.name)!, features, rows, last.channels, scale, shift, last.relu);
      }
    } finally {
      this.space.free();
    }
  }

  private forwardStage(stage: PassPlan['forward'][number]): void {
    const { exports } = this.kernels;
    const { batch, statistics } = this.memory;
    const part = this.partOf(stage);
    const space = new Space(this.kernels);
    const works: ConvolutionWork[] = [];
    try {
      const convs = stage.flatMap((step) => (step.op === 'conv' ? [step] : []));
      const applied = this.appliedIn(convs, part, space);
      const running = new Map<ConvStep, { work: ConvolutionWork; state: number; sums: number; squares: number }>();
      for (const step of convs) {
        const work = this.work(step, part);
        works.push(work);
        const { channels } = step.norm;
        const [sums, squares] = [space.zeros(channels), space.zeros(channels)];
        running.set(step, { work, state: space.take(work.stateBytes), sums, squares });
      }
      const scratch = space.take(Math.max(64, ...works.map((work) => work.scratchBytes)));
      const row = space.take(8 * Math.max(8, ...convs.map(({ norm }) => norm.channels)) + 32);
      for (const [{ conv }, { work, state }] of running)
        work.prepare(this.weight(`${conv.name}.kernel`), state, scratch);
      for (let first = 0; first < batch; first += part) {
        const images = Math.min(part, batch - first);
        const done = new Set<string>();
        for (const step of stage) {
          if (step.op === 'add') {
            this.join(step.add, first, images);
            continue;
          }
          const { work, state, sums, squares } = running.get(step)!;
          const { conv, norm } = step;
          work.batch = images;
          const z = this.kept(conv.name, first);
          work.run(this.value(conv.input, first, images, applied, done), state, z, scratch);
          const origin = this.kept(conv.name, 0);
          exports.normMoments(z, this.rows(conv.name, images), norm.channels, origin, sums, squares, row);
        }
      }
      for (const [{ conv, norm }, { sums, squares }] of running) {
        exports.normStatistics(
          this.kept(conv.name, 0),
          sums,
          squares,
          this.rows(conv.name, batch),
          norm.channels,
          statistics.get(`${norm.name}.mean`)!,
          statistics.get(`${norm.name}.variance`)!,
        );
      }
      this.shareStatistics(convs);
    } finally {
      for (const work of works) work.dispose();
      space.free();
    }
  }

  /** Replaces means and variances of this replica's share by those over all shares, which are equally large. */
  private shareStatistics(convs: readonly ConvStep[]): void {
    const { together, statistics } = this.memory;
    if (!together) return;
    for (const { norm } of convs) {
      const { channels } = norm;
      const view = (part: string): Float32Array =>
        floats(this.kernels.heap, statistics.get(`${norm.name}.${part}`)!, channels);
      const own = new Float32Array(2 * channels);
      own.set(view('mean'));
      own.set(view('variance'), channels);
      const all = together.allGather(own);
      const [mean, variance] = [view('mean'), view('variance')];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let r = 0; r < together.replicas; r++) sum += all[2 * channels * r + c]!;
        const common = sum / together.replicas;
        let spread = 0;
        for (let r = 0; r < together.replicas; r++) {
          const at = 2 * channels * r + c;
          spread += all[at + channels]! + (all[at]! - common) ** 2;
        }
        mean[c] = common;
        variance[c] = spread / together.replicas;
      }
    }
  }

  private join(add: AddNode, first: number, images: number): void {
    const side = (name: string): readonly [number, number, number, boolean] => {
      const step = this.convOf.get(name);
      if (!step) return [this.kept(name, first), 0, 0, false];
      const { norm, scale, shift } = this.affine(name);
      return [this.kept(step.conv.name, first), scale, shift, norm.relu];
    };
    const { channels } = this.place(add.name);
    const [a, b] = add.inputs;
    const target = this.kept(add.name, first);
    const rows = this.rows(add.name, images);
    this.kernels.exports.joinNormed(...side(a), ...side(b), target, rows, channels, add.relu);
  }
}

export { Space };
