import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type ConnectionError, type FastifyHttpOptions, type FastifyInstance, fastify, LogController } from 'fastify';
import { type ErrorCode, NearmissError } from '../errors.js';
import { MAX_ID_BYTES } from '../retrieve/items.js';
import { answerFailure, failureOf } from './http-errors.js';
import type { ServiceOptions } from './options.js';
import { isLoopback } from './origins.js';
import { type NearmissService, nearmissService } from './plugin.js';
import type { ErrorAnswer } from './schemas.js';

export interface ServerOptions extends ServiceOptions {
  /** Default `127.0.0.1`. Any other than this machine's own needs `tokens`. */
  readonly host?: string;
  /** Default 8080; 0 takes a free one. */
  readonly port?: number;
  /** Where lines of log go, JSON each; none if undefined. */
  readonly log?: { write(line: string): void };
  /** Default `info`. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Open connections; more are closed at once. Default 4,096. */
  readonly maxConnections?: number;
  /** How long the head of a request may take, ms. Default 10,000. */
  readonly headTimeout?: number;
}

/** A running service. */
export interface NearmissServer {
  /** With the port that was taken. */
  readonly url: string;
  /** The fastify app, for `inject` and measurements. */
  readonly app: FastifyInstance;
  reload: NearmissService['reload'];
  /**
   * Stops: `/readyz` becomes 503, then after `notice` ms no connections are taken any more, requests in work are
   * finished, and the store is closed. What is not finished `grace` ms later is cut off.
   *
   * @returns how many requests were cut off
   */
  stop(options?: { readonly notice?: number; readonly grace?: number }): Promise<number>;
}

const HEAD_BYTES = 16 * 1024;

/**
 * Starts the service on a port of its own.
 *
 * @throws `NM_TOKENS_MISSING` for another address than this machine's own without tokens, `NM_ADDRESS_UNAVAILABLE`, and what
 *   `nearmissService` throws
 *
 * @example
 * const server = await createServer({ store: 'photos.db', model: 'photos.onnx', port: 8080 });
 * process.once('SIGTERM', () => server.stop());
 */
export async function createServer(options: ServerOptions): Promise<NearmissServer> {
  const { host = '127.0.0.1', port = 8080, tokens } = options;
  const own = isLoopback(host);
  if (!own && tokens === undefined) {
    throw new NearmissError(
      'NM_TOKENS_MISSING',
      `host: found ${host} without tokens, allowed: tokens, or an address of this machine only, such as 127.0.0.1`,
    );
  }
  // Without tokens, who may connect may do everything: then no name but this machine's own leads here.
  const hosts =
    options.hosts ?? (tokens === undefined ? ['localhost', '127.0.0.1', '[::1]', host.toLowerCase()] : undefined);
  const app = fastify(appOptions(options));
  let service: NearmissService | undefined;
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers.host !== undefined || raw.httpVersion === '1.0') return;
    throw new NearmissError('NM_REQUEST_INVALID', 'Host: found none, allowed: the name of the service');
  });
  app.addHook('onResponse', async (request, reply) => {
    // The route's pattern, not the address: that may hold queries and names of items.
    const { method, routeOptions, ip } = request;
    const line = {
      method,
      route: routeOptions.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 100) / 100,
    };
    request.log.info({ ...line, ip }, 'request');
  });
  app.setErrorHandler(answerFailure);
  app.setNotFoundHandler((request, reply) => {
    void reply.header('x-request-id', String(request.id));
    return answerFailure(
      new NearmissError('NM_ROUTE_MISSING', `found no route for ${request.method} here`),
      request,
      reply,
    );
  });
  try {
    await app.register(nearmissService, {
      ...options,
      ...(hosts === undefined ? {} : { hosts }),
      onService: (given: NearmissService) => {
        service = given;
      },
    });
    await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
      throw new NearmissError('NM_ADDRESS_UNAVAILABLE', `${host}:${port}: ${cause.message}`, { cause });
    });
  } catch (error) {
    await app.close();
    throw error;
  }
  // What a client expects beyond 100-continue, nobody can fulfil; Node would say so without a code.
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const body = refusal('NM_REQUEST_INVALID', `Expect: found ${request.headers.expect?.slice(0, 40)}, allowed: none`);
    response.writeHead(417, { 'content-type': 'application/json; charset=utf-8', connection: 'close' }).end(body);
  });
  app.server.maxConnections = options.maxConnections ?? 4096;
  return running(app, service!, host);
}

function appOptions({ log, logLevel = 'info', headTimeout = 10_000 }: ServerOptions): FastifyHttpOptions<Server> {
  return {
    logger: log ? { level: logLevel, stream: log, base: null } : false,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
    },
    http: {
      maxHeaderSize: HEAD_BYTES,
      // Node would refuse without a code.
      requireHostHeader: false,
      headersTimeout: headTimeout,
      connectionsCheckingInterval: Math.min(1000, headTimeout),
    },
    // Bodies have times of their own, which streams of items need longer.
    requestTimeout: 0,
    // A large store takes its time to be read, and a slow machine to start threads.
    pluginTimeout: 0,
    connectionTimeout: 120_000,
    keepAliveTimeout: 65_000,
    // Percent-encoded.
    routerOptions: { maxParamLength: 3 * MAX_ID_BYTES },
    // We say it ourselves, as JSON with a code.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      void reply.header('x-request-id', String(request.id));
      answerFailure(error, request, reply);
    },
    clientErrorHandler: refuseConnection,
  };
}

/** The body of an answer to what fastify never sees. */
function refusal(code: ErrorCode, message: string): string {
  const { hint } = failureOf(new NearmissError(code, message));
  const body: ErrorAnswer = {
    error: { code, message, ...(hint === undefined ? {} : { hint }), requestId: randomUUID() },
  };
  return JSON.stringify(body);
}

/** Answers what is no HTTP request, or did not become one in time, and closes the connection. */
function refuseConnection(error: ConnectionError, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const known = {
    HPE_HEADER_OVERFLOW: [431, 'NM_REQUEST_TOO_LARGE', `head: found more than ${HEAD_BYTES} bytes`],
    ERR_HTTP_REQUEST_TIMEOUT: [408, 'NM_REQUEST_TIMEOUT', 'head: did not come in time'],
  } as const;
  const [status, code, message] =
    error.code in known
      ? known[error.code as keyof typeof known]
      : ([400, 'NM_REQUEST_INVALID', 'found what is no HTTP request'] as const);
  const text = refusal(code, message);
  const head = [
    `HTTP/1.1 ${status} ${status === 431 ? 'Request Header Fields Too Large' : status === 408 ? 'Request Timeout' : 'Bad Request'}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}

function running(app: FastifyInstance, service: NearmissService, host: string): NearmissServer {
  const { port } = app.server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  let stopping: Promise<number> | undefined;
  const stop = async ({
    notice = 0,
    grace = 10_000,
  }: {
    readonly notice?: number;
    readonly grace?: number;
  }): Promise<number> => {
    service.drain();
    if (notice > 0) await new Promise((resolve) => setTimeout(resolve, notice));
    let cut = 0;
    const timer = setTimeout(() => {
      cut = service.inFlight;
      app.log.warn({ cut }, 'requests were cut off at the end of the time of grace');
      app.server.closeAllConnections();
    }, grace);
    try {
      await app.close();
    } finally {
      clearTimeout(timer);
    }
    return cut;
  };
  return {
    url: `http://${name}:${port}`,
    app,
    reload: service.reload,
    stop: (options = {}) => {
      stopping ??= stop(options);
      return stopping;
    },
  };
}
