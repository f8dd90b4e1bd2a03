// Phases of a strided convolution's input gradient.
//
// Input rows that lie equally to the stride (a phase) are reached by the same filter rows, so each phase of dx is a
// convolution without stride of dy with its own part of the flipped filter: no multiplication by inserted zeros.
// Stride 2, filter row k, iy + pad = 2 oy + k:
//
//     even iy + pad:  k = 0 from oy = j, k = 2 from oy = j - 1        odd:  k = 1 from oy = j        (j = (iy + pad) / 2)

/** Filter rows (or columns) that reach a phase. */
// @ts-ignore: decorator
@inline
export function phaseTaps(filter: i32, stride: i32, phase: i32): i32 {
  return phase < filter ? (filter - phase + stride - 1) / stride : 0;
}

/** The first j of a phase: the smallest with stride · j + phase - pad >= 0. */
// @ts-ignore: decorator
@inline
export function phaseFirst(pad: i32, stride: i32, phase: i32): i32 {
  return max(0, pad - phase + stride - 1) / stride;
}

/** Number of input rows (or columns) in a phase that starts at `first`. */
// @ts-ignore: decorator
@inline
export function phaseCount(size: i32, pad: i32, stride: i32, phase: i32, first: i32): i32 {
  const last = size - 1 + pad - phase;
  return last < 0 ? 0 : last / stride - first + 1;
}

/** Rows (or columns) of dy that dx reads, with (taps - 1) · dilation before the first. */
// @ts-ignore: decorator
@inline
export function gradientExtent(size: i32, pad: i32, stride: i32, taps: i32, dilation: i32): i32 {
  return (taps - 1) * dilation + 1 + (size - 1 + pad) / stride;
}
