import type { Constant } from './graph.js';
import type { Quantisation } from './layers.js';
import type { FeatureMap } from './machine.js';

/** The order that ONNX counts a value's axes in, behind the batch; in memory pixels are always outermost. */
export type Axes = 'channels first' | 'channels last' | 'flat';

/** Codes less their zero point, by byte. */
export interface CodeTable {
  readonly codes: Int16Array;
  readonly quantisation: Quantisation;
}

/** What a name of the graph stands for. */
export type Value =
  /** The picture, bytes [size, size, 3]. */
  | { readonly kind: 'picture'; readonly axes: Axes }
  /** A function of each byte of the picture: of the byte p, `table[p]`. */
  | {
      readonly kind: 'table';
      readonly axes: Axes;
      readonly table: Float32Array;
      /** Where the numbers are those that codes stand for: the codes. */
      readonly coded?: CodeTable;
    }
  /** The codes of a function of each byte. */
  | { readonly kind: 'code table'; readonly axes: Axes; readonly coded: CodeTable }
  | { readonly kind: 'floats'; readonly axes: Axes; readonly map: FeatureMap }
  | { readonly kind: 'codes'; readonly axes: Axes; readonly map: FeatureMap; readonly quantisation: Quantisation }
  /** The numbers that codes stand for; no memory holds them until a float32 layer asks. */
  | { readonly kind: 'dequantised'; readonly axes: Axes; readonly map: FeatureMap; readonly quantisation: Quantisation }
  | { readonly kind: 'constant'; readonly constant: Constant }
  /** (constant - zero) · scale, with a scale for each index of the first axis, or for all. */
  | {
      readonly kind: 'dequantised constant';
      readonly constant: Constant;
      readonly scales: Float32Array;
      readonly zeros: ArrayLike<number>;
    };

export type Mapped = { readonly axes: Axes; readonly map: FeatureMap };
