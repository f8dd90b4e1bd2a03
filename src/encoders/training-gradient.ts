import { type ConvolutionWork, floats } from '../kernels/index.js';
import { NORM_EPSILON } from './graph.js';
import type { NormReplicas } from './norm-replicas.js';
import { type AddNode, type ConvStep, inputsOf, type Step } from './pass-plan.js';
import { Space, TrainingPass } from './training-pass.js';

/** A gradient of a value on its way: summed over the value's readers. */
interface Flow {
  /** The sum, where a convolution reads the value; else the join's gradient that it shares. */
  address: number | undefined;
  /** Gradients of joins, still to be added to what the first convolution gives. */
  readonly addends: number[];
}

interface Running {
  readonly work: ConvolutionWork;
  readonly filters: number;
  readonly products: number;
  readonly a: number;
  readonly b: number;
}

/** The way back of a training pass, from the feature map's gradient to the weights'. */
export class TrainingGradient extends TrainingPass {
  private readonly flows = new Map<string, Flow>();
  /** The step that is the last to give a value's gradient, in the plan's order. */
  private readonly lastGiver = new Map<string, Step>();
  /** The first convolution that gives it, and the stage of that. */
  private readonly firstConv = new Map<string, { readonly step: ConvStep; readonly stage: number }>();
  /** The stage in which a value's own step uses its gradient. */
  private readonly ownStage = new Map<string, number>();
  /** Gradients with memory of their own. */
  private readonly owned = new Map<string, number>();
  private gradients: ReadonlyMap<string, number> = new Map();

  /**
   * Writes the gradients by tensor name (`<conv>.kernel`, `<norm>.gamma`, `<norm>.beta`), those of norms onto zeros,
   * from that of the feature map, `dy`.
   */
  backward(dy: number, gradients: ReadonlyMap<string, number>): void {
    this.gradients = gradients;
    const { last, backward } = this.plan;
    backward.forEach((stage, index) => {
      for (const step of stage) {
        this.ownStage.set(step.op === 'add' ? step.add.name : step.norm.name, index);
        for (const input of inputsOf(step)) {
          this.lastGiver.set(input, step);
          if (step.op === 'conv' && !this.firstConv.has(input)) this.firstConv.set(input, { step, stage: index });
        }
      }
    });
    this.flows.set(last.name, { address: dy, addends: [] });
    try {
      if (last.op === 'norm') {
        const row = this.row([this.convOf.get(last.name)!], this.space);
        this.sumNorm(last.name, 0, this.memory.batch, row);
      }
      backward.forEach((stage, index) => {
        this.stage(stage, index);
      });
    } finally {
      this.space.free();
    }
  }

  private flow(name: string): Flow {
    let flow = this.flows.get(name);
    if (!flow) {
      flow = { address: undefined, addends: [] };
      this.flows.set(name, flow);
    }
    return flow;
  }

  private row(convs: readonly ConvStep[], space: Space): number {
    return space.take(8 * Math.max(8, ...convs.map(({ norm }) => norm.channels)) + 32);
  }

  private stage(stage: readonly Step[], index: number): void {
    const { exports } = this.kernels;
    const { batch } = this.memory;
    const part = this.partOf(stage);
    const space = new Space(this.kernels);
    const works: ConvolutionWork[] = [];
    try {
      const convs = stage.flatMap((step) => (step.op === 'conv' ? [step] : []));
      const running = new Map<ConvStep, Running>();
      for (const step of convs) {
        const work = this.work(step, part);
        works.push(work);
        running.set(step, this.begin(step, work, space));
      }
      const scratch = space.take(Math.max(64, ...works.map((work) => work.scratchBytes)));
      const row = this.row(this.plan.norms, space);
      const applied = this.appliedIn(convs, part, space);
      const dz = space.take(Math.max(64, ...convs.map(({ conv }) => this.bytes(conv.name, part))));
      const dx = space.take(Math.max(64, ...convs.map(({ conv }) => this.bytes(conv.input, part))));
      for (const [{ conv }, { work, filters }] of running) {
        if (conv.input === 'image') continue;
        work.prepareGradient(this.weight(`${conv.name}.kernel`), filters, scratch);
        const flow = this.flow(conv.input);
        flow.address ??= this.own(conv.input);
      }
      const joins = new Map(
        stage.flatMap((step) => (step.op === 'add' ? [[step, this.beginJoin(step, stage, index)]] : [])),
      );
      for (let first = 0; first < batch; first += part) {
        const images = Math.min(part, batch - first);
        const done = new Set<string>();
        for (const step of stage) {
          if (step.op === 'add') {
            this.giveJoin(step.add, joins.get(step)!, first, images);
          } else {
            const run = running.get(step)!;
            const { conv, norm } = step;
            const { scale, shift } = this.affine(norm.name);
            run.work.batch = images;
            exports.normGradientApply(
              this.flow(norm.name).address! + this.bytes(norm.name, first),
              this.kept(conv.name, first),
              dz,
              this.rows(conv.name, images),
              norm.channels,
              scale,
              shift,
              norm.relu,
              run.a,
              run.b,
            );
            const x = this.value(conv.input, first, images, applied, done);
            run.work.add(x, dz, run.products, scratch);
            if (conv.input === 'image') continue;
            this.giveConv(step, run, dz, dx, first, images, scratch);
          }
          for (const input of inputsOf(step)) {
            if (this.lastGiver.get(input) === step && this.convOf.has(input)) this.sumNorm(input, first, images, row);
          }
        }
      }
      for (const [{ conv }, { work, products }] of running) {
        work.finish(products, this.gradients.get(`${conv.name}.kernel`)!, scratch);
      }
    } finally {
      for (const work of works) work.dispose();
      space.free();
    }
    for (const [name, address] of this.owned) {
      if (this.lastUse(name) > index) continue;
      this.space.release(address);
      this.owned.delete(name);
    }
  }

  /** The last stage that reads the memory of a value's gradient: a join's is shared by what it joins. */
  private lastUse(name: string): number {
    const own = this.ownStage.get(name) ?? -1;
    const add = this.plan.backward[own]?.find((step) => step.op === 'add' && step.add.name === name);
    if (add?.op !== 'add') return own;
    return Math.max(own, ...add.add.inputs.map((input) => this.firstConv.get(input)?.stage ?? this.lastUse(input)));
  }

  /** The terms of a norm whose gradient is complete, and memory for its convolution. */
  private begin({ conv, norm }: ConvStep, work: ConvolutionWork, space: Space): Running {
    const [a, b] = [space.take(4 * norm.channels), space.take(4 * norm.channels)];
    const dBeta = this.gradients.get(`${norm.name}.beta`)!;
    const products = this.gradients.get(`${norm.name}.gamma`)!;
    const { together } = this.memory;
    if (together) {
      // Pictures of all replicas are in the statistics, so dx needs the sums over all of them; the weights' gradients are
      // summed later and stay this replica's own.
      const means = space.take(8 * norm.channels);
      this.averageSums(together, dBeta, products, norm.channels, means);
      this.normTerms({ conv, norm }, dBeta, products, a, b);
      this.normTerms({ conv, norm }, means, means + 4 * norm.channels, a, b);
    } else this.normTerms({ conv, norm }, dBeta, products, a, b);
    const filters = space.take(work.stateBytes);
    const filterSums = space.take(work.stateBytes);
    work.clear(filterSums);
    return { work, filters, products: filterSums, a, b };
  }

  private normTerms(
    { conv, norm }: Pick<ConvStep, 'conv' | 'norm'>,
    dBeta: number,
    products: number,
    a: number,
    b: number,
  ): void {
    const { statistics, batch } = this.memory;
    this.kernels.exports.normGradientTerms(
      dBeta,
      products,
      statistics.get(`${norm.name}.mean`)!,
      statistics.get(`${norm.name}.variance`)!,
      this.affine(norm.name).scale,
      this.rows(conv.name, batch),
      norm.channels,
      NORM_EPSILON,
      a,
      b,
    );
  }

  /** target [2][channels] = the replicas' mean sums, dBeta then products. */
  private averageSums(together: NormReplicas, dBeta: number, products: number, channels: number, target: number): void {
    const { heap } = this.kernels;
    const own = new Float32Array(2 * channels);
    own.set(floats(heap, dBeta, channels));
    own.set(floats(heap, products, channels), channels);
    const all = together.allGather(own);
    const means = floats(heap, target, 2 * channels);
    for (let i = 0; i < means.length; i++) {
      let sum = 0;
      for (let r = 0; r < together.replicas; r++) sum += all[r * means.length + i]!;
      means[i] = sum / together.replicas;
    }
  }

  /** Gradient of a convolution's input, given to the value that it read. */
  private giveConv(
    step: ConvStep,
    { work, filters }: Running,
    dz: number,
    dx: number,
    first: number,
    images: number,
    scratch: number,
  ): void {
    const { exports } = this.kernels;
    const name = step.conv.input;
    const { height, width, channels } = this.place(name);
    const length = images * height * width * channels;
    const flow = this.flow(name);
    const sum = flow.address! + this.bytes(name, first);
    if (this.firstConv.get(name)!.step !== step) {
      work.runGradient(dz, filters, dx, scratch);
      exports.accumulate(sum, dx, length);
      return;
    }
    work.runGradient(dz, filters, sum, scratch);
    for (const addend of flow.addends) exports.accumulate(sum, addend + this.bytes(name, first), length);
  }

  /** Memory of its own for a value's gradient. */
  private own(name: string): number {
    const address = this.space.take(this.bytes(name, this.memory.batch));
    this.owned.set(name, address);
    return address;
  }

  /**
   * Says where a join's gradient goes, which is memory of its own, as others may share what was given; returns where
   * that is.
   */
  private beginJoin(step: Extract<Step, { op: 'add' }>, stage: readonly Step[], index: number): number {
    const { add } = step;
    const flow = this.flow(add.name);
    const given = flow.address!;
    if (!this.owned.has(add.name)) flow.address = this.own(add.name);
    for (const input of add.inputs) {
      const first = this.firstConv.get(input);
      const before =
        first && (first.stage < index || (first.stage === index && stage.indexOf(first.step) < stage.indexOf(step)));
      if (!first) this.flow(input).address = flow.address;
      else if (!before) this.flow(input).addends.push(flow.address!);
    }
    return given;
  }

  private giveJoin(add: AddNode, given: number, first: number, images: number): void {
    const { exports } = this.kernels;
    const { height, width, channels } = this.place(add.name);
    const length = images * height * width * channels;
    const offset = this.bytes(add.name, first);
    const own = this.flow(add.name).address! + offset;
    if (add.relu) exports.reluGradient(given + offset, this.kept(add.name, first), own, length);
    else if (given + offset !== own) {
      floats(this.kernels.heap, own, length).set(floats(this.kernels.heap, given + offset, length));
    }
    for (const input of add.inputs) {
      const flow = this.flow(input);
      const waits = flow.addends.includes(this.flow(add.name).address!);
      if (this.firstConv.has(input) && !waits) exports.accumulate(flow.address! + offset, own, length);
    }
  }

  /** Adds images' share to the sums of a norm's gradient. */
  private sumNorm(name: string, first: number, images: number, row: number): void {
    const { norm, scale, shift } = this.affine(name);
    const { conv } = this.convOf.get(name)!;
    this.kernels.exports.normGradientMoments(
      this.flow(name).address! + this.bytes(name, first),
      this.kept(conv.name, first),
      this.rows(name, images),
      norm.channels,
      scale,
      shift,
      this.memory.statistics.get(`${name}.mean`)!,
      norm.relu,
      this.gradients.get(`${name}.beta`)!,
      this.gradients.get(`${name}.gamma`)!,
      row,
    );
  }
}
