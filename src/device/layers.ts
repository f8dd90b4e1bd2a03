import type { DeviceKernel } from '../kernels/device-exports.js';
import {
  ADD_BYTES,
  type AddParameters,
  LAYER_BYTES,
  type LayerBlock,
  writeAddParameters,
  writeLayer,
} from '../kernels/device-layout.js';
import { codePanels, type Filter, type FilterShape, floatPanels, panelCount } from '../kernels/device-panels.js';
import type { FeatureMap, Layer, Machine } from './machine.js';

/** Where outputs read: patches of so many pixels, `stride` apart, the first one above and left of the map by the padding. */
export interface Window {
  readonly height: number;
  readonly width: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly padTop: number;
  readonly padLeft: number;
}

/** One pixel for one. */
export const POINT: Window = { height: 1, width: 1, strideHeight: 1, strideWidth: 1, padTop: 0, padLeft: 0 };

/** How codes stand for numbers: (code - zero) · scale, with codes of `lowest` to `highest`. */
export interface Quantisation {
  readonly scale: number;
  readonly zero: number;
  readonly lowest: number;
  readonly highest: number;
}

/** The smallest and the largest code less the zero point; with ReLU from 0. */
export function codeRange({ zero, lowest, highest }: Quantisation, relu: boolean): { least: number; most: number } {
  return { least: relu ? Math.max(0, lowest - zero) : lowest - zero, most: highest - zero };
}

/** Addresses and steps of a layer. Lengths are those of patches in pixels. */
function places(x: FeatureMap, window: Window, out: FeatureMap, other?: FeatureMap): Partial<LayerBlock> {
  return {
    source: x.address - window.padTop * x.rowBytes - window.padLeft * x.pixelBytes,
    sourceRow: window.strideHeight * x.rowBytes,
    sourcePixel: window.strideWidth * x.pixelBytes,
    patchRows: window.height,
    patchRowStep: x.rowBytes,
    length: window.width,
    patchPixelStep: x.pixelBytes,
    out: out.address,
    outRow: out.rowBytes,
    outPixel: out.pixelBytes,
    height: out.height,
    width: out.width,
    panels: panelCount(out.channels),
    ...(other && { other: other.address, otherRow: other.rowBytes, otherPixel: other.pixelBytes }),
  };
}

function kernelStep(machine: Machine, kernel: DeviceKernel, block: Partial<LayerBlock>): () => void {
  const address = machine.allocate(LAYER_BYTES);
  writeLayer(machine.exports.memory, address, block);
  const run = machine.exports[kernel];
  return () => run(address);
}

const lowest = (relu: boolean): number => (relu ? 0 : Number.NEGATIVE_INFINITY);

/** A filter in ONNX's order, [out, in, height, width], or [channels, 1, height, width] of a depthwise convolution. */
export interface ConvolutionWeights {
  readonly filter: Filter;
  readonly bias: Filter | undefined;
  readonly depthwise: boolean;
}

function filterShape(x: FeatureMap, window: Window, out: FeatureMap, depthwise: boolean): FilterShape {
  const { height, width } = window;
  const [inputs, pitch] = depthwise ? [1, 1] : [x.channels, x.pitch];
  return { outputs: out.channels, inputs, pitch, height, width, depthwise };
}

/** Convolution, plus a map of its output's shape, then ReLU. */
export function convolution(
  x: FeatureMap,
  window: Window,
  weights: ConvolutionWeights,
  out: FeatureMap,
  relu: boolean,
  other?: FeatureMap,
): Layer {
  const { filter, bias, depthwise } = weights;
  if (depthwise) x.readInPanels();
  return {
    reads: other ? [x, other] : [x],
    writes: out,
    bind(machine) {
      const panels = floatPanels(filter, bias, filterShape(x, window, out, depthwise));
      return kernelStep(machine, depthwise ? 'depthwiseFloats' : 'convolveFloats', {
        ...places(x, window, out, other),
        length: depthwise ? window.width : window.width * x.pitch,
        weights: machine.place(new Uint8Array(panels.buffer)),
        lowest: lowest(relu),
      });
    },
  };
}

/** Convolution of codes with int8 weights; `scales` [out] turn the sums into codes. */
export function codeConvolution(
  x: FeatureMap,
  window: Window,
  weights: ConvolutionWeights & { readonly scales: Filter },
  out: FeatureMap,
  range: { readonly least: number; readonly most: number },
): Layer {
  const { filter, bias, scales, depthwise } = weights;
  if (depthwise) x.readInPanels();
  return {
    reads: [x],
    writes: out,
    bind(machine) {
      return kernelStep(machine, depthwise ? 'depthwiseCodes' : 'convolveCodes', {
        ...places(x, window, out),
        length: depthwise ? window.width : (window.width * x.pitch) / 2,
        weights: machine.place(codePanels(filter, bias, scales, filterShape(x, window, out, depthwise))),
        ...range,
      });
    },
  };
}

/** The average of each patch; patches lie within the map. */
export function averagePool(x: FeatureMap, window: Window, out: FeatureMap): Layer {
  x.readInPanels();
  return {
    reads: [x],
    writes: out,
    bind(machine) {
      const factor = 1 / (window.height * window.width);
      return kernelStep(machine, 'averageFloats', { ...places(x, window, out), factor });
    },
  };
}

/** The sum of two maps, or one alone, then ReLU. */
export function join(a: FeatureMap, b: FeatureMap | undefined, out: FeatureMap, relu: boolean): Layer {
  a.readInPanels();
  b?.readInPanels();
  return {
    reads: b ? [a, b] : [a],
    writes: out,
    bind(machine) {
      return kernelStep(machine, 'joinFloats', { ...places(a, POINT, out, b), lowest: lowest(relu) });
    },
  };
}

/** The sum of two maps of codes. */
export function codeJoin(
  a: FeatureMap,
  b: FeatureMap,
  parameters: AddParameters,
  out: FeatureMap,
  range: { readonly least: number; readonly most: number },
): Layer {
  a.readInPanels();
  b.readInPanels();
  return {
    reads: [a, b],
    writes: out,
    bind(machine) {
      const weights = machine.allocate(ADD_BYTES);
      writeAddParameters(machine.exports.memory, weights, parameters);
      return kernelStep(machine, 'addCodes', { ...places(a, POINT, out, b), weights, ...range });
    },
  };
}
