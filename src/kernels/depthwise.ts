import type { ConvolutionPass, ConvolutionScratch } from './convolution.js';

/** Kernels of assembly/depthwise.ts, run by `runConvolution`: all arguments are addresses. */
export interface DepthwiseExports {
  readonly depthwiseForward: ConvolutionPass;
  readonly depthwiseForwardScratch: ConvolutionScratch;
  readonly depthwiseInputGradient: ConvolutionPass;
  readonly depthwiseInputGradientScratch: ConvolutionScratch;
  readonly depthwiseFilterGradient: ConvolutionPass;
  readonly depthwiseFilterGradientScratch: ConvolutionScratch;
}
