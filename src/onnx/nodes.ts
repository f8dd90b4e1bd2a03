import {
  type AttributeProto,
  AttributeType,
  DataType,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './model.js';

/** Makers of ONNX messages, named as in Python's onnx.helper. */

const noLists = { floats: [], ints: [], strings: [] } as const;

/** An integer, or a list of integers. */
export function makeAttribute(name: string, value: number | readonly number[]): AttributeProto {
  if (typeof value === 'number') return { ...noLists, name, type: AttributeType.INT, i: value };
  return { ...noLists, name, type: AttributeType.INTS, ints: value };
}

/** A node of one output, named after it. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => makeAttribute(name, value));
  return { input, output: [output], name: output, opType, attribute };
}

type TensorData = Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;

function dataTypeOf(data: TensorData): number {
  if (data instanceof Float32Array) return DataType.FLOAT;
  if (data instanceof Uint8Array) return DataType.UINT8;
  if (data instanceof Int8Array) return DataType.INT8;
  if (data instanceof Int32Array) return DataType.INT32;
  return DataType.INT64;
}

/** An initialiser; dims [] is a scalar. The data is not copied. */
export function makeTensor(name: string, dims: readonly number[], data: TensorData): TensorProto {
  const elements = dims.reduce((product, length) => product * length, 1);
  if (elements !== data.length) throw new Error(`tensor '${name}' of [${dims}] got ${data.length} elements`);
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    dims,
    dataType: dataTypeOf(data),
    floatData: [],
    int32Data: [],
    int64Data: [],
    name,
    rawData,
    doubleData: [],
  };
}

/** The elements of a float32 tensor, a copy. */
export function floatElements(tensor: TensorProto): Float32Array {
  if (tensor.dataType !== DataType.FLOAT) {
    throw new Error(`tensor '${tensor.name}' has data type ${tensor.dataType}, not float32 (${DataType.FLOAT})`);
  }
  // Raw bytes are not 4-byte aligned within a file: a copy is.
  if (tensor.rawData) return new Float32Array(new Uint8Array(tensor.rawData).buffer);
  return Float32Array.from(tensor.floatData);
}

/** A graph input or output; dimensions given as text are symbolic. */
export function makeTensorValueInfo(
  name: string,
  elemType: number,
  shape: readonly (number | string)[],
): ValueInfoProto {
  const dim = shape.map((length) => (typeof length === 'string' ? { dimParam: length } : { dimValue: length }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
