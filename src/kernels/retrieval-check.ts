import { NearmissError } from '../errors.js';
import type { RetrievalExports } from './retrieval-exports.js';
import { codeStride, HIT_BYTES, QUERY, rotationShape, SEGMENT } from './retrieval-layout.js';

const DIM = 80; // a block of 64 codes and a rest of 16; not a power of two
const ROWS = 256;
const TOP = 5;
const LANES = 8;
/** Rounds of scans: enough for V8's baseline code to be replaced by optimised code, a few ms. */
const ROUNDS = 160;
const PAGE = 65536;

/** A small problem in the memory of an instance, with its answer known from whole numbers. */
class Trial {
  readonly #exports: RetrievalExports;
  readonly #queries: number;
  readonly #panel: number;
  readonly #factors: number;
  readonly #thresholds: number;
  readonly #products: number;
  readonly #segment: number;
  /** Rows of the best hits of each of eight queries. */
  readonly #answers: Int32Array[] = [];

  constructor(exports: RetrievalExports) {
    this.#exports = exports;
    const stride = codeStride(DIM);
    const { block, rounds } = rotationShape(DIM);
    let top = 64;
    const take = (bytes: number): number => {
      const at = top;
      top += Math.ceil(bytes / 64) * 64;
      return at;
    };
    this.#queries = take(LANES * QUERY.bytes);
    this.#segment = take(SEGMENT.bytes);
    const fields = take(5 * ROWS * 4);
    const codes = take(ROWS * stride);
    const vectors = take(ROWS * DIM * 4);
    const signs = take(rounds * block * 4);
    const rotated = take(DIM * 4);
    this.#panel = take(DIM * LANES * 4);
    this.#factors = take(LANES * 4);
    this.#thresholds = take(LANES * 4);
    this.#products = take(256);
    const exact = take(LANES * DIM * 8);
    const floats = take(LANES * DIM * 4);
    const fine = take(LANES * stride * 2);
    const coarse = take(LANES * stride);
    const heaps = take(LANES * TOP * HIT_BYTES);
    const { memory } = exports;
    const held = memory.buffer.byteLength;
    if (top > held) memory.grow(Math.ceil((top - held) / PAGE));

    // Multiplicative hashing of a counter: whole numbers from -3 to 3, whose products are exact.
    let state = 1;
    const draw = (): number => {
      state = Math.imul(state, 0x9e3779b1) + 0x7f4a7c15;
      return ((state >>> 16) % 7) - 3;
    };
    const words = new Uint32Array(memory.buffer);
    const rows = new Float32Array(memory.buffer, vectors, ROWS * DIM);
    for (let i = 0; i < rows.length; i++) rows[i] = draw();
    const turn = new Float32Array(memory.buffer, signs, rounds * block);
    for (let i = 0; i < turn.length; i++) turn[i] = (draw() < 0 ? -1 : 1) / Math.sqrt(block);
    const set = (block: number, field: number, value: number): void => {
      words[(block + field) >> 2] = value;
    };
    set(this.#segment, SEGMENT.codes, codes);
    for (const [i, field] of [SEGMENT.scales, SEGMENT.errors, SEGMENT.sums, SEGMENT.norms].entries()) {
      set(this.#segment, field, fields + i * ROWS * 4);
    }
    set(this.#segment, SEGMENT.vectors, vectors);
    exports.encodeRows(vectors, ROWS, DIM, stride, block, rounds, signs, this.#segment, 0, rotated);
    const panel = new Float32Array(memory.buffer, this.#panel, DIM * LANES);
    for (let q = 0; q < LANES; q++) {
      const query = this.#queries + q * QUERY.bytes;
      set(query, QUERY.exact, exact + q * DIM * 8);
      set(query, QUERY.floats, floats + q * DIM * 4);
      set(query, QUERY.fine, fine + q * stride * 2);
      set(query, QUERY.coarse, coarse + q * stride);
      set(query, QUERY.heap, heaps + q * TOP * HIT_BYTES);
      set(query, QUERY.top, TOP);
      set(query, QUERY.dim, DIM);
      set(query, QUERY.stride, stride);
      const vector = new Float64Array(memory.buffer, exact + q * DIM * 8, DIM);
      for (let j = 0; j < DIM; j++) {
        vector[j] = draw();
        panel[j * LANES + q] = vector[j]!;
      }
      const scores = Array.from({ length: ROWS }, (_, row) => {
        let sum = 0;
        for (let j = 0; j < DIM; j++) sum += vector[j]! * rows[row * DIM + j]!;
        return sum;
      });
      const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
      this.#answers.push(Int32Array.from(order.slice(0, TOP)));
      exports.prepareQuery(query, block, rounds, signs, rotated);
    }
    const blocks = new Float32Array(memory.buffer, this.#queries, (LANES * QUERY.bytes) / 4);
    const factors = new Float32Array(memory.buffer, this.#factors, LANES);
    for (let q = 0; q < LANES; q++) factors[q] = blocks[(q * QUERY.bytes + QUERY.floatFactor) >> 2]!;
  }

  /** Searches by one kernel; undefined, or how the answer is wrong. */
  run(kernel: 'scanFine' | 'scanCoarse' | 'scanFloats' | 'scanPanel', round: number): string | undefined {
    const exports = this.#exports;
    const words = new Int32Array(exports.memory.buffer);
    const first = round % LANES;
    const asked = kernel === 'scanPanel' ? LANES : 1;
    for (let n = 0; n < asked; n++) {
      const query = this.#queries + ((first + n) % LANES) * QUERY.bytes;
      exports.clearHits(words[(query + QUERY.heap) >> 2]!, TOP, Number.NEGATIVE_INFINITY);
      exports.setThreshold(query);
    }
    if (kernel === 'scanPanel') {
      const thresholds = new Float32Array(exports.memory.buffer, this.#thresholds, LANES);
      thresholds.fill(Number.NEGATIVE_INFINITY);
      const { bytes } = QUERY;
      exports.scanPanel(this.#queries, bytes, this.#panel, this.#factors, this.#thresholds, this.#segment, 0, ROWS, 0);
    } else {
      exports[kernel](this.#queries + first * QUERY.bytes, this.#segment, 0, ROWS, 0);
    }
    for (let n = 0; n < asked; n++) {
      const q = (first + n) % LANES;
      const heap = words[(this.#queries + q * QUERY.bytes + QUERY.heap) >> 2]!;
      exports.sortHits(heap, TOP);
      for (let i = 0; i < TOP; i++) {
        const row = words[(heap + i * HIT_BYTES + 8) >> 2]!;
        if (row !== this.#answers[q]![i]) return `${kernel}: row ${row}, allowed: row ${this.#answers[q]![i]}`;
      }
    }
    return undefined;
  }

  /** The 5-bit products against whole numbers, the extremes first; undefined, or how they are wrong. */
  products(): string | undefined {
    const { memory, coarseDot } = this.#exports;
    const codes = new Int8Array(memory.buffer, this.#products, 128);
    const query = new Uint8Array(memory.buffer, this.#products + 128, 128);
    for (let round = 0; round < 32; round++) {
      let expected = 0;
      for (let j = 0; j < 128; j++) {
        codes[j] = round < 2 ? 127 - 254 * round : ((j * 37 + round * 101) % 255) - 127;
        query[j] = round < 2 ? 31 : ((j * 11 + round * 7) % 31) + 1;
        expected += codes[j]! * query[j]!;
      }
      const found = coarseDot(this.#products, this.#products + 128, 128);
      if (found !== expected) return `5-bit product: ${found}, allowed: ${expected}`;
    }
    return undefined;
  }
}

/** What the self-check of a tier found: the coarse scan may be used, or why not. */
export interface RetrievalCheck {
  readonly coarse: boolean;
  readonly coarseFault?: string;
}

/**
 * Checks each scan of an instance against a known answer, again and again until the engine has optimised their code, so
 * that the first search finds them warm and both compilers were checked.
 *
 * @throws `NM_SELF_CHECK_FAILED` where a scan errs that nothing can stand in for
 */
export async function checkRetrieval(exports: RetrievalExports, tier: string): Promise<RetrievalCheck> {
  const trial = new Trial(exports);
  let coarseFault = tier === 'plain' ? 'needs relaxed SIMD' : trial.products();
  const round = (i: number): void => {
    for (const kernel of ['scanFine', 'scanFloats', 'scanPanel'] as const) {
      const fault = trial.run(kernel, i);
      if (fault) throw new NearmissError('NM_SELF_CHECK_FAILED', `${tier} SIMD: found ${fault}`);
    }
    coarseFault ??= trial.run('scanCoarse', i);
  };
  for (let i = 0; i < ROUNDS; i++) round(i);
  // Optimised code arrives from another thread.
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (let i = 0; i < LANES; i++) round(i);
  coarseFault ??= trial.products();
  return coarseFault === undefined ? { coarse: true } : { coarse: false, coarseFault };
}
