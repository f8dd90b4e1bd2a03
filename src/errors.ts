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
  | 'NM_ADDRESS_UNAVAILABLE'
  | 'NM_ANSWER_INVALID'
  | 'NM_BUNDLE_EXISTS'
  | 'NM_CHECKPOINT_CORRUPT'
  | 'NM_CODES_INVALID'
  | 'NM_DATA_TOO_SMALL'
  | 'NM_EMBEDDING_UNAVAILABLE'
  | 'NM_EMOJI_MISSING'
  | 'NM_ENCODER_COLLAPSED'
  | 'NM_ENCODER_MISMATCH'
  | 'NM_EXPORT_DISAGREES'
  | 'NM_FILE_FAILED'
  | 'NM_FILTER_INVALID'
  | 'NM_INDEX_FULL'
  | 'NM_INDEX_INVALID'
  | 'NM_INDEX_TOO_LARGE'
  | 'NM_INTERRUPTED'
  | 'NM_ITEMS_FILE_INVALID'
  | 'NM_ITEM_DUPLICATE'
  | 'NM_ITEM_INVALID'
  | 'NM_ITEM_MISSING'
  | 'NM_KERNELS_MISSING'
  | 'NM_LABELS_INVALID'
  | 'NM_LABELS_MISSING'
  | 'NM_MEDIA_TYPE_UNSUPPORTED'
  | 'NM_MODEL_ABSENT'
  | 'NM_MODEL_CARD_INVALID'
  | 'NM_MODEL_CARD_MISSING'
  | 'NM_MODEL_CORRUPT'
  | 'NM_MODEL_MISMATCH'
  | 'NM_MODEL_MISSING'
  | 'NM_MODEL_UNSUPPORTED'
  | 'NM_NOT_UNIT_LENGTH'
  | 'NM_NO_NEGATIVES'
  | 'NM_ONNXRUNTIME_MISSING'
  | 'NM_OPTION_INVALID'
  | 'NM_OPTION_UNKNOWN'
  | 'NM_ORIGIN_REFUSED'
  | 'NM_OUT_OF_MEMORY'
  | 'NM_OVERLOADED'
  | 'NM_PAIRS_EMPTY'
  | 'NM_PAIR_AMBIGUOUS'
  | 'NM_PGVECTOR_MISSING'
  | 'NM_PICTURE_INVALID'
  | 'NM_POSTGRES_MISSING'
  | 'NM_QUANTISATION_LOSS'
  | 'NM_QUANTISATION_UNSUPPORTED'
  | 'NM_RATE_LIMITED'
  | 'NM_REEMBED_INCOMPLETE'
  | 'NM_REQUEST_INVALID'
  | 'NM_REQUEST_TIMEOUT'
  | 'NM_REQUEST_TOO_LARGE'
  | 'NM_ROUTE_MISSING'
  | 'NM_RUN_EXISTS'
  | 'NM_RUN_MISSING'
  | 'NM_RUN_UNFINISHED'
  | 'NM_SELF_CHECK_FAILED'
  | 'NM_SERVICE_CLOSING'
  | 'NM_SERVICE_TIMEOUT'
  | 'NM_SERVICE_UNREACHABLE'
  | 'NM_SETTINGS_CHANGED'
  | 'NM_SHAPE_MISMATCH'
  | 'NM_SHARP_MISSING'
  | 'NM_SIMD_UNSUPPORTED'
  | 'NM_SOURCE_EMPTY'
  | 'NM_SOURCE_INVALID'
  | 'NM_SOURCE_MISSING'
  | 'NM_STORE_BUSY'
  | 'NM_STORE_CLOSED'
  | 'NM_STORE_INVALID'
  | 'NM_STORE_MISSING'
  | 'NM_STORE_READ_ONLY'
  | 'NM_STORE_TIMEOUT'
  | 'NM_STORE_UNREACHABLE'
  | 'NM_STORE_VERSION'
  | 'NM_STORE_WRITE_FAILED'
  | 'NM_TENSOR_UNSUPPORTED'
  | 'NM_TFJS_BACKEND'
  | 'NM_TOKENS_INVALID'
  | 'NM_TOKENS_MISSING'
  | 'NM_TOKEN_INVALID'
  | 'NM_TOKEN_SCOPE'
  | 'NM_TOO_FEW_CANDIDATES'
  | 'NM_VECTOR_INVALID'
  | 'NM_WORKER_FAILED';

export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NM_ADDRESS_UNAVAILABLE: {
    status: 500,
    hint: 'Stop what listens there, or take another --port.',
  },
  NM_ANSWER_INVALID: {
    status: 502,
    hint: 'Check the address: what answered is no nearmiss service, or something in front of it.',
  },
  NM_BUNDLE_EXISTS: { status: 409, hint: 'Name another folder with --out, or remove what is there.' },
  NM_CHECKPOINT_CORRUPT: { status: 500, hint: 'Start a new run, or restore the file from a copy.' },
  NM_CODES_INVALID: { status: 500, hint: 'Encode the vectors again, with `add`.' },
  NM_DATA_TOO_SMALL: { status: 400, hint: 'Add pictures, or use a smaller --batch.' },
  NM_EMBEDDING_UNAVAILABLE: {
    status: 503,
    hint: 'Try again shortly; the log of the service says why its threads end.',
  },
  NM_EMOJI_MISSING: { status: 400, hint: 'Run `npm install emoji-datasource-google emoji-datasource-twitter`.' },
  NM_ENCODER_COLLAPSED: { status: 422, hint: 'Train with a lower learning rate, or on more varied pictures.' },
  NM_ENCODER_MISMATCH: {
    status: 409,
    hint: 'Use the encoder that filled the store, or index the pictures into a new store.',
  },
  NM_EXPORT_DISAGREES: {
    status: 500,
    hint: 'Nothing was written. Report it with the output of `nearmiss doctor`; if the difference is NaN, training diverged.',
  },
  NM_FILE_FAILED: { status: 500, hint: 'Check that the folder exists and may be written, and that the disk has room.' },
  NM_FILTER_INVALID: { status: 400, hint: 'See docs/retrieval.md for what a filter may say.' },
  NM_INDEX_FULL: { status: 507, hint: 'Split the rows over several indexes, or use vectors of fewer dimensions.' },
  NM_INDEX_INVALID: { status: 400, hint: 'Copy the file again, or write it anew with `nearmiss export-index`.' },
  NM_INDEX_TOO_LARGE: { status: 507, hint: 'Leave the metadata out, keep float32, or split the store.' },
  NM_INTERRUPTED: { status: 503, hint: 'Run the command again; finished work is kept.' },
  NM_ITEMS_FILE_INVALID: { status: 400, hint: 'Mend the place that the message names; earlier batches are stored.' },
  NM_ITEM_DUPLICATE: { status: 400, hint: 'Give each id once in a batch.' },
  NM_ITEM_INVALID: { status: 400, hint: 'Nothing was written; mend the item that the message names.' },
  NM_ITEM_MISSING: {
    status: 404,
    hint: 'Ids are the names of the pictures within their source, with forward slashes.',
  },
  NM_KERNELS_MISSING: {
    status: 500,
    hint: 'Run `npm run build` in a checkout; an installed package has them in dist/wasm; a bundled page names them by the option `modules`.',
  },
  NM_LABELS_INVALID: { status: 400, hint: 'Mend the line that the message names, or add the missing rows.' },
  NM_LABELS_MISSING: {
    status: 400,
    hint: 'Sort the pictures into one folder a class, or use a method without labels.',
  },
  NM_MEDIA_TYPE_UNSUPPORTED: {
    status: 415,
    hint: 'Send a type that the message names; docs/serve.md lists them by route.',
  },
  NM_MODEL_ABSENT: {
    status: 400,
    hint: 'Ask by vector or id, or start the service with --model.',
  },
  NM_MODEL_CARD_INVALID: { status: 400, hint: 'Export the model again; the message names the field.' },
  NM_MODEL_CARD_MISSING: { status: 400, hint: 'Use a file that `nearmiss export` wrote.' },
  NM_MODEL_CORRUPT: { status: 400, hint: 'Restore the file from a copy, or export it again.' },
  NM_MODEL_MISMATCH: { status: 400, hint: 'Use a file that `nearmiss export` wrote, unchanged.' },
  NM_MODEL_MISSING: { status: 400, hint: 'Check the path and that the file may be read.' },
  NM_MODEL_UNSUPPORTED: {
    status: 400,
    hint: 'Export the encoder with `nearmiss export`, or run it with onnxruntime-web.',
  },
  NM_NOT_UNIT_LENGTH: {
    status: 400,
    hint: 'Normalise embeddings to length 1; NaN means that training diverged: lower the learning rate.',
  },
  NM_NO_NEGATIVES: { status: 400, hint: 'Use a larger batch or queue, or a wider ring.' },
  NM_ONNXRUNTIME_MISSING: {
    status: 500,
    hint: 'Run `npm install onnxruntime-node@1.30.0`; where its download fails, with ONNXRUNTIME_NODE_INSTALL=skip set.',
  },
  NM_OPTION_INVALID: { status: 400, hint: 'See the option in `nearmiss <command> --help`.' },
  NM_OPTION_UNKNOWN: { status: 400, hint: 'Check the spelling; unknown settings are never ignored.' },
  NM_ORIGIN_REFUSED: {
    status: 403,
    hint: "Use the service's own address, or name its others with --allow-host.",
  },
  NM_OUT_OF_MEMORY: { status: 500, hint: 'Use a smaller batch, or free tensors that are no longer needed.' },
  NM_OVERLOADED: { status: 503, hint: 'Try again shortly, with fewer requests at once.' },
  NM_PAIRS_EMPTY: {
    status: 400,
    hint: 'Give the two pictures of an item the same relative name; extensions do not count.',
  },
  NM_PAIR_AMBIGUOUS: {
    status: 400,
    hint: 'Keep one picture of each relative name in either source; extensions do not count.',
  },
  NM_PGVECTOR_MISSING: { status: 500, hint: 'Install pgvector on the server; docs/postgres.md says how.' },
  NM_PICTURE_INVALID: { status: 400, hint: 'Give a PNG, JPEG, WebP, AVIF or GIF picture within the limits.' },
  NM_POSTGRES_MISSING: { status: 500, hint: 'Run `npm install pg pg-boss pg-copy-streams`.' },
  NM_QUANTISATION_LOSS: {
    status: 422,
    hint: 'Nothing was written. Calibrate on more pictures, like those to be searched; raise --max-loss; or ship float32.',
  },
  NM_QUANTISATION_UNSUPPORTED: { status: 400, hint: 'Quantise a float32 file that `nearmiss export` wrote.' },
  NM_RATE_LIMITED: {
    status: 429,
    hint: 'Wait for as long as Retry-After says, and send fewer requests at a time.',
  },
  NM_REEMBED_INCOMPLETE: {
    status: 409,
    hint: 'Nothing is lost: index what is missing with --reembed too, or give it up with --prune.',
  },
  NM_REQUEST_INVALID: {
    status: 400,
    hint: 'Mend what the message names; /docs/ describes every route.',
  },
  NM_REQUEST_TIMEOUT: {
    status: 408,
    hint: 'Send the body at once, or on a quicker line.',
  },
  NM_REQUEST_TOO_LARGE: { status: 413, hint: 'Send less in one request.' },
  NM_ROUTE_MISSING: {
    status: 404,
    hint: 'Check the method and the path; /docs/ lists the routes.',
  },
  NM_RUN_EXISTS: { status: 409, hint: 'Go on with --resume, or name another folder with --out.' },
  NM_RUN_MISSING: { status: 404, hint: 'Name the folder that `nearmiss train --out` wrote.' },
  NM_RUN_UNFINISHED: { status: 409, hint: 'Go on with `nearmiss train --out RUN --resume`.' },
  NM_SELF_CHECK_FAILED: { status: 500, hint: 'Report it with the output of `nearmiss doctor`.' },
  NM_SERVICE_CLOSING: { status: 503, hint: 'Try again shortly: the service restarts, or another instance answers.' },
  NM_SERVICE_TIMEOUT: { status: 504, hint: 'Try again later, or raise `timeout`.' },
  NM_SERVICE_UNREACHABLE: { status: 503, hint: 'Check the address, and that the service runs.' },
  NM_SETTINGS_CHANGED: { status: 409, hint: 'Resume without other settings, or start a new run.' },
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
  NM_STORE_BUSY: { status: 503, hint: 'Another process holds the store; try again, or raise `busyTimeout`.' },
  NM_STORE_CLOSED: { status: 500, hint: 'Open the store again.' },
  NM_STORE_INVALID: { status: 400, hint: 'Check the path; restore a damaged store from a copy, or index again.' },
  NM_STORE_MISSING: { status: 404, hint: 'Check the path, or create a store with `nearmiss index`.' },
  NM_STORE_READ_ONLY: { status: 403, hint: 'Open the store without `readOnly`, from a place that may be written.' },
  NM_STORE_TIMEOUT: { status: 504, hint: 'Raise `statementTimeout`, or build an index for approximate search.' },
  NM_STORE_UNREACHABLE: { status: 503, hint: 'Check the address, the password, and that the server runs.' },
  NM_STORE_VERSION: { status: 400, hint: 'Update nearmiss, or index again with this version.' },
  NM_STORE_WRITE_FAILED: {
    status: 507,
    hint: 'Nothing was written. Check free space and permissions, then try again.',
  },
  NM_TENSOR_UNSUPPORTED: { status: 400, hint: 'Cast or transpose the tensor to what the message allows.' },
  NM_TFJS_BACKEND: {
    status: 500,
    hint: "Import '@tensorflow/tfjs-backend-wasm' and call `await tf.setBackend('wasm')` before `install(tf)`.",
  },
  NM_TOKENS_INVALID: {
    status: 400,
    hint: 'Mend the line that the message names; `nearmiss serve --make-token read` makes one.',
  },
  NM_TOKENS_MISSING: {
    status: 400,
    hint: 'Make a token with `nearmiss serve --make-token write --token-file FILE`, and give --token-file FILE.',
  },
  NM_TOKEN_INVALID: {
    status: 401,
    hint: 'Send the header `Authorization: Bearer TOKEN`.',
  },
  NM_TOKEN_SCOPE: {
    status: 403,
    hint: 'Use a token of scope write.',
  },
  NM_TOO_FEW_CANDIDATES: { status: 400, hint: 'Mix fewer of the hardest, or use a larger batch or queue.' },
  NM_VECTOR_INVALID: {
    status: 400,
    hint: 'Vectors are Float32Arrays of finite numbers; a NaN usually means that training diverged.',
  },
  NM_WORKER_FAILED: { status: 500, hint: 'Go on with --resume; report it if it happens again.' },
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

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly hint?: string; readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NearmissError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.status = options.status ?? ERRORS[code].status;
  }

  toJSON(): { code: ErrorCode; message: string; hint: string } {
    return { code: this.code, message: this.message, hint: this.hint };
  }
}
