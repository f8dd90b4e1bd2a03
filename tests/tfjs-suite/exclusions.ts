import type { SpecResult } from './suite.js';

/** Specs that may fail, each for one reason: a spec of that name that fails with another message is not excused. */
export interface Exclusion {
  readonly specs: RegExp;
  readonly message: RegExp;
  readonly reason: string;
  /** Specs that tfjs-core declares in browsers only. */
  readonly inBrowsersOnly?: true;
}

/** None of them is a gradient or training spec, and all of them fail on stock tfjs-backend-wasm 4.22 too. */
export const EXCLUSIONS: readonly Exclusion[] = [
  {
    specs:
      /complex|[12]D I?R?FFT|3D IRFFT|^stft |Mixed dtype tensors|(add|sub) wasm {} upcasts when dtypes dont match/i,
    message: /Kernel 'Complex' not registered/,
    reason: 'complex64 tensors: the backend stores one number an element, and no encoder trains on complex numbers',
  },
  {
    specs: /^ragged(Gather|Range|TensorToTensor) /,
    message: /Kernel 'Ragged|but it (was rejected|threw an exception) with/,
    reason: 'ragged tensors: preprocessing of text, without gradients in tfjs-core',
  },
  {
    specs: /^(equal|notEqual|less|lessEqual|greater|greaterEqual) wasm {} should support string comparison/,
    message: /Arrays differ/,
    reason: 'strings do not lie on the WASM heap: stock comparison kernels read nothing',
  },
  {
    specs:
      /^(fill wasm {} [12]D fill string|squeeze wasm {} (default|specific dimension|all ones|squeeze only ones)|tensor\.toString wasm {} [12]d long string tensor)/,
    message: /Unknown dtype string/,
    reason: 'strings do not lie on the WASM heap: the stock Fill and Slice kernels know numbers only',
  },
  {
    specs: /^(sparseToDense wasm {} should work for string|tile wasm {} [126]d string tensor)/i,
    message: /Aborted\(\)/,
    reason: 'strings do not lie on the WASM heap: the stock kernels abort on them',
  },
  {
    specs: /^staticRegexReplace /,
    message: /Kernel 'StaticRegexReplace' not registered/,
    reason: 'strings: preprocessing of text',
  },
  {
    specs: /^threshold wasm {} method otsu/,
    message: /could not be broadcast together/,
    reason: 'image preprocessing without gradient: the stock Bincount kernel counts each row of a picture by itself',
  },
  {
    specs: /^pool wasm {} (max|avg) x=\[2,2,3\] f=\[1,1\] s=2 p=1 fractional outputs default rounding/,
    message: /Arrays differ/,
    reason:
      'the spec expects 1x1 pooling to return its input although the windows lie in the padding, as tfjs-core cpu does',
  },
  {
    specs: /^draw on canvas context /,
    message: /Kernel 'Draw' not registered/,
    reason: 'drawing a tensor on a canvas, without gradient: stock tfjs-backend-wasm has no such kernel',
    inBrowsersOnly: true,
  },
  {
    specs: /^slice2d wasm {} throws when requesting out of bounds slice/,
    message: /Expected function to throw/,
    reason: 'a missing check of arguments in the stock Slice kernel; valid slices are right',
  },
];

/** The exclusion that covers this failed spec, if any. */
export function exclusionOf(spec: SpecResult): Exclusion | undefined {
  return EXCLUSIONS.find(
    ({ specs, message }) => specs.test(spec.name) && spec.messages.every((found) => message.test(found)),
  );
}
