import { DataType } from '../onnx/model.js';
import { dequantise, load } from './element-layers.js';
import type { Constant, Graph, GraphNode } from './graph.js';
import type { Quantisation } from './layers.js';
import { FeatureMap, type Layer } from './machine.js';
import type { Axes, Mapped, Value } from './values.js';

const BYTES = 256;

/** Bounds of the codes of a data type; undefined for types that are no codes. */
export function codeBounds(dataType: number): { readonly lowest: number; readonly highest: number } | undefined {
  if (dataType === DataType.UINT8) return { lowest: 0, highest: 255 };
  if (dataType === DataType.INT8) return { lowest: -128, highest: 127 };
  return undefined;
}

/** A graph being turned into layers, node by node: what its names stand for, and the layers so far. */
export class Build {
  readonly layers: Layer[] = [];
  readonly #values = new Map<string, Value>();
  readonly #done = new Set<GraphNode>();
  /** Maps of values that no memory held before a layer asked. */
  readonly #materialised = new Map<Value | Int16Array, FeatureMap>();
  readonly #graph: Graph;
  readonly #size: number;

  constructor(graph: Graph, size: number) {
    this.#graph = graph;
    this.#size = size;
    for (const [name, constant] of graph.constants) this.define(name, { kind: 'constant', constant });
    this.define(graph.input.name, { kind: 'picture', axes: 'channels last' });
  }

  define(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** What a name stands for, once the node that makes it is done. */
  find(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** Marks a node that another has done the work of. */
  absorb(node: GraphNode): void {
    this.#done.add(node);
  }

  isDone(node: GraphNode): boolean {
    return this.#done.has(node);
  }

  /** The only reader of a node's output, if it is of that operator. */
  soleReader(output: string, op: string): GraphNode | undefined {
    if (output === this.#graph.output.name) return undefined;
    const [reader, ...others] = this.#graph.readers(output);
    return others.length === 0 && reader?.op === op ? reader : undefined;
  }

  value(node: GraphNode, index: number): Value {
    const name = node.input(index);
    const value = this.#values.get(name);
    if (!value) throw node.unsupported(`input '${name}', which no node before it makes`);
    return value;
  }

  /** A constant as it is in the file; undefined for what is computed. */
  constant(node: GraphNode, index: number): Constant | undefined {
    const value = this.value(node, index);
    return value.kind === 'constant' ? value.constant : undefined;
  }

  /** A constant's numbers with its shape; an error for what is computed. */
  numbers(node: GraphNode, index: number): { readonly dims: readonly number[]; readonly data: Float32Array } {
    const value = this.value(node, index);
    if (value.kind === 'constant' && value.constant.data instanceof Float32Array) {
      return { dims: value.constant.dims, data: value.constant.data };
    }
    if (value.kind !== 'dequantised constant')
      throw node.unsupported(`${describe(value)} as input ${index}, allowed: float32 numbers of the file`);
    const { constant, scales, zeros } = value;
    const each = scales.length === 1 ? constant.data.length : constant.data.length / scales.length;
    const data = Float32Array.from(constant.data, (code, i) => {
      const group = Math.floor(i / each);
      return (code - zeros[group]!) * scales[group]!;
    });
    return { dims: constant.dims, data };
  }

  /** A constant of one float32. */
  scalar(node: GraphNode, index: number): number {
    const { data } = this.numbers(node, index);
    if (data.length !== 1) throw node.unsupported(`${data.length} numbers as input ${index}, allowed: 1`);
    return data[0]!;
  }

  /** A value as float32 in memory. */
  floats(node: GraphNode, index: number): Mapped {
    const value = this.value(node, index);
    if (value.kind === 'floats') return value;
    if (value.kind !== 'table' && value.kind !== 'dequantised') {
      throw node.unsupported(`${describe(value)} as input ${index}, allowed: float32`);
    }
    const map = this.#materialise(value, () => {
      if (value.kind === 'table') return load(value.table, this.#pictureMap(false));
      const { height, width, channels } = value.map;
      return dequantise(value.map, value.quantisation.scale, new FeatureMap(height, width, channels));
    });
    return { axes: value.axes, map };
  }

  /** Dequantised codes as the codes themselves; undefined for other values. */
  codes(value: Value): (Mapped & { readonly quantisation: Quantisation }) | undefined {
    if (value.kind === 'dequantised') return value;
    if (value.kind !== 'table' || !value.coded) return undefined;
    const { codes, quantisation } = value.coded;
    const map = this.#materialise(codes, () => load(codes, this.#pictureMap(true)));
    return { axes: value.axes, map, quantisation };
  }

  #materialise(key: Value | Int16Array, make: () => Layer): FeatureMap {
    const known = this.#materialised.get(key);
    if (known) return known;
    const layer = make();
    this.layers.push(layer);
    this.#materialised.set(key, layer.writes);
    return layer.writes;
  }

  /** Three channels a pixel without filling, of codes one: their pitch is even. */
  #pictureMap(codes: boolean): FeatureMap {
    return new FeatureMap(this.#size, this.#size, 3, codes, codes ? 4 : 3);
  }

  /** Adds a layer whose output a name stands for. */
  emit(name: string, axes: Axes, layer: Layer): void {
    this.layers.push(layer);
    this.define(name, { kind: 'floats', axes, map: layer.writes });
  }
}

/** What messages call a value. */
export function describe(value: Value): string {
  if (value.kind === 'picture' || value.kind === 'codes')
    return `the codes of ${value.kind === 'picture' ? 'a picture' : 'a map'}`;
  if (value.kind === 'constant' || value.kind === 'dequantised constant') return `a constant [${value.constant.dims}]`;
  return 'map' in value ? `a map of ${value.map.shape}` : 'a picture';
}

/** A function of each byte as a table of float32. */
export function tabulate(of: (byte: number) => number): Float32Array {
  return Float32Array.from({ length: BYTES }, (_, byte) => of(byte));
}
