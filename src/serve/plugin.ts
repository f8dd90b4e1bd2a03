import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { NearmissError } from '../errors.js';
import { version } from '../version.js';
import { Backends } from './backends.js';
import { addBodyParsers, LINES_TYPE } from './bodies.js';
import type { RouteNature, ServiceContext } from './context.js';
import { answerFailure } from './http-errors.js';
import { Intake } from './intake.js';
import { Metrics } from './metrics.js';
import { type ServiceOptions, serviceLimits } from './options.js';
import { checkOrigin } from './origins.js';
import { bulkRoutes } from './routes/bulk.js';
import { embedRoutes } from './routes/embed.js';
import { itemRoutes } from './routes/items.js';
import { operationRoutes } from './routes/operations.js';
import { pageRoutes } from './routes/page.js';
import { referenceRoutes } from './routes/reference.js';
import { searchRoutes } from './routes/search.js';
import { findToken, type Token } from './tokens.js';
import { validatorCompiler } from './validate.js';

/** What the plugin gives the app that it is registered in, as `app.nearmiss`. */
export interface NearmissService {
  /** Opens the store, the model, the tokens and the list of pictures again; where anything fails, all stays as it was. */
  reload(): Promise<{ readonly fingerprint: string; readonly modelChanged: boolean }>;
  /** From now on `/readyz` is 503 and requests that are work are refused; those in work go on. */
  drain(): void;
  /** Requests in work. */
  readonly inFlight: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    nearmissToken: Token | undefined;
  }
}

/** Milliseconds over which the rate of a client is averaged. */
const RATE_WINDOW = 10_000;
/** What a stream of items may hold in memory, bytes; its body has no length that one could go by. */
const STREAM_BYTES = 16 * 1024 * 1024;

const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};

/**
 * The service as a fastify plugin: embeddings, search and items over HTTP, under the prefix that it is registered with. It keeps to
 * its own routes: what is around them is the app's. The app closes it.
 *
 * `onService` gets what the app may do with it. The app should allow ids their length, and a large store
 * its time to be read: `routerOptions: { maxParamLength: 3072 }, pluginTimeout: 0`.
 *
 * @throws (registering) what opening the store and the model throws, `NM_ENCODER_MISMATCH` where they do not belong together,
 *   `NM_TOKENS_INVALID`, `NM_OPTION_INVALID`, `NM_OPTION_UNKNOWN`
 *
 * @example
 * const app = fastify({ routerOptions: { maxParamLength: 3072 }, pluginTimeout: 0 });
 * await app.register(nearmissService, { prefix: '/similar', store: 'photos.db', model: 'photos.onnx' });
 * await app.listen({ port: 3000 }); // POST /similar/v1/search
 */
export const nearmissService: FastifyPluginAsync<
  ServiceOptions & { readonly onService?: (service: NearmissService) => void }
> = async (app, options) => {
  const limits = serviceLimits(options.limits);
  const metrics = new Metrics();
  const intake = new Intake(limits, metrics);
  let backends: Backends;
  try {
    backends = await Backends.open(options, metrics, app.log);
  } catch (error) {
    metrics.close();
    throw error;
  }
  // Runs when no request is in work any more.
  app.addHook('onClose', async () => {
    metrics.close();
    await backends.close();
  });
  const context: ServiceContext = { backends, metrics, intake, limits, options };
  metrics.read({
    inFlight: () => intake.inFlight,
    pendingBytes: () => intake.pendingBytes,
    waitingSearches: () => backends.backend.searches.length,
    shedByEncoder: () => backends.backend.embedding?.stats().shed ?? 0,
    waitingPictures: () => backends.backend.embedding?.stats().queued ?? 0,
  });
  options.onService?.({
    reload: async () => {
      const { backend, modelChanged } = await backends.reload();
      return { fingerprint: backend.store.info.fingerprint, modelChanged };
    },
    drain: () => intake.drain(),
    get inFlight() {
      return intake.inFlight;
    },
  });

  app.setErrorHandler(answerFailure);
  app.setValidatorCompiler(validatorCompiler);
  // What the handlers return has the type of its schema: nothing is left out or converted on its way.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  addBodyParsers(app, limits);
  app.decorateRequest('nearmissToken', undefined);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(SECURITY).header('x-request-id', String(request.id));
    guard(request, context);
  });
  if (limits.rateLimit > 0) await limitRate(app, context);
  app.addHook('onRequest', async (request, reply) => takeUp(request, reply, context));
  // The connections of a service that stops are of no further use, and would hold it up.
  app.addHook('onSend', async (_, reply) => {
    if (intake.draining) void reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    metrics.answered(request.method, request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
    endUnread(request, limits.bodyTimeout);
  });

  await app.register(multipart, { limits: { fileSize: limits.maxBodyBytes } });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'nearmiss', version, description: 'Embeddings of pictures, and search among them.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
      tags: [{ name: 'search' }, { name: 'items' }, { name: 'operation' }],
    },
  });
  await app.register(async (routes) => {
    embedRoutes(routes, context);
    searchRoutes(routes, context);
    itemRoutes(routes, context);
    bulkRoutes(routes, context);
    operationRoutes(routes, context);
    referenceRoutes(routes, () => app.swagger());
    if (options.page !== false) await pageRoutes(routes, context);
  });
};

function natureOf(request: FastifyRequest): RouteNature {
  // A route without a nature would be a mistake: nobody gets there.
  return request.routeOptions.config.nearmiss ?? { scope: 'write' };
}

/** Lets in who may: the right name, no foreign page, and a token of the right scope where tokens are asked for. */
function guard(request: FastifyRequest, { backends, options }: ServiceContext): void {
  const { scope } = natureOf(request);
  checkOrigin(request.method, request.headers, options.hosts);
  if (scope === 'open') return;
  const { tokens } = backends.backend;
  if (tokens === undefined) return;
  const { authorization } = request.headers;
  const token = findToken(authorization, tokens);
  if (!token) {
    const found = authorization === undefined ? 'none' : 'one that is not known';
    throw new NearmissError('NM_TOKEN_INVALID', `Authorization: found ${found}, allowed: Bearer and a token`);
  }
  if (scope === 'write' && token.scope === 'read') {
    throw new NearmissError('NM_TOKEN_SCOPE', 'Authorization: found a token of scope read, needed: write');
  }
  request.nearmissToken = token;
}

async function limitRate(app: FastifyInstance, { limits, metrics }: ServiceContext): Promise<void> {
  await app.register(rateLimit, {
    max: (limits.rateLimit * RATE_WINDOW) / 1000,
    timeWindow: RATE_WINDOW,
    keyGenerator: (request) => (request.nearmissToken ? `token ${request.nearmissToken.name}` : request.ip),
    allowList: (request) => natureOf(request).scope === 'open',
    errorResponseBuilder: (_, { after }) => {
      metrics.shed('rate');
      return new NearmissError(
        'NM_RATE_LIMITED',
        `found more than ${limits.rateLimit} requests a second, allowed again in ${after}`,
      );
    },
  });
}

/** Takes a request up or refuses it, before its body is read, and sees to it that the body comes in time. */
function takeUp(request: FastifyRequest, reply: FastifyReply, { intake, limits, metrics }: ServiceContext): void {
  const { work = false, stream = false } = natureOf(request);
  if (!work) return;
  const { headers, raw } = request;
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new NearmissError('NM_MEDIA_TYPE_UNSUPPORTED', 'Content-Encoding: found one, allowed: none');
  }
  const chunked = headers['transfer-encoding'] !== undefined;
  const length = Number(headers['content-length'] ?? 0);
  const lines = stream && headers['content-type']?.startsWith(LINES_TYPE) === true;
  if (length > limits.maxBodyBytes && !lines) {
    throw new NearmissError('NM_REQUEST_TOO_LARGE', `body: found ${length} bytes, allowed: ${limits.maxBodyBytes}`);
  }
  reply.raw.once('close', intake.take(lines ? STREAM_BYTES : chunked ? limits.maxBodyBytes : length));
  if (lines || (!chunked && length === 0)) return;
  const start = performance.now();
  const timer = setTimeout(() => {
    if (reply.sent) return;
    // Whoever still waits for the body hears that it ended; the client hears why, if it listens.
    void reply.header('connection', 'close');
    reply.raw.once('finish', () => raw.destroy());
    void reply.send(new NearmissError('NM_REQUEST_TIMEOUT', `body: did not come within ${limits.bodyTimeout} ms`));
  }, limits.bodyTimeout);
  raw.once('end', () => {
    clearTimeout(timer);
    metrics.received((performance.now() - start) / 1000);
  });
  reply.raw.once('close', () => clearTimeout(timer));
}

/** What was answered before its body had come is read on and thrown away, so that the answer gets through, but not for ever. */
function endUnread({ raw }: FastifyRequest, timeout: number): void {
  if (raw.complete !== false || raw.destroyed) return;
  const timer = setTimeout(() => raw.socket.destroy(), timeout);
  raw.once('close', () => clearTimeout(timer));
}
