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
} from './protobuf.js';

/**
 * The part of ONNX that encoders need, field numbers as in onnx/onnx.proto (IR version 8). What is left out (sparse
 * initialisers, functions, training information, types other than tensors, external data) is skipped by the decoder.
 * Lists are packed where onnx.proto packs them.
 */
export interface ModelProto {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: number;
  readonly docString?: string;
  readonly graph?: GraphProto;
  readonly opsetImport: readonly OperatorSetIdProto[];
  readonly metadataProps: readonly StringStringEntryProto[];
}

export interface OperatorSetIdProto {
  readonly domain?: string;
  readonly version?: number;
}

export interface StringStringEntryProto {
  readonly key?: string;
  readonly value?: string;
}

export interface GraphProto {
  readonly node: readonly NodeProto[];
  readonly name?: string;
  readonly initializer: readonly TensorProto[];
  readonly docString?: string;
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
}

export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute: readonly AttributeProto[];
  readonly docString?: string;
  readonly domain?: string;
}

export interface AttributeProto {
  readonly name?: string;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly Uint8Array[];
  readonly docString?: string;
  /** One of `AttributeType`. */
  readonly type?: number;
}

export interface TensorProto {
  readonly dims: readonly number[];
  /** One of `DataType`. */
  readonly dataType?: number;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly number[];
  readonly name?: string;
  /** Little-endian, row-major; not aligned within the file. */
  readonly rawData?: Uint8Array;
  readonly doubleData: readonly number[];
  readonly docString?: string;
}

export interface ValueInfoProto {
  readonly name?: string;
  readonly type?: TypeProto;
  readonly docString?: string;
}

export interface TypeProto {
  readonly tensorType?: TensorTypeProto;
  readonly denotation?: string;
}

export interface TensorTypeProto {
  readonly elemType?: number;
  readonly shape?: TensorShapeProto;
}

export interface TensorShapeProto {
  readonly dim: readonly DimensionProto[];
}

export interface DimensionProto {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

/** TensorProto.DataType. */
export const DataType = { FLOAT: 1, UINT8: 2, INT8: 3, INT32: 6, INT64: 7, FLOAT16: 10, DOUBLE: 11 } as const;

/** AttributeProto.AttributeType. */
export const AttributeType = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

const OPERATOR_SET: MessageType<OperatorSetIdProto> = {
  name: 'OperatorSetIdProto',
  fields: () => ({ domain: optional(1, STRING), version: optional(2, INT64) }),
};

const METADATA: MessageType<StringStringEntryProto> = {
  name: 'StringStringEntryProto',
  fields: () => ({ key: optional(1, STRING), value: optional(2, STRING) }),
};

const DIMENSION: MessageType<DimensionProto> = {
  name: 'TensorShapeProto.Dimension',
  fields: () => ({ dimValue: optional(1, INT64), dimParam: optional(2, STRING) }),
};

const SHAPE: MessageType<TensorShapeProto> = {
  name: 'TensorShapeProto',
  fields: () => ({ dim: repeated(1, message(DIMENSION)) }),
};

const TENSOR_TYPE: MessageType<TensorTypeProto> = {
  name: 'TypeProto.Tensor',
  fields: () => ({ elemType: optional(1, INT32), shape: optional(2, message(SHAPE)) }),
};

const TYPE: MessageType<TypeProto> = {
  name: 'TypeProto',
  fields: () => ({ tensorType: optional(1, message(TENSOR_TYPE)), denotation: optional(6, STRING) }),
};

const VALUE_INFO: MessageType<ValueInfoProto> = {
  name: 'ValueInfoProto',
  fields: () => ({ name: optional(1, STRING), type: optional(2, message(TYPE)), docString: optional(3, STRING) }),
};

const TENSOR: MessageType<TensorProto> = {
  name: 'TensorProto',
  fields: () => ({
    dims: repeated(1, INT64),
    dataType: optional(2, INT32),
    floatData: packed(4, FLOAT),
    int32Data: packed(5, INT32),
    int64Data: packed(7, INT64),
    name: optional(8, STRING),
    rawData: optional(9, BYTES),
    doubleData: packed(10, DOUBLE),
    docString: optional(12, STRING),
  }),
};

const ATTRIBUTE: MessageType<AttributeProto> = {
  name: 'AttributeProto',
  fields: () => ({
    name: optional(1, STRING),
    f: optional(2, FLOAT),
    i: optional(3, INT64),
    s: optional(4, BYTES),
    t: optional(5, message(TENSOR)),
    g: optional(6, message(GRAPH)),
    floats: repeated(7, FLOAT),
    ints: repeated(8, INT64),
    strings: repeated(9, BYTES),
    docString: optional(13, STRING),
    type: optional(20, INT32),
  }),
};

const NODE: MessageType<NodeProto> = {
  name: 'NodeProto',
  fields: () => ({
    input: repeated(1, STRING),
    output: repeated(2, STRING),
    name: optional(3, STRING),
    opType: optional(4, STRING),
    attribute: repeated(5, message(ATTRIBUTE)),
    docString: optional(6, STRING),
    domain: optional(7, STRING),
  }),
};

const GRAPH: MessageType<GraphProto> = {
  name: 'GraphProto',
  fields: () => ({
    node: repeated(1, message(NODE)),
    name: optional(2, STRING),
    initializer: repeated(5, message(TENSOR)),
    docString: optional(10, STRING),
    input: repeated(11, message(VALUE_INFO)),
    output: repeated(12, message(VALUE_INFO)),
    valueInfo: repeated(13, message(VALUE_INFO)),
  }),
};

const MODEL: MessageType<ModelProto> = {
  name: 'ModelProto',
  fields: () => ({
    irVersion: optional(1, INT64),
    producerName: optional(2, STRING),
    producerVersion: optional(3, STRING),
    domain: optional(4, STRING),
    modelVersion: optional(5, INT64),
    docString: optional(6, STRING),
    graph: optional(7, message(GRAPH)),
    opsetImport: repeated(8, message(OPERATOR_SET)),
    metadataProps: repeated(14, message(METADATA)),
  }),
};

/** The bytes of an .onnx file; decoding and encoding again gives the same bytes for files written here. */
export function encodeModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  return encode(MODEL, model);
}

/**
 * Reads an .onnx file; truncated or malformed bytes are `NM_MODEL_CORRUPT`. `rawData` are views into `bytes`.
 * `name` (the file) is used in messages.
 */
export function decodeModel(bytes: Uint8Array, name = 'model'): ModelProto {
  return decode(MODEL, bytes, name);
}
