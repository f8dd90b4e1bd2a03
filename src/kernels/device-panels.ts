import { LANES } from './device-layout.js';

/**
 * A filter as the kernels of assembly/layer-floats.ts and layer-codes.ts read it: panels of eight output channels. `weight`
 * tells the weight of an output channel and a place in a patch, which runs over rows, columns and channels of the input
 * (`pitch` of them a pixel, of which `inputs` are channels and the rest filling).
 */
export interface FilterShape {
  readonly outputs: number;
  readonly inputs: number;
  readonly pitch: number;
  readonly height: number;
  readonly width: number;
  /** One filter a channel: inputs and pitch are 1. */
  readonly depthwise: boolean;
}

export type Filter = ArrayLike<number>;

export function panelCount(channels: number): number {
  return Math.ceil(channels / LANES);
}

/** ONNX's [out, in, height, width] in the order of a patch: calls back with (output, place in the patch, weight). */
function eachWeight(
  filter: Filter,
  shape: FilterShape,
  set: (output: number, place: number, weight: number) => void,
): void {
  const { outputs, inputs, pitch, height, width } = shape;
  let from = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let pixel = 0; pixel < height * width; pixel++) set(output, pixel * pitch + input, filter[from++]!);
    }
  }
}

/** Float32 panels: for each, eight biases and then the eight weights of each place in a patch. */
export function floatPanels(filter: Filter, bias: Filter | undefined, shape: FilterShape): Float32Array {
  const places = shape.height * shape.width * shape.pitch;
  const panel = LANES * (1 + places);
  const panels = new Float32Array(panelCount(shape.outputs) * panel);
  const at = (output: number, row: number): number =>
    Math.floor(output / LANES) * panel + row * LANES + (output % LANES);
  if (bias) for (let output = 0; output < shape.outputs; output++) panels[at(output, 0)] = bias[output]!;
  eachWeight(filter, shape, (output, place, weight) => {
    panels[at(output, 1 + place)] = weight;
  });
  return panels;
}

/**
 * Int8 panels: for each, eight i32 biases, eight f32 scales, then the i16 weights; of each pair of places in a patch the
 * eight channels' pairs, or of a depthwise filter of each place the eight channels'.
 */
export function codePanels(filter: Filter, bias: Filter | undefined, scales: Filter, shape: FilterShape): Uint8Array {
  const places = shape.height * shape.width * shape.pitch;
  const head = 2 * LANES * 4;
  const panelBytes = head + LANES * 2 * places;
  const bytes = new Uint8Array(panelCount(shape.outputs) * panelBytes);
  const view = new DataView(bytes.buffer);
  for (let output = 0; output < shape.outputs; output++) {
    const at = Math.floor(output / LANES) * panelBytes + 4 * (output % LANES);
    view.setInt32(at, bias ? bias[output]! : 0, true);
    view.setFloat32(at + 4 * LANES, scales[output]!, true);
  }
  eachWeight(filter, shape, (output, place, weight) => {
    const lane = output % LANES;
    const inPanel = shape.depthwise ? place * LANES + lane : (place >> 1) * 2 * LANES + 2 * lane + (place & 1);
    view.setInt16(Math.floor(output / LANES) * panelBytes + head + 2 * inPanel, weight, true);
  });
  return bytes;
}
