import { Reader, WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT, type WireType, Writer } from './wire.js';

/**
 * A codec driven by a schema: a message type lists its fields by name, and the compiler checks the list against the
 * interface of the message. Encoding writes fields in the order of the schema, so equal messages give equal bytes.
 *
 * @example
 * interface Pair { readonly key?: string; readonly values: readonly number[] }
 * const PAIR: MessageType<Pair> = {
 *   name: 'Pair',
 *   fields: () => ({ key: optional(1, STRING), values: packed(2, INT64) }),
 * };
 * decode(PAIR, encode(PAIR, { key: 'a', values: [1, -1] }), 'pair');
 */
export interface MessageType<T extends object> {
  readonly name: string;
  /** A function, so that messages may contain each other. */
  readonly fields: () => Schema<T>;
}

export type Schema<T extends object> = { readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>> };

/** How one field is written and read. */
export interface Field<V> {
  readonly id: number;
  /** What a decoded message holds where the field is absent; nothing for optional fields. */
  readonly absent?: () => V;
  write(writer: Writer, value: V): void;
  /** The field's value after one more occurrence; `before` is what earlier occurrences gave. */
  read(reader: Reader, wire: number, before: V | undefined): V;
}

/** How one value is written and read, without its tag. */
export interface ValueType<V> {
  readonly wire: WireType;
  write(writer: Writer, value: V): void;
  read(reader: Reader, before?: V): V;
}

const utf8 = new TextEncoder();
// A byte order mark is part of the text, else decoding and encoding would not give the same bytes.
const fromUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const INT64: ValueType<number> = {
  wire: WIRE_VARINT,
  write: (writer, value) => writer.integer(value),
  read: (reader) => reader.integer(),
};

export const INT32: ValueType<number> = {
  wire: WIRE_VARINT,
  write: (writer, value) => {
    if ((value | 0) !== value) throw new TypeError(`${value} is not a 32-bit integer`);
    writer.integer(value);
  },
  read: (reader) => {
    const value = reader.integer();
    if ((value | 0) !== value) throw reader.corrupt(`found ${value}, allowed: a 32-bit integer`);
    return value;
  },
};

export const FLOAT: ValueType<number> = {
  wire: WIRE_FIXED32,
  write: (writer, value) => writer.float(value),
  read: (reader) => reader.float(),
};

export const DOUBLE: ValueType<number> = {
  wire: WIRE_FIXED64,
  write: (writer, value) => writer.double(value),
  read: (reader) => reader.double(),
};

export const STRING: ValueType<string> = {
  wire: WIRE_BYTES,
  write: (writer, value) => {
    // TextEncoder would replace a lone surrogate without a word.
    if (/\p{Surrogate}/u.test(value)) throw new TypeError(`${JSON.stringify(value)} is not Unicode text`);
    writer.block(utf8.encode(value));
  },
  read: (reader) => {
    const block = reader.block();
    try {
      return fromUtf8.decode(block);
    } catch {
      throw reader.corrupt('found text that is not UTF-8');
    }
  },
};

/** Decoded values are views into the file, not copies. */
export const BYTES: ValueType<Uint8Array> = {
  wire: WIRE_BYTES,
  write: (writer, value) => writer.block(value),
  read: (reader) => reader.block(),
};

export function message<T extends object>(type: MessageType<T>): ValueType<T> {
  return {
    wire: WIRE_BYTES,
    write: (writer, value) => writer.nested(() => writeFields(type, writer, value)),
    read: (reader, before) => readFields(type, reader.nested(), before),
  };
}

function expectWire(reader: Reader, id: number, found: number, allowed: WireType): void {
  if (found !== allowed) throw reader.corrupt(`field ${id} has wire type ${found}, allowed: ${allowed}`);
}

/** A field that occurs at most once; of scalars the last occurrence counts, messages are merged. */
export function optional<V>(id: number, type: ValueType<V>): Field<V> {
  return {
    id,
    write: (writer, value) => {
      writer.tag(id, type.wire);
      type.write(writer, value);
    },
    read: (reader, wire, before) => {
      expectWire(reader, id, wire, type.wire);
      return type.read(reader, before);
    },
  };
}

/** Reads scalars one by one or packed, whichever the file has: proto2 and proto3 writers differ. */
function readRepeated<V>(id: number, type: ValueType<V>): Field<readonly V[]>['read'] {
  return (reader, wire, before) => {
    const values = (before ?? []) as V[];
    if (wire === WIRE_BYTES && type.wire !== WIRE_BYTES) {
      const run = reader.nested();
      while (!run.done) values.push(type.read(run));
    } else {
      expectWire(reader, id, wire, type.wire);
      values.push(type.read(reader));
    }
    return values;
  };
}

/** A list, each value behind a tag of its own. */
export function repeated<V>(id: number, type: ValueType<V>): Field<readonly V[]> {
  return {
    id,
    absent: () => [],
    write: (writer, values) => {
      for (const value of values) {
        writer.tag(id, type.wire);
        type.write(writer, value);
      }
    },
    read: readRepeated(id, type),
  };
}

/** A list of scalars in one block. */
export function packed(id: number, type: ValueType<number>): Field<readonly number[]> {
  return {
    id,
    absent: () => [],
    write: (writer, values) => {
      if (values.length === 0) return;
      writer.tag(id, WIRE_BYTES);
      writer.nested(() => {
        for (const value of values) type.write(writer, value);
      });
    },
    read: readRepeated(id, type),
  };
}

interface FieldTable {
  readonly byName: ReadonlyMap<string, Field<unknown>>;
  readonly byId: ReadonlyMap<number, readonly [name: string, field: Field<unknown>]>;
}

const tables = new WeakMap<object, FieldTable>();

function fieldTable<T extends object>(type: MessageType<T>): FieldTable {
  let table = tables.get(type);
  if (!table) {
    const fields = Object.entries<Field<unknown>>(type.fields());
    table = { byName: new Map(fields), byId: new Map(fields.map((entry) => [entry[1].id, entry])) };
    tables.set(type, table);
  }
  return table;
}

function writeFields<T extends object>(type: MessageType<T>, writer: Writer, value: T): void {
  const { byName } = fieldTable(type);
  for (const name of Object.keys(value)) {
    if (!byName.has(name)) {
      throw new TypeError(`${type.name} has no field '${name}', allowed: ${[...byName.keys()].join(', ')}`);
    }
  }
  const values = value as Readonly<Record<string, unknown>>;
  for (const [name, field] of byName) {
    if (values[name] !== undefined) field.write(writer, values[name]);
  }
}

function readFields<T extends object>(type: MessageType<T>, reader: Reader, before?: T): T {
  const { byId, byName } = fieldTable(type);
  const values: Record<string, unknown> = { ...before };
  while (!reader.done) {
    const { id, wire } = reader.tag();
    const known = byId.get(id);
    if (!known) {
      reader.skip(wire);
      continue;
    }
    const [name, field] = known;
    values[name] = field.read(reader, wire, values[name]);
  }
  for (const [name, field] of byName) {
    if (field.absent && values[name] === undefined) values[name] = field.absent();
  }
  return values as T;
}

/** The bytes of a message. A name that the schema does not have is a `TypeError`, never dropped. */
export function encode<T extends object>(type: MessageType<T>, value: T): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writeFields(type, writer, value);
  return writer.finish();
}

/**
 * Reads a message; lists are there even when empty, fields that the schema does not have are skipped. Truncated or
 * malformed bytes are `NM_MODEL_CORRUPT`; `name` (the file) is used in messages.
 */
export function decode<T extends object>(type: MessageType<T>, bytes: Uint8Array, name: string): T {
  // Slices of a Node Buffer would be Buffers, which share memory where a Uint8Array copies.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return readFields(type, new Reader(plain, name));
}
