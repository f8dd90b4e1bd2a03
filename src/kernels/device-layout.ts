// What the device kernels read from memory: as assembly/lib/layer.ts and assembly/layer-codes.ts say. Offsets in bytes.

/** Fields of a layer, in the order of the memory: four bytes each. */
export const LAYER_FIELDS = [
  'source',
  'sourceRow',
  'sourcePixel',
  'patchRows',
  'patchRowStep',
  'length',
  'patchPixelStep',
  'weights',
  'out',
  'outRow',
  'outPixel',
  'height',
  'width',
  'panels',
  'other',
  'otherRow',
  'otherPixel',
  'lowest',
  'factor',
  'least',
  'most',
] as const;

export type LayerField = (typeof LAYER_FIELDS)[number];
export type LayerBlock = Readonly<Record<LayerField, number>>;

export const LAYER_BYTES: number = 4 * LAYER_FIELDS.length;

const FLOATS: ReadonlySet<LayerField> = new Set(['lowest', 'factor', 'least', 'most']);

/** Writes a layer's block; fields that are left out are 0. */
export function writeLayer(memory: WebAssembly.Memory, address: number, layer: Partial<LayerBlock>): void {
  const view = new DataView(memory.buffer, address, LAYER_BYTES);
  for (const [i, field] of LAYER_FIELDS.entries()) {
    const value = layer[field] ?? 0;
    if (FLOATS.has(field)) view.setFloat32(4 * i, value, true);
    else view.setInt32(4 * i, value, true);
  }
}

/** Channels of a panel of weights. */
export const LANES = 8;

/** What `addCodes` finds behind its layer's `weights`. */
export interface AddParameters {
  /** Scale of the first addend over the scale of the sum, and of the second, float32. */
  readonly ratioA: number;
  readonly ratioB: number;
  readonly fixed: number;
  readonly zeroA: number;
  readonly zeroB: number;
  readonly zeroOut: number;
}

export const ADD_BYTES = 40;

export function writeAddParameters(memory: WebAssembly.Memory, address: number, parameters: AddParameters): void {
  const view = new DataView(memory.buffer, address, ADD_BYTES);
  view.setFloat64(0, parameters.ratioA, true);
  view.setFloat64(8, parameters.ratioB, true);
  view.setFloat64(16, parameters.fixed, true);
  view.setInt32(24, parameters.zeroA, true);
  view.setInt32(28, parameters.zeroB, true);
  view.setInt32(32, parameters.zeroOut, true);
}
