import type { ConvolutionScratch } from './convolution.js';

/** Addresses of a shape block, the filter or the sums of its gradient, the result, and scratch memory. */
export type ConvolutionPrepare = (shape: number, from: number, to: number, scratch: number) => void;
/**
 * Addresses of a shape block, an input, a second one (or what lasts from part to part), the result, and scratch memory.
 */
export type ConvolutionPart = (shape: number, a: number, b: number, result: number, scratch: number) => void;

/**
 * Exports of an algorithm that works on a batch in parts: the state (the filter's matrices for the forward pass or for
 * the input's gradient, or the sums of the filter's gradient) lasts from part to part.
 */
export type ConvolutionParts<Name extends string> = {
  readonly [K in `${Name}State` | `${Name}Scratch`]: ConvolutionScratch;
} & {
  /** Filter to state; state to the filter's gradient. */
  readonly [K in `${Name}Prepare` | `${Name}PrepareGradient` | `${Name}Finish`]: ConvolutionPrepare;
} & {
  /** x and state to y; dy and state to dx; x and dy to state, which starts as zeros. */
  readonly [K in `${Name}Run` | `${Name}RunGradient` | `${Name}Add`]: ConvolutionPart;
};
