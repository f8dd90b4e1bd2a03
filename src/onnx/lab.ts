import { PIXEL_SCALE, PIXEL_ZERO } from '../encoders/graph.js';
import { LAB, LAB_COLUMNS, LAB_OF_ROOTS } from '../encoders/lab.js';
import type { GraphBuilder } from './builder.js';

/**
 * The curves and matrices of `encoders/lab.ts` as ONNX nodes on [batch, 3, height, width]: the two branches of each curve
 * are both computed and `Where` takes one. Returns the cube roots of X, Y, Z, which every Lab channel is a sum of.
 */
export function addLabRoots(builder: GraphBuilder, pixels: string): string {
  const scalar = (name: string, value: number): string => builder.constant(`lab.${name}`, [], Float32Array.of(value));
  const binary = (op: string, input: string, value: number, output: string): string =>
    builder.add(op, [input, scalar(`${output}.value`, value)], `lab.${output}`);
  const scaled = binary('Mul', pixels, PIXEL_SCALE / 255, 'scaled');
  const unit = binary('Add', scaled, PIXEL_ZERO / 255, 'unit');

  const dark = binary('Div', unit, LAB.linearSlope, 'dark');
  const raised = binary('Add', unit, LAB.gammaOffset, 'raised');
  const curve = binary('Pow', binary('Div', raised, 1 + LAB.gammaOffset, 'base'), LAB.gamma, 'curve');
  const bright = binary('Greater', unit, LAB.linearBelow, 'bright');
  const linear = builder.add('Where', [bright, curve, dark], 'lab.linear');

  const toWhite = builder.constant('lab.white', [3, 3, 1, 1], Float32Array.from(LAB.whiteRelative.flat()));
  const xyz = builder.add('Conv', [linear, toWhite], 'lab.xyz', { kernel_shape: [1, 1] });

  const root = binary('Pow', binary('Max', xyz, LAB.cubeBelow, 'positive'), 1 / 3, 'root');
  const straight = binary('Add', binary('Mul', xyz, LAB.cubeSlope, 'slope'), LAB.cubeOffset, 'straight');
  const light = binary('Greater', xyz, LAB.cubeBelow, 'light');
  return builder.add('Where', [light, root, straight], 'lab.roots');
}

/** Lab channels of the roots, scaled: a convolution of 1x1. */
export function addLabChannels(builder: GraphBuilder, roots: string, name: string, channels: 'l' | 'ab'): string {
  const columns = LAB_COLUMNS[channels];
  const kernel = columns.flatMap((column) => LAB_OF_ROOTS.matrix.map((row) => row[column]!));
  const weight = builder.constant(`${name}.weight`, [columns.length, 3, 1, 1], Float32Array.from(kernel));
  const offset = columns.map((column) => LAB_OF_ROOTS.offset[column]!);
  const bias = builder.constant(`${name}.bias`, [columns.length], Float32Array.from(offset));
  return builder.add('Conv', [roots, weight, bias], name, { kernel_shape: [1, 1] });
}
