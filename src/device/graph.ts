import { NearmissError } from '../errors.js';
import { DataType, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from '../onnx/model.js';

/** A tensor of the file: its elements in row-major order, its type one of `DataType`. */
export interface Constant {
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly data: Float32Array | Uint8Array | Int8Array | Int32Array;
}

/** A node of the graph with its attributes at hand, which complains in its own name. */
export class GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly #node: NodeProto;
  readonly #model: string;

  constructor(node: NodeProto, model: string) {
    this.op = node.opType ?? '';
    this.inputs = node.input;
    this.output = node.output[0] ?? '';
    this.#node = node;
    this.#model = model;
  }

  /** The error for what the engine does not do. */
  unsupported(found: string): NearmissError {
    const name = this.#node.name || this.output;
    return new NearmissError('NM_MODEL_UNSUPPORTED', `${this.#model}: node '${name}' (${this.op}): found ${found}`);
  }

  /** The name of an input that must be there. */
  input(index: number): string {
    const name = this.inputs[index];
    if (!name) throw this.unsupported(`no input ${index}, which it needs`);
    return name;
  }

  #attribute(name: string): NodeProto['attribute'][number] | undefined {
    return this.#node.attribute.find((attribute) => attribute.name === name);
  }

  integer(name: string, absent: number): number {
    return this.#attribute(name)?.i ?? absent;
  }

  text(name: string, absent: string): string {
    const text = this.#attribute(name)?.s;
    return text ? new TextDecoder().decode(text) : absent;
  }

  float(name: string, absent: number): number {
    return this.#attribute(name)?.f ?? absent;
  }

  integers(name: string, absent: readonly number[]): readonly number[] {
    return this.#attribute(name)?.ints ?? absent;
  }

  /** Throws where an attribute that the engine knows in one setting only has another. */
  expect(name: string, found: unknown, allowed: unknown): void {
    if (String(found) !== String(allowed)) throw this.unsupported(`${name} ${found}, allowed: ${allowed}`);
  }
}

/** The graph of a model file, in the order in which nodes can run. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly constants: ReadonlyMap<string, Constant>;
  readonly input: { readonly name: string; readonly shape: readonly (number | undefined)[]; readonly type: number };
  readonly output: { readonly name: string; readonly shape: readonly (number | undefined)[]; readonly type: number };
  /** The nodes that read a value. */
  readers(value: string): readonly GraphNode[];
}

function constantOf(tensor: TensorProto, model: string): Constant {
  const { dims, dataType = 0 } = tensor;
  const refuse = (found: string): NearmissError =>
    new NearmissError('NM_MODEL_UNSUPPORTED', `${model}: tensor '${tensor.name}': found ${found}`);
  const places: Readonly<
    Record<number, Float32ArrayConstructor | Uint8ArrayConstructor | Int8ArrayConstructor | Int32ArrayConstructor>
  > = {
    [DataType.FLOAT]: Float32Array,
    [DataType.UINT8]: Uint8Array,
    [DataType.INT8]: Int8Array,
    [DataType.INT32]: Int32Array,
  };
  const place = places[dataType];
  if (!place) throw refuse(`data type ${dataType}, allowed: ${Object.keys(places).join(', ')}`);
  const count = dims.reduce((product, length) => product * length, 1);
  let data: Constant['data'];
  if (tensor.rawData) {
    // A copy, for raw bytes are not aligned within a file.
    const bytes = tensor.rawData.slice();
    if (bytes.length !== count * place.BYTES_PER_ELEMENT) throw refuse(`${bytes.length} bytes for [${dims}]`);
    data = new place(bytes.buffer);
  } else {
    data = place.from(dataType === DataType.FLOAT ? tensor.floatData : tensor.int32Data);
    if (data.length !== count) throw refuse(`${data.length} elements for [${dims}]`);
  }
  return { dims, dataType, data };
}

type Interface = Graph['input'];

function interfaceOf(graph: GraphProto, side: 'input' | 'output', model: string): Interface {
  const known = new Set(graph.initializer.map((tensor) => tensor.name));
  const values = graph[side].filter((value) => !known.has(value.name));
  const [value] = values;
  if (values.length !== 1 || value?.name === undefined) {
    throw new NearmissError('NM_MODEL_UNSUPPORTED', `${model}: found ${values.length} ${side}s, allowed: 1`);
  }
  const type = value.type?.tensorType;
  const shape = (type?.shape?.dim ?? []).map(({ dimValue }) => dimValue);
  return { name: value.name, shape, type: type?.elemType ?? 0 };
}

/**
 * The graph of a decoded model.
 *
 * @throws `NM_MODEL_CORRUPT` where there is none, `NM_MODEL_UNSUPPORTED`
 */
export function readGraph(model: ModelProto, name: string): Graph {
  const { graph } = model;
  if (!graph) throw new NearmissError('NM_MODEL_CORRUPT', `${name}: found no graph`);
  const readers = new Map<string, GraphNode[]>();
  const nodes = graph.node.map((proto) => {
    const node = new GraphNode(proto, name);
    if (proto.domain) throw node.unsupported(`domain '${proto.domain}', allowed: that of ONNX itself`);
    if (proto.output.length !== 1) throw node.unsupported(`${proto.output.length} outputs, allowed: 1`);
    for (const input of new Set(proto.input)) {
      const list = readers.get(input);
      if (list) list.push(node);
      else readers.set(input, [node]);
    }
    return node;
  });
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', constantOf(tensor, name)]));
  return {
    nodes,
    constants,
    input: interfaceOf(graph, 'input', name),
    output: interfaceOf(graph, 'output', name),
    readers: (value) => readers.get(value) ?? [],
  };
}
