import type { FastifyReply, FastifyRequest } from 'fastify';
import { NearmissError } from '../errors.js';
import type { Backends } from './backends.js';
import type { Intake } from './intake.js';
import type { Metrics } from './metrics.js';
import type { ServiceLimits, ServiceOptions } from './options.js';
import type { Scope } from './tokens.js';

/** What the routes of one service share. */
export interface ServiceContext {
  readonly backends: Backends;
  readonly metrics: Metrics;
  readonly intake: Intake;
  readonly limits: ServiceLimits;
  readonly options: ServiceOptions;
}

/** What a route says about itself. */
export interface RouteNature {
  /** The scope that a token needs; `open` without any. */
  readonly scope: Scope | 'open';
  /** Counts as work: refused when there is too much of it. */
  readonly work?: boolean;
  /** Its body is read by the handler as it comes, and may take its time. */
  readonly stream?: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    nearmiss?: RouteNature;
  }
}

/**
 * Runs a handler's work with a signal that aborts when the client has gone, or no answer is there in time (`NM_OVERLOADED`).
 *
 * @param timeout from the end of the body on, ms
 */
export async function withDeadline<Result>(
  request: FastifyRequest,
  reply: FastifyReply,
  timeout: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const gone = (): void => {
    if (!reply.raw.writableFinished) {
      controller.abort(new NearmissError('NM_REQUEST_INVALID', 'the client went away before its answer was there'));
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const start = (): void => {
    timer = setTimeout(() => {
      request.log.warn({ timeout }, 'no answer in time');
      controller.abort(new NearmissError('NM_OVERLOADED', `no answer within ${timeout} ms`));
    }, timeout);
  };
  // How long the body of a form takes has a limit of its own.
  if (request.raw.complete || request.raw.readableEnded) start();
  else request.raw.once('end', start);
  reply.raw.once('close', gone);
  try {
    return await work(controller.signal);
  } finally {
    request.raw.off('end', start);
    clearTimeout(timer);
    reply.raw.off('close', gone);
  }
}
