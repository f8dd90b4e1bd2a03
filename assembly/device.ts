// Entry of the device module: forward passes of exported encoders; owns its memory, all of it the caller's to lay out.
export { addCodes, convolveCodes, depthwiseCodes } from './layer-codes';
export { averageFloats, convolveFloats, depthwiseFloats, joinFloats } from './layer-floats';
export { probeMadd } from './lib/probe';
