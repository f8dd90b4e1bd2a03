// Every kernel and gradient that `install` registers.
import type * as tfCore from '@tensorflow/tfjs-core';
import { fusedMatMul } from './_FusedMatMul.js';
import { avgPoolGrad } from './AvgPoolGrad.js';
import { addReluGradient, addReluKernel, reluGradientKernel } from './add-relu.js';
import { batchMatMul } from './BatchMatMul.js';
import { broadcastTo } from './BroadcastTo.js';
import { batchNormTrainGradient, batchNormTrainGradientKernel, batchNormTrainKernel } from './batch-norm.js';
import { cast } from './Cast.js';
import { clipByValue } from './ClipByValue.js';
import { conv2D } from './Conv2D.js';
import { conv2DBackpropFilter } from './Conv2DBackpropFilter.js';
import { conv2DBackpropInput } from './Conv2DBackpropInput.js';
import { cumsum } from './Cumsum.js';
import { COMPARISONS } from './comparisons.js';
import { broadcastGradients, cumsumGradient, tileGradient } from './corrected-gradients.js';
import { depthwiseConv2dNative } from './DepthwiseConv2dNative.js';
import { depthwiseConv2dNativeBackpropFilter } from './DepthwiseConv2dNativeBackpropFilter.js';
import { depthwiseConv2dNativeBackpropInput } from './DepthwiseConv2dNativeBackpropInput.js';
import { einsum, einsumGradient } from './Einsum.js';
import { ELEMENTARY } from './elementary.js';
import { fusedBatchNorm, fusedBatchNormGradient } from './FusedBatchNorm.js';
import { fusedConv2D } from './FusedConv2D.js';
import { fusedDepthwiseConv2D } from './FusedDepthwiseConv2D.js';
import { gatherV2 } from './GatherV2.js';
import { identity } from './Identity.js';
import type { KernelContext } from './kernel.js';
import { logSoftmax } from './LogSoftmax.js';
import { maxPoolGrad } from './MaxPoolGrad.js';
import { prelu } from './Prelu.js';
import { relu6 } from './Relu6.js';
import { REDUCTIONS } from './reductions.js';
import { tile } from './Tile.js';
import { unsortedSegmentSum } from './UnsortedSegmentSum.js';

type Tf = typeof tfCore;

/** Makers of the kernels for the WASM backend, called while the stock ones are still registered. */
export const KERNELS: readonly ((context: KernelContext) => tfCore.KernelConfig)[] = [
  identity,
  conv2D,
  conv2DBackpropInput,
  conv2DBackpropFilter,
  depthwiseConv2dNative,
  depthwiseConv2dNativeBackpropInput,
  depthwiseConv2dNativeBackpropFilter,
  batchMatMul,
  fusedConv2D,
  fusedDepthwiseConv2D,
  fusedMatMul,
  einsum,
  avgPoolGrad,
  maxPoolGrad,
  fusedBatchNorm,
  unsortedSegmentSum,
  gatherV2,
  tile,
  broadcastTo,
  cast,
  clipByValue,
  cumsum,
  logSoftmax,
  prelu,
  relu6,
  ...REDUCTIONS,
  ...COMPARISONS,
  ...ELEMENTARY,
  batchNormTrainKernel,
  batchNormTrainGradientKernel,
  addReluKernel,
  reluGradientKernel,
];

/** Gradients that tfjs-core lacks, of its kernels and of ours. */
export function newGradients(tf: Tf): tfCore.GradConfig[] {
  return [batchNormTrainGradient(tf), addReluGradient(tf), einsumGradient(tf)];
}

/** Gradients that take the place of tfjs-core's own, on every backend, until `uninstall`. */
export function correctedGradients(tf: Tf): tfCore.GradConfig[] {
  return [...broadcastGradients(tf), tileGradient(tf), cumsumGradient(tf), fusedBatchNormGradient(tf)];
}
