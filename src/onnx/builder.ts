import type { NodeProto, TensorProto } from './model.js';
import { makeNode, makeTensor } from './nodes.js';

/** Nodes and initialisers under construction. */
export class GraphBuilder {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];

  add(
    opType: string,
    input: readonly string[],
    output: string,
    attributes: Readonly<Record<string, number | readonly number[]>> = {},
  ): string {
    this.nodes.push(makeNode(opType, input, output, attributes));
    return output;
  }

  constant(name: string, dims: readonly number[], data: Float32Array | Uint8Array): string {
    this.initializers.push(makeTensor(name, dims, data));
    return name;
  }
}
