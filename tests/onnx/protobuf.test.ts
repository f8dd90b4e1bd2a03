import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import {
  BYTES,
  DOUBLE,
  decode,
  encode,
  FLOAT,
  INT32,
  INT64,
  type MessageType,
  message,
  optional,
  packed,
  repeated,
  STRING,
} from '../../src/onnx/protobuf.js';

interface Sample {
  readonly count?: number;
  readonly small?: number;
  readonly ratio?: number;
  readonly exact?: number;
  readonly text?: string;
  readonly raw?: Uint8Array;
  readonly numbers: readonly number[];
  readonly weights: readonly number[];
  readonly names: readonly string[];
  readonly child?: Sample;
  readonly children: readonly Sample[];
}

const SAMPLE: MessageType<Sample> = {
  name: 'Sample',
  fields: () => ({
    count: optional(1, INT64),
    small: optional(2, INT32),
    ratio: optional(3, FLOAT),
    exact: optional(4, DOUBLE),
    text: optional(5, STRING),
    raw: optional(6, BYTES),
    numbers: repeated(7, INT64),
    weights: packed(8, FLOAT),
    names: repeated(9, STRING),
    child: optional(10, message(SAMPLE)),
    children: repeated(1000, message(SAMPLE)),
  }),
};

const none = { numbers: [], weights: [], names: [], children: [] } as const;

function corruption(bytes: Uint8Array): string | undefined {
  try {
    decode(SAMPLE, bytes, 'sample.bin');
  } catch (error) {
    expect(error).toBeInstanceOf(NearmissError);
    expect((error as NearmissError).code).toBe('NM_MODEL_CORRUPT');
    expect((error as NearmissError).message).toContain('sample.bin');
    return (error as NearmissError).message;
  }
  return undefined;
}

const integers = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }));
const scalars = {
  count: integers,
  small: fc.integer(),
  ratio: fc.float({ noNaN: true }),
  exact: fc.double({ noNaN: true }),
  text: fc.string({ unit: 'binary' }),
  raw: fc.uint8Array({ maxLength: 300 }),
};
const lists = {
  numbers: fc.array(integers),
  weights: fc.array(fc.float({ noNaN: true })),
  names: fc.array(fc.string({ unit: 'binary' })),
};
const requiredKeys = ['numbers', 'weights', 'names', 'children'] as const;
const leaf = fc.record({ ...scalars, ...lists, children: fc.constant([]) }, { requiredKeys: [...requiredKeys] });
const sample: fc.Arbitrary<Sample> = fc.record(
  { ...scalars, ...lists, child: leaf, children: fc.array(leaf, { maxLength: 3 }) },
  { requiredKeys: [...requiredKeys] },
);

describe('protobuf codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(sample, (value) => {
        const bytes = encode(SAMPLE, value);
        const back = decode(SAMPLE, bytes, 'sample.bin');
        expect(back).toEqual(value);
        expect(encode(SAMPLE, back)).toEqual(bytes);
      }),
      { numRuns: 200 },
    );
  });

  it('writes the examples of the encoding specification', () => {
    expect([...encode(SAMPLE, { ...none, count: 150 })]).toEqual([0x08, 0x96, 0x01]);
    expect([...encode(SAMPLE, { ...none, count: -2 })]).toEqual([0x08, 0xfe, ...new Array(8).fill(0xff), 0x01]);
    expect([...encode(SAMPLE, { ...none, text: 'testing' })]).toEqual([0x2a, 7, ...Buffer.from('testing')]);
    expect([...encode(SAMPLE, { ...none, child: { ...none, count: 150 } })]).toEqual([0x52, 3, 0x08, 0x96, 0x01]);
    expect([...encode(SAMPLE, { ...none, weights: [1] })]).toEqual([0x42, 4, 0, 0, 0x80, 0x3f]);
    expect([...encode(SAMPLE, { ...none, numbers: [1, 2] })]).toEqual([0x38, 1, 0x38, 2]);
    expect(encode(SAMPLE, none)).toHaveLength(0);
  });

  it.each([0, 1, 127, 128, 2 ** 28, 2 ** 31, 2 ** 53 - 1, -1, -128, -(2 ** 28), -(2 ** 28) - 1, -(2 ** 53) + 1])(
    'keeps the integer %i, written as BigInt would',
    (value) => {
      const bytes = encode(SAMPLE, { ...none, count: value });
      let rest = BigInt.asUintN(64, BigInt(value));
      const expected = [0x08];
      for (; rest > 127n; rest >>= 7n) expected.push(Number(rest & 127n) | 128);
      expected.push(Number(rest));
      expect([...bytes]).toEqual(expected);
      expect(decode(SAMPLE, bytes, 'sample.bin').count).toBe(value);
    },
  );

  it('keeps blocks whose length takes one, two and three bytes', () => {
    for (const length of [0, 1, 127, 128, 16383, 16384, 70000]) {
      const raw = Uint8Array.from({ length }, (_, i) => i * 7);
      const value = { ...none, child: { ...none, child: { ...none, raw } } };
      const back = decode(SAMPLE, encode(SAMPLE, value), 'sample.bin').child?.child?.raw;
      expect(back?.length).toBe(length);
      expect(Buffer.compare(back!, raw)).toBe(0);
    }
  });

  it('keeps a nested message wherever the growing buffer ends', () => {
    for (let before = 900; before < 1100; before++) {
      const value = { ...none, raw: new Uint8Array(before).fill(1), child: { ...none, weights: [1.5] } };
      expect(decode(SAMPLE, encode(SAMPLE, value), 'sample.bin').child).toEqual(value.child);
    }
  });

  it('reads lists packed and unpacked, even mixed', () => {
    expect(decode(SAMPLE, Uint8Array.of(0x38, 1, 0x3a, 2, 2, 3, 0x38, 4), 'sample.bin').numbers).toEqual([1, 2, 3, 4]);
    const one = [0x45, 0, 0, 0x80, 0x3f];
    expect(decode(SAMPLE, Uint8Array.of(...one, ...one), 'sample.bin').weights).toEqual([1, 1]);
  });

  it('joins a message that comes in two parts, as concatenated files do', () => {
    const first = encode(SAMPLE, { ...none, count: 1, text: 'a', child: { ...none, numbers: [1], count: 5 } });
    const second = encode(SAMPLE, { ...none, text: 'b', child: { ...none, numbers: [2], small: 6 } });
    expect(decode(SAMPLE, Buffer.concat([first, second]), 'sample.bin')).toEqual({
      ...none,
      count: 1,
      text: 'b',
      child: { ...none, numbers: [1, 2], count: 5, small: 6 },
    });
  });

  it('skips fields it does not know', () => {
    const unknown = [0xf0, 1, 0x96, 1, 0xf1, 1, ...new Array(8).fill(9), 0xf2, 1, 2, 8, 8, 0xf5, 1, 9, 9, 9, 9];
    expect(decode(SAMPLE, Uint8Array.of(...unknown, 0x08, 5), 'sample.bin')).toEqual({ ...none, count: 5 });
  });

  it('refuses to write a field name that the schema does not have', () => {
    const misspelt = { ...none, cuont: 1 };
    expect(() => encode(SAMPLE, misspelt)).toThrow(/Sample has no field 'cuont', allowed: count, small/);
  });

  it('refuses to write values that would not come back', () => {
    for (const count of [0.5, 2 ** 53, Number.NaN]) {
      expect(() => encode(SAMPLE, { ...none, count })).toThrow(TypeError);
    }
    expect(() => encode(SAMPLE, { ...none, small: 2 ** 31 })).toThrow(TypeError);
    expect(() => encode(SAMPLE, { ...none, text: 'a\ud800b' })).toThrow(TypeError);
  });

  it('calls malformed bytes corrupt and says what is wrong', () => {
    expect(corruption(Uint8Array.of(0x08))).toMatch(/1 bytes are announced, 0 are left/);
    expect(corruption(Uint8Array.of(0x2a, 5, 1))).toMatch(/5 bytes are announced, 1 are left/);
    expect(corruption(Uint8Array.of(0x52, 3, 0x2a, 9, 1))).toMatch(/9 bytes are announced, 1 are left/);
    expect(corruption(Uint8Array.of(0x42, 3, 0, 0, 0))).toMatch(/4 bytes are announced, 3 are left/);
    expect(corruption(Uint8Array.of(0x08, ...new Array(10).fill(0xff), 1))).toMatch(/more than 64 bits/);
    expect(corruption(Uint8Array.of(0x08, ...new Array(9).fill(0xff), 2))).toMatch(/more than 64 bits/);
    expect(corruption(Uint8Array.of(0x08, ...new Array(8).fill(0xff), 0x7f))).toMatch(/beyond/);
    expect(corruption(Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x10))).toMatch(/a 32-bit integer/);
    expect(corruption(Uint8Array.of(0x2a, ...[0xfe, ...new Array(8).fill(0xff), 1]))).toMatch(/a length of -2/);
    expect(corruption(Uint8Array.of(0x2a, 1, 0xff))).toMatch(/not UTF-8/);
    expect(corruption(Uint8Array.of(0x0d, 0, 0, 0, 0))).toMatch(/field 1 has wire type 5, allowed: 0/);
    expect(corruption(Uint8Array.of(0x00, 1))).toMatch(/field number 0/);
    expect(corruption(Uint8Array.of(0xf3, 1))).toMatch(/wire type 3/);
  });

  it('stops at messages nested too deep instead of overflowing the stack', () => {
    let bytes: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 64; depth++) bytes = nest(bytes);
    expect(corruption(bytes)).toBeUndefined();
    for (let depth = 64; depth < 400; depth++) bytes = nest(bytes);
    expect(corruption(bytes)).toMatch(/nested more than 64 deep/);
  });

  it('calls every strict prefix that ends inside a field corrupt', () => {
    const bytes = encode(SAMPLE, { ...none, child: { ...none, text: 'abc', weights: [1, 2] } });
    for (let length = 1; length < bytes.length; length++) expect(corruption(bytes.subarray(0, length))).toBeDefined();
  });

  it('never fails otherwise, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        corruption(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

function nest(inner: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = inner.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Uint8Array.from([0x52, ...length, rest, ...inner]);
}
