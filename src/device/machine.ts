import { NearmissError } from '../errors.js';
import type { DeviceExports } from '../kernels/device-exports.js';
import { LANES } from '../kernels/device-layout.js';

const PAGE = 65536;
/** Allocations begin at whole cache lines. */
const LINE = 64;

/** The kernels' memory, which is only ever added to, and the picture that is being embedded. */
export class Machine {
  readonly exports: DeviceExports;
  /** uint8 [size, size, 3]. */
  picture: Uint8Array = new Uint8Array();
  // Nothing lies at address 0, which means "none" in a layer.
  #top = LINE;
  #floats: Float32Array;
  #codes: Int16Array;

  constructor(exports: DeviceExports) {
    this.exports = exports;
    this.#floats = new Float32Array(exports.memory.buffer);
    this.#codes = new Int16Array(exports.memory.buffer);
  }

  /** The address of so many bytes, zeros. `NM_OUT_OF_MEMORY` where there are no more. */
  allocate(bytes: number): number {
    const { memory } = this.exports;
    const address = this.#top;
    this.#top = Math.ceil((address + bytes) / LINE) * LINE;
    const missing = this.#top - memory.buffer.byteLength;
    try {
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    } catch (cause) {
      throw new NearmissError('NM_OUT_OF_MEMORY', `device engine: ${this.#top} bytes could not be had`, { cause });
    }
    return address;
  }

  /** The address of a copy. */
  place(bytes: Uint8Array): number {
    const address = this.allocate(bytes.length);
    new Uint8Array(this.exports.memory.buffer).set(bytes, address);
    return address;
  }

  /** All of the memory; valid until the next `allocate`. */
  get floats(): Float32Array {
    const { buffer } = this.exports.memory;
    if (this.#floats.buffer !== buffer) this.#floats = new Float32Array(buffer);
    return this.#floats;
  }

  get codes(): Int16Array {
    const { buffer } = this.exports.memory;
    if (this.#codes.buffer !== buffer) this.#codes = new Int16Array(buffer);
    return this.#codes;
  }
}

/**
 * A feature map in the machine's memory, NHWC with a border of zeros: float32, or uint8 codes less their zero point as
 * int16. What it needs is known once all its readers are; only then is it given an address.
 */
export class FeatureMap {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly codes: boolean;
  /** Elements between pixels. */
  pitch: number;
  /** Pixels of zeros on each side. */
  border = 0;
  /** Of the first pixel within the border. */
  address = 0;

  /** A map of codes has an even pitch, as codes are multiplied in pairs. */
  constructor(height: number, width: number, channels: number, codes = false, pitch: number = inPanels(channels)) {
    this.height = height;
    this.width = width;
    this.channels = channels;
    this.codes = codes;
    this.pitch = pitch;
  }

  /** A list of numbers. */
  static flat(length: number): FeatureMap {
    return new FeatureMap(1, 1, length);
  }

  get bytesPerElement(): number {
    return this.codes ? 2 : 4;
  }

  /** Bytes between pixels. */
  get pixelBytes(): number {
    return this.pitch * this.bytesPerElement;
  }

  /** Bytes between rows. */
  get rowBytes(): number {
    return (this.width + 2 * this.border) * this.pixelBytes;
  }

  /** Bytes from the map's beginning, border included, to its first pixel. */
  get offset(): number {
    return this.border * (this.rowBytes + this.pixelBytes);
  }

  get bytes(): number {
    return (this.height + 2 * this.border) * this.rowBytes;
  }

  /** Maps of the same geometry can share memory one after the other: the borders stay zeros. */
  get geometry(): string {
    return [this.height, this.width, this.pitch, this.border, this.codes].join();
  }

  /** Index of a row's first element. */
  rowAt(y: number): number {
    return (this.address + y * this.rowBytes) / this.bytesPerElement;
  }

  /** For kernels that read eight channels at a time. */
  readInPanels(): void {
    this.pitch = inPanels(this.pitch);
  }

  sameShape(other: FeatureMap): boolean {
    return this.height === other.height && this.width === other.width && this.channels === other.channels;
  }

  get shape(): string {
    return `${this.height}x${this.width}x${this.channels}`;
  }
}

function inPanels(channels: number): number {
  return Math.ceil(channels / LANES) * LANES;
}

/** A step of the forward pass of one picture. */
export interface Layer {
  readonly reads: readonly FeatureMap[];
  readonly writes: FeatureMap;
  /** Puts its weights into memory, once all maps have addresses; what is returned runs the step. */
  bind(machine: Machine): () => void;
}

/**
 * Gives every map an address and every layer its weights; running what is returned, in order, is the forward pass. Maps
 * of the same geometry share memory where the one is read no more before the other is written.
 */
export function plan(layers: readonly Layer[], output: FeatureMap, machine: Machine): readonly (() => void)[] {
  const lastUse = new Map<FeatureMap, number>();
  for (const [i, layer] of layers.entries()) for (const map of [layer.writes, ...layer.reads]) lastUse.set(map, i);
  lastUse.set(output, layers.length);
  const free = new Map<string, number[]>();
  for (const [i, { reads, writes }] of layers.entries()) {
    const start = free.get(writes.geometry)?.pop() ?? machine.allocate(writes.bytes);
    writes.address = start + writes.offset;
    for (const map of new Set([writes, ...reads])) {
      if (lastUse.get(map) !== i) continue;
      const list = free.get(map.geometry);
      if (list) list.push(map.address - map.offset);
      else free.set(map.geometry, [map.address - map.offset]);
    }
  }
  return layers.map((layer) => layer.bind(machine));
}
