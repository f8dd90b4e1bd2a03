import { appendFile, readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { createServer, makeToken, type Scope, type ServerOptions } from '../serve/index.js';
import { isLoopback } from '../serve/origins.js';
import { SCOPES } from '../serve/tokens.js';
import { command, oneOf, wholeNumber } from './command.js';
import type { Console } from './console.js';
import { openPlace, placeName, several } from './place.js';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
/** Requests a second that one client may send where others than this machine can. */
const PUBLIC_RATE = 200;

interface ServeFlags {
  readonly model?: string;
  readonly host?: string;
  readonly port?: number;
  readonly tokenFile?: string;
  readonly token?: readonly string[];
  readonly makeToken?: Scope;
  readonly tokenName?: string;
  readonly allowHost?: readonly string[];
  readonly pictures?: string;
  readonly title?: string;
  readonly readOnly?: boolean;
  readonly page: boolean;
  readonly maxK?: number;
  readonly maxBatch?: number;
  readonly maxBody?: number;
  readonly maxConcurrent?: number;
  readonly rateLimit?: number;
  readonly bodyTimeout?: number;
  readonly answerTimeout?: number;
  readonly embedThreads?: number;
  readonly decodeThreads?: number;
  readonly notice?: number;
  readonly grace?: number;
  readonly logLevel?: (typeof LOG_LEVELS)[number];
}

export function serveCommand(): Command {
  return command<ServeFlags>(
    'serve',
    [
      'nearmiss serve photos.db --model photos.onnx',
      'nearmiss serve photos.db --model photos.onnx --pictures photos/    # with thumbnails on the page',
      'nearmiss serve --make-token write --token-file tokens --token-name uploader',
      'nearmiss serve photos.db --model photos.onnx --host 0.0.0.0 --token-file tokens',
      'nearmiss serve postgres://me@host/photos --model photos.onnx --port 8081',
    ],
    serve,
  )
    .argument('[store]', 'a store: an SQLite file, or postgres://user:password@host/database')
    .option('--model <file>', 'the .onnx file that filled the store (default: where it was when indexing)')
    .option('--host <address>', 'where to listen (default 127.0.0.1); any but this machine only needs tokens')
    .option('--port <number>', 'default 8080; 0 takes a free one', wholeNumber(0, 65_535))
    .option('--token-file <file>', 'a file of token lines, read again by a reload')
    .option('--token <line>', 'a token line (its hash, not the token); may be given several times', several)
    .option(
      '--make-token <scope>',
      'print a new token, read or write, add its line to --token-file, and end',
      oneOf(SCOPES),
    )
    .option('--token-name <name>', 'what the new token is for')
    .option('--allow-host <name>', 'another name that people use for the service; may be given several times', several)
    .option('--pictures <folder>', 'the folder that was indexed: thumbnails for the page')
    .option('--title <text>', 'title of the search page')
    .option('--read-only', 'refuse changes; the store may lie on a file system that is for reading only')
    .option('--no-page', 'without the search page at /')
    .option('--max-k <number>', 'most hits a query (default 100)', wholeNumber(1, 1000))
    .option('--max-batch <number>', 'most pictures or queries a request (default 64)', wholeNumber(1, 1000))
    .option('--max-body <bytes>', 'largest body (default 16 MiB)', wholeNumber(1024, 1024 ** 3))
    .option('--max-concurrent <number>', 'most requests in work; more get 503 (default 256)', wholeNumber(1, 100_000))
    .option(
      '--rate-limit <number>',
      `most requests a second of a client, 0: any (default: any on this machine only, else ${PUBLIC_RATE})`,
      wholeNumber(0, 1_000_000),
    )
    .option('--body-timeout <ms>', 'how long a body may take (default 15000)', wholeNumber(10, 3_600_000))
    .option('--answer-timeout <ms>', 'how long an answer may take (default 10000)', wholeNumber(10, 3_600_000))
    .option('--embed-threads <number>', 'threads that run the model (default: processors - 1)', wholeNumber(1, 64))
    .option('--decode-threads <number>', 'threads that decode pictures (default: half as many)', wholeNumber(1, 64))
    .option(
      '--notice <ms>',
      'how long /readyz says no before connections are refused (default 0)',
      wholeNumber(0, 600_000),
    )
    .option(
      '--grace <ms>',
      'how long requests in work may take to end at a stop (default 10000)',
      wholeNumber(0, 600_000),
    )
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default info; warn on a terminal)`, oneOf(LOG_LEVELS));
}

async function serve(
  [store]: readonly string[],
  flags: ServeFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  if (flags.makeToken !== undefined) return newToken(flags.makeToken, flags, console);
  if (store === undefined)
    throw new NearmissError('NM_OPTION_INVALID', 'found no store, allowed: nearmiss serve STORE');
  const server = await createServer(await serverOptions(store, flags));
  const reload = (): void => {
    server.reload().then(
      ({ fingerprint }) => console.log(`reloaded; the model is ${fingerprint}`),
      (error: NearmissError) => console.log(`not reloaded: ${error.code ?? 'error'}: ${error.message}`),
    );
  };
  process.on('SIGHUP', reload);
  try {
    console.log(`serving ${placeName(store)} at ${server.url}; Ctrl-C ends it`);
    await aborted(console.signal);
    return { url: server.url, cut: await stop(server, flags) };
  } finally {
    process.off('SIGHUP', reload);
    await stop(server, flags);
  }
}

function stop(server: Awaited<ReturnType<typeof createServer>>, { notice, grace }: ServeFlags): Promise<number> {
  return server.stop({ ...(notice === undefined ? {} : { notice }), ...(grace === undefined ? {} : { grace }) });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function serverOptions(store: string, flags: ServeFlags): Promise<ServerOptions> {
  const { host = '127.0.0.1', tokenFile, token: lines = [] } = flags;
  const tokens = async (): Promise<readonly string[]> => [
    ...lines,
    ...(tokenFile === undefined ? [] : await linesOf(tokenFile)),
  ];
  const given = <Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> =>
    value === undefined ? {} : ({ [key]: value } as Record<Key, Value>);
  return {
    store,
    model: flags.model ?? (await modelOf(store)),
    host,
    ...given('port', flags.port),
    ...(tokenFile !== undefined || lines.length > 0 ? { tokens } : {}),
    ...given(
      'hosts',
      flags.allowHost === undefined ? undefined : [host, 'localhost', '127.0.0.1', '[::1]', ...flags.allowHost],
    ),
    ...given('pictures', flags.pictures),
    ...given('title', flags.title),
    ...given('readOnly', flags.readOnly),
    page: flags.page,
    log: process.stderr,
    logLevel: flags.logLevel ?? (process.stderr.isTTY ? 'warn' : 'info'),
    embedding: { ...given('workers', flags.embedThreads), ...given('decoders', flags.decodeThreads) },
    limits: {
      ...given('maxK', flags.maxK),
      ...given('maxBatch', flags.maxBatch),
      ...given('maxBodyBytes', flags.maxBody),
      ...given('maxConcurrent', flags.maxConcurrent),
      ...given('bodyTimeout', flags.bodyTimeout),
      ...given('answerTimeout', flags.answerTimeout),
      rateLimit: flags.rateLimit ?? (isLoopback(host) ? 0 : PUBLIC_RATE),
    },
  };
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n');
  } catch (cause) {
    throw new NearmissError('NM_TOKENS_INVALID', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Where the store says that its model is. */
async function modelOf(place: string): Promise<string> {
  const store = await openPlace(place, { readOnly: true });
  try {
    const { modelPath } = store.info;
    if (modelPath !== undefined) return modelPath;
  } finally {
    await store.close();
  }
  throw new NearmissError('NM_OPTION_INVALID', `--model: ${placeName(place)} does not say where its model is; name it`);
}

async function newToken(
  scope: Scope,
  { tokenFile, tokenName }: ServeFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  const { token, line } = makeToken(scope, tokenName);
  // Only hashes are in it, but who may add to it may let others in.
  if (tokenFile !== undefined) await appendFile(tokenFile, `${line}\n`, { mode: 0o600 });
  console.print(token);
  console.log(tokenFile === undefined ? `its line for a token file: ${line}` : `its line was added to ${tokenFile}`);
  console.log('the token is not kept anywhere: note it now');
  return { token, line, scope };
}
