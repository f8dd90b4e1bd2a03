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
  | 'NM_KERNELS_MISSING'
  | 'NM_OPTION_INVALID'
  | 'NM_OPTION_UNKNOWN'
  | 'NM_SELF_CHECK_FAILED'
  | 'NM_SHAPE_MISMATCH'
  | 'NM_SIMD_UNSUPPORTED';

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NM_KERNELS_MISSING: {
    status: 500,
    hint: 'Run `npm run build` in a checkout; an installed package has them in dist/wasm.',
  },
  NM_OPTION_INVALID: { status: 400, hint: 'See the option in `nearmiss <command> --help`.' },
  NM_OPTION_UNKNOWN: { status: 400, hint: 'Check the spelling; unknown settings are never ignored.' },
  NM_SELF_CHECK_FAILED: { status: 500, hint: 'Report it with the output of `nearmiss doctor`.' },
  NM_SHAPE_MISMATCH: { status: 400, hint: 'Check the shapes that the message names.' },
  NM_SIMD_UNSUPPORTED: { status: 500, hint: 'Use Node 20.19 or newer, or a browser with WebAssembly SIMD.' },
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
