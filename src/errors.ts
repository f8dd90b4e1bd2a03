/**
 * Every error that nearmiss raises on purpose: a code, what it says, and what to do about it.
 * `docs/errors.md` has a section per code; a test checks that each is documented and raised by some test.
 */
export interface ErrorEntry {
  /** HTTP status of the service's answer when this error ends a request. */
  readonly status: number;
  /** What to do about it, in general. */
  readonly hint: string;
}

export type ErrorCode =
  | 'NM_CHECKPOINT_CORRUPT'
  | 'NM_EMOJI_MISSING'
  | 'NM_EXPORT_DISAGREES'
  | 'NM_KERNELS_MISSING'
  | 'NM_MODEL_CARD_INVALID'
  | 'NM_MODEL_CARD_MISSING'
  | 'NM_MODEL_CORRUPT'
  | 'NM_MODEL_MISMATCH'
  | 'NM_MODEL_MISSING'
  | 'NM_ONNXRUNTIME_MISSING'
  | 'NM_OPTION_INVALID'
  | 'NM_OPTION_UNKNOWN'
  | 'NM_PAIRS_EMPTY'
  | 'NM_PAIR_AMBIGUOUS'
  | 'NM_PICTURE_INVALID'
  | 'NM_SELF_CHECK_FAILED'
  | 'NM_SHAPE_MISMATCH'
  | 'NM_SHARP_MISSING'
  | 'NM_SIMD_UNSUPPORTED'
  | 'NM_SOURCE_EMPTY'
  | 'NM_SOURCE_INVALID'
  | 'NM_SOURCE_MISSING';

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NM_CHECKPOINT_CORRUPT: { status: 500, hint: 'Start a new run, or restore the file from a copy.' },
  NM_EMOJI_MISSING: { status: 400, hint: 'Run `npm install emoji-datasource-google emoji-datasource-twitter`.' },
  NM_EXPORT_DISAGREES: {
    status: 500,
    hint: 'Nothing was written. Report it with the output of `nearmiss doctor`; if the difference is NaN, training diverged.',
  },
  NM_KERNELS_MISSING: {
    status: 500,
    hint: 'Run `npm run build` in a checkout; an installed package has them in dist/wasm.',
  },
  NM_MODEL_CARD_INVALID: { status: 400, hint: 'Export the model again; the message names the field.' },
  NM_MODEL_CARD_MISSING: { status: 400, hint: 'Use a file that `nearmiss export` wrote.' },
  NM_MODEL_CORRUPT: { status: 400, hint: 'Restore the file from a copy, or export it again.' },
  NM_MODEL_MISMATCH: { status: 400, hint: 'Use a file that `nearmiss export` wrote, unchanged.' },
  NM_MODEL_MISSING: { status: 400, hint: 'Check the path and that the file may be read.' },
  NM_ONNXRUNTIME_MISSING: { status: 500, hint: 'Run `npm install onnxruntime-node@1.30.0`.' },
  NM_OPTION_INVALID: { status: 400, hint: 'See the option in `nearmiss <command> --help`.' },
  NM_OPTION_UNKNOWN: { status: 400, hint: 'Check the spelling; unknown settings are never ignored.' },
  NM_PAIRS_EMPTY: {
    status: 400,
    hint: 'Give the two pictures of an item the same relative name; extensions do not count.',
  },
  NM_PAIR_AMBIGUOUS: {
    status: 400,
    hint: 'Keep one picture of each relative name in either source; extensions do not count.',
  },
  NM_PICTURE_INVALID: { status: 400, hint: 'Give a PNG, JPEG, WebP, AVIF or GIF picture within the limits.' },
  NM_SELF_CHECK_FAILED: { status: 500, hint: 'Report it with the output of `nearmiss doctor`.' },
  NM_SHAPE_MISMATCH: { status: 400, hint: 'Check the shapes that the message names.' },
  NM_SHARP_MISSING: {
    status: 500,
    hint: 'Run `npm install sharp`; it has prebuilt binaries for Linux, macOS and Windows.',
  },
  NM_SIMD_UNSUPPORTED: { status: 500, hint: 'Use Node 20.19 or newer, or a browser with WebAssembly SIMD.' },
  NM_SOURCE_EMPTY: { status: 400, hint: 'Check the path, and the reasons why its files were skipped.' },
  NM_SOURCE_INVALID: {
    status: 400,
    hint: 'Give a folder, a .tar, .tar.gz, .tgz or .zip of pictures, or CIFAR .bin batches.',
  },
  NM_SOURCE_MISSING: { status: 400, hint: 'Check the path and its permissions.' },
};

/**
 * An expected failure. The message names the file, field or option, what was found and what is allowed.
 *
 * @example
 * throw new NearmissError('NM_OPTION_INVALID', '--temperature: found 0, allowed: a number above 0');
 */
export class NearmissError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly status: number;

  constructor(code: ErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NearmissError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.status = ERRORS[code].status;
  }

  toJSON(): { code: ErrorCode; message: string; hint: string } {
    return { code: this.code, message: this.message, hint: this.hint };
  }
}
