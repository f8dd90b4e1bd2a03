import {
  type ConvolutionPass,
  type ConvolutionScratch,
  type ConvolutionShape,
  isEmpty,
  runConvolution,
  SHAPE_BYTES,
  writeShape,
} from './convolution.js';
import type { ConvolutionPart, ConvolutionPrepare } from './convolution-parts.js';
import { floats } from './heap.js';
import { suitsPolyphase } from './polyphase.js';
import type { TrainingKernels } from './training.js';
import { suitsWinograd } from './winograd.js';

/** How a convolution is computed: by a direct sum, or in fewer multiplications on a batch in parts. */
export type ConvolutionAlgorithm = 'conv2d' | 'depthwise' | 'polyphase' | 'winograd' | 'winogradSmall';

type Parted = Exclude<ConvolutionAlgorithm, 'conv2d' | 'depthwise'>;

export type ConvolutionPassName = 'Forward' | 'InputGradient' | 'FilterGradient';

/**
 * The fastest algorithm for a convolution (not a depthwise one). `precise` keeps to those as exact as a plain float32
 * sum: F(2x2, 3x3) in place of F(4x4, 3x3), and no phases.
 */
export function chooseConvolution(
  shape: ConvolutionShape,
  precise: boolean,
): Exclude<ConvolutionAlgorithm, 'depthwise'> {
  if (suitsWinograd(shape)) return precise ? 'winogradSmall' : 'winograd';
  if (!precise && suitsPolyphase(shape)) return 'polyphase';
  return 'conv2d';
}

/** One pass of a convolution over a whole batch; as `runConvolution`. */
export function convolve(
  kernels: TrainingKernels,
  algorithm: ConvolutionAlgorithm,
  pass: ConvolutionPassName,
  shape: ConvolutionShape,
  a: number,
  b: number,
  out: { readonly address: number; readonly length: number },
): void {
  const { exports, heap } = kernels;
  if (algorithm === 'conv2d' || algorithm === 'depthwise') {
    const scratch = exports[`${algorithm}${pass}Scratch`];
    runConvolution(kernels, exports[`${algorithm}${pass}`], scratch, shape, a, b, out);
    return;
  }
  if (isEmpty(shape) || out.length === 0) {
    floats(heap, out.address, out.length).fill(0);
    return;
  }
  const work = new ConvolutionWork(kernels, shape, algorithm);
  const memory = heap.malloc(work.stateBytes + work.scratchBytes);
  const scratch = memory + work.stateBytes;
  try {
    if (pass === 'Forward') {
      work.prepare(b, memory, scratch);
      work.run(a, memory, out.address, scratch);
    } else if (pass === 'InputGradient') {
      work.prepareGradient(b, memory, scratch);
      work.runGradient(a, memory, out.address, scratch);
    } else {
      work.clear(memory);
      work.add(a, b, memory, scratch);
      work.finish(memory, out.address, scratch);
    }
  } finally {
    heap.free(memory);
    work.dispose();
  }
}

interface Parts {
  readonly prepare: ConvolutionPrepare;
  readonly prepareGradient: ConvolutionPrepare;
  readonly run: ConvolutionPart;
  readonly runGradient: ConvolutionPart;
  readonly add: ConvolutionPart;
  readonly finish: ConvolutionPrepare;
}

function partsOf({ exports }: TrainingKernels, algorithm: Parted): Parts {
  return {
    prepare: exports[`${algorithm}Prepare`],
    prepareGradient: exports[`${algorithm}PrepareGradient`],
    run: exports[`${algorithm}Run`],
    runGradient: exports[`${algorithm}RunGradient`],
    add: exports[`${algorithm}Add`],
    finish: exports[`${algorithm}Finish`],
  };
}

/**
 * A convolution worked on part of the batch by part, so that what is done before and after it finds its pictures still
 * in the cache. Addresses are those of a part's float32 data; `state` has `stateBytes` and lasts from part to part,
 * `scratch` has `scratchBytes` (for `batch` pictures or fewer) and is free in between. The same parts give the same bits.
 */
export class ConvolutionWork {
  readonly shape: ConvolutionShape;
  readonly stateBytes: number;
  readonly scratchBytes: number;
  private readonly kernels: TrainingKernels;
  private readonly algorithm: ConvolutionAlgorithm;
  private readonly parts: Parts | undefined;
  private readonly block: number;
  private readonly filterLength: number;

  /** `shape.batch` is the largest part. */
  constructor(kernels: TrainingKernels, shape: ConvolutionShape, algorithm: ConvolutionAlgorithm) {
    this.kernels = kernels;
    this.shape = shape;
    this.algorithm = algorithm;
    this.block = kernels.heap.malloc(SHAPE_BYTES);
    writeShape(kernels.heap, this.block, shape);
    const { filterHeight, filterWidth, inChannels, outChannels } = shape;
    this.filterLength = filterHeight * filterWidth * outChannels * (algorithm === 'depthwise' ? 1 : inChannels);
    // Whole vectors, so that what follows is aligned.
    const bytesOf = (scratch: ConvolutionScratch): number => (scratch(this.block) + 63) & ~63;
    const { exports } = kernels;
    if (algorithm === 'conv2d' || algorithm === 'depthwise') {
      this.stateBytes = (8 * this.filterLength + 63) & ~63;
      this.scratchBytes = Math.max(
        ...(['Forward', 'InputGradient', 'FilterGradient'] as const).map((pass) =>
          bytesOf(exports[`${algorithm}${pass}Scratch`]),
        ),
      );
    } else {
      this.parts = partsOf(kernels, algorithm);
      this.stateBytes = bytesOf(exports[`${algorithm}State`]);
      this.scratchBytes = bytesOf(exports[`${algorithm}Scratch`]);
    }
  }

  /** Pictures of the next part. */
  set batch(pictures: number) {
    new Int32Array(this.kernels.heap.memory.buffer, this.block, 1)[0] = pictures;
  }

  private direct(pass: ConvolutionPassName): ConvolutionPass {
    return this.kernels.exports[`${this.algorithm as 'conv2d' | 'depthwise'}${pass}`];
  }

  /** Makes `state` of the filter, for `run`. */
  prepare(filter: number, state: number, scratch: number): void {
    if (this.parts) this.parts.prepare(this.block, filter, state, scratch);
    else this.keep(filter, state);
  }

  /** Makes `state` of the filter, for `runGradient`. */
  prepareGradient(filter: number, state: number, scratch: number): void {
    if (this.parts) this.parts.prepareGradient(this.block, filter, state, scratch);
    else this.keep(filter, state);
  }

  /** Direct kernels take the filter itself. */
  private keep(filter: number, state: number): void {
    const { heap } = this.kernels;
    floats(heap, state, this.filterLength).set(floats(heap, filter, this.filterLength));
  }

  run(x: number, state: number, y: number, scratch: number): void {
    (this.parts?.run ?? this.direct('Forward'))(this.block, x, state, y, scratch);
  }

  runGradient(dy: number, state: number, dx: number, scratch: number): void {
    (this.parts?.runGradient ?? this.direct('InputGradient'))(this.block, dy, state, dx, scratch);
  }

  /** Sets the sums of the filter's gradient to zero. */
  clear(state: number): void {
    floats(this.kernels.heap, state, this.stateBytes / 4).fill(0);
  }

  /** Adds a part's share of the filter's gradient to the sums. */
  add(x: number, dy: number, state: number, scratch: number): void {
    if (this.parts) {
      this.parts.add(this.block, x, dy, state, scratch);
      return;
    }
    const share = state + 4 * this.filterLength;
    this.direct('FilterGradient')(this.block, x, dy, share, scratch);
    this.kernels.exports.accumulate(state, share, this.filterLength);
  }

  /** Writes the filter's gradient of the sums. */
  finish(state: number, dFilter: number, scratch: number): void {
    const { heap } = this.kernels;
    if (this.parts) this.parts.finish(this.block, state, dFilter, scratch);
    else floats(heap, dFilter, this.filterLength).set(floats(heap, state, this.filterLength));
  }

  dispose(): void {
    this.kernels.heap.free(this.block);
  }
}
