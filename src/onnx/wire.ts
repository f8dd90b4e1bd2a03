import { NearmissError } from '../errors.js';

/**
 * Protocol buffers' wire format: growing bytes to write to, bounded bytes to read from.
 * Source: protobuf.dev, "Encoding". Integers are JavaScript numbers, so ±2^53 is the limit both ways.
 */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

export type WireType = typeof WIRE_VARINT | typeof WIRE_FIXED64 | typeof WIRE_BYTES | typeof WIRE_FIXED32;

/** A 64-bit integer as 28 + 28 + 8 bits: each part is exact in a double and a whole number of 7-bit groups but the last. */
const PART = 2 ** 28;
const PART_MASK = PART - 1;

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) length++;
  return length;
}

export class Writer {
  private bytes = new Uint8Array(1024);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.at);
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.at + count));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  tag(id: number, wire: WireType): void {
    this.integer(8 * id + wire);
  }

  /** A signed 64-bit integer as a varint; negative ones take ten bytes (two's complement, not zigzag). */
  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is not an integer within ±2^53`);
    this.reserve(10);
    if (value >= 0) {
      this.putVarint(value);
      return;
    }
    const inverted = -(value + 1);
    const low = PART_MASK - (inverted % PART);
    const middle = PART_MASK - Math.floor(inverted / PART);
    for (let shift = 0; shift < 28; shift += 7) this.bytes[this.at++] = ((low >>> shift) & 127) | 128;
    for (let shift = 0; shift < 28; shift += 7) this.bytes[this.at++] = ((middle >>> shift) & 127) | 128;
    // The upper eight bits of a negative number above -2^53 are all ones.
    this.bytes[this.at++] = 255;
    this.bytes[this.at++] = 1;
  }

  /** Writes into room that is already there. */
  private putVarint(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 128;
    this.bytes[this.at++] = rest;
  }

  float(value: number): void {
    this.reserve(4);
    this.view.setFloat32(this.at, value, true);
    this.at += 4;
  }

  double(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** The bytes behind their length. */
  block(data: Uint8Array): void {
    this.integer(data.length);
    this.reserve(data.length);
    this.bytes.set(data, this.at);
    this.at += data.length;
  }

  /** What `write` writes behind its length, which is known only afterwards: the block moves up to make room. */
  nested(write: () => void): void {
    const start = this.at;
    write();
    const length = this.at - start;
    const prefix = varintLength(length);
    this.reserve(prefix);
    this.bytes.copyWithin(start + prefix, start, this.at);
    this.at = start;
    this.putVarint(length);
    this.at += length;
  }
}

const MAX_DEPTH = 64;

/** Reads within [at, end) of a file; anything that does not fit is `NM_MODEL_CORRUPT` with the file's name. */
export class Reader {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
    private at = 0,
    private readonly end: number = bytes.length,
    private readonly depth = 0,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at === this.end;
  }

  corrupt(found: string): NearmissError {
    return new NearmissError('NM_MODEL_CORRUPT', `${this.name}: at byte ${this.at}: ${found}`);
  }

  /** Moves over `count` bytes and returns where they begin. */
  private advance(count: number): number {
    if (count > this.end - this.at) {
      throw this.corrupt(`${count} bytes are announced, ${this.end - this.at} are left`);
    }
    const start = this.at;
    this.at += count;
    return start;
  }

  /** A tag's field number and wire type. */
  tag(): { readonly id: number; readonly wire: number } {
    const tag = this.integer();
    const id = Math.floor(tag / 8);
    if (id < 1 || id >= 2 ** 29) throw this.corrupt(`found field number ${id}, allowed: 1 to 2^29 - 1`);
    return { id, wire: tag % 8 };
  }

  /** A varint as a signed 64-bit integer. */
  integer(): number {
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let group = 0; ; group++) {
      if (group === 10) throw this.corrupt('found an integer of more than 64 bits');
      const byte = this.bytes[this.advance(1)]!;
      const bits = byte & 127;
      if (group < 4) low |= bits << (7 * group);
      else if (group < 8) middle |= bits << (7 * (group - 4));
      else if (group === 8) high = bits;
      else if (bits > 1) throw this.corrupt('found an integer of more than 64 bits');
      else high |= bits << 7;
      if (byte < 128) break;
    }
    const value =
      high < 128
        ? low + middle * PART + high * PART * PART
        : -(PART_MASK - low + (PART_MASK - middle) * PART + (255 - high) * PART * PART) - 1;
    if (!Number.isSafeInteger(value)) throw this.corrupt('found an integer beyond ±2^53');
    return value;
  }

  float(): number {
    return this.view.getFloat32(this.advance(4), true);
  }

  double(): number {
    return this.view.getFloat64(this.advance(8), true);
  }

  /** A block behind its length, as a view into the file. */
  block(): Uint8Array {
    const length = this.length();
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** A reader bounded by a block behind its length. */
  nested(): Reader {
    if (this.depth === MAX_DEPTH) throw this.corrupt(`messages are nested more than ${MAX_DEPTH} deep`);
    const length = this.length();
    const start = this.advance(length);
    return new Reader(this.bytes, this.name, start, start + length, this.depth + 1);
  }

  private length(): number {
    const length = this.integer();
    if (length < 0) throw this.corrupt(`found a length of ${length}`);
    return length;
  }

  /** Moves over the value of an unknown field. */
  skip(wire: number): void {
    if (wire === WIRE_VARINT) {
      while (this.bytes[this.advance(1)]! > 127);
    } else if (wire === WIRE_FIXED64) this.advance(8);
    else if (wire === WIRE_BYTES) this.advance(this.length());
    else if (wire === WIRE_FIXED32) this.advance(4);
    else throw this.corrupt(`found wire type ${wire}, allowed: 0, 1, 2, 5`);
  }
}
