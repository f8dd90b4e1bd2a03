import { NearmissError } from '../errors.js';

export interface AdmissionLimits {
  /** Most pictures of all requests that are not answered. */
  readonly maxPictures: number;
  /** Most bytes that they hold. */
  readonly maxBytes: number;
  /** How long a request may take, ms. */
  readonly timeout: number;
}

/** A request that asks to be let in. */
export interface Entrant {
  readonly pictures: number;
  /** Bytes that it holds until it is answered. */
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  /** Ends it: time is up, the signal aborted (with the signal's reason), or the service closes. */
  readonly fail: (reason: unknown) => void;
}

interface Admitted {
  readonly entrant: Entrant;
  readonly deadline: number;
  readonly onAbort: () => void;
}

/** Lets requests in while there is room, and ends those that take too long. */
export class Admission {
  /** In the order in which they came, so that the first has the earliest deadline. */
  private readonly admitted = new Map<Entrant, Admitted>();
  private timer: NodeJS.Timeout | undefined;
  private closing: (() => void) | undefined;
  pictures = 0;
  bytes = 0;
  /** Requests that were refused because there was no room. */
  shed = 0;
  /** Requests whose time was up. */
  timedOut = 0;

  constructor(private readonly limits: AdmissionLimits) {}

  get requests(): number {
    return this.admitted.size;
  }

  /**
   * Whether there is room for a request; ask before anything is allocated for it.
   *
   * @throws `NM_OVERLOADED` while others take the room; `NM_REQUEST_TOO_LARGE` if it needs more than there is;
   *   `NM_SERVICE_CLOSING`; the signal's reason if it has aborted
   */
  check(pictures: number, bytes: number, signal: AbortSignal | undefined): void {
    if (this.closing) throw closingError();
    signal?.throwIfAborted();
    this.compare('pictures', pictures, this.pictures, this.limits.maxPictures);
    this.compare('bytes', bytes, this.bytes, this.limits.maxBytes);
  }

  private compare(what: string, wanted: number, taken: number, most: number): void {
    if (wanted > most) {
      throw new NearmissError('NM_REQUEST_TOO_LARGE', `${what} of a request: found ${wanted}, allowed: ${most}`);
    }
    if (taken + wanted <= most) return;
    this.shed++;
    throw new NearmissError(
      'NM_OVERLOADED',
      `${what} in work: found ${taken} and ${wanted} more, allowed: ${most}: too many requests at once`,
    );
  }

  /** Lets a checked request in until `leave` is called with it. */
  enter(entrant: Entrant): void {
    this.pictures += entrant.pictures;
    this.bytes += entrant.bytes;
    const onAbort = (): void => entrant.fail(entrant.signal?.reason);
    entrant.signal?.addEventListener('abort', onAbort, { once: true });
    this.admitted.set(entrant, { entrant, deadline: performance.now() + this.limits.timeout, onAbort });
    this.timer ??= setTimeout(this.expire, this.limits.timeout);
  }

  leave(entrant: Entrant): void {
    const admitted = this.admitted.get(entrant);
    if (!admitted) return;
    this.admitted.delete(entrant);
    entrant.signal?.removeEventListener('abort', admitted.onAbort);
    this.pictures -= entrant.pictures;
    this.bytes -= entrant.bytes;
    if (this.admitted.size === 0) this.closing?.();
  }

  private readonly expire = (): void => {
    this.timer = undefined;
    const now = performance.now();
    for (const { entrant, deadline } of this.admitted.values()) {
      if (deadline > now) {
        this.timer = setTimeout(this.expire, Math.ceil(deadline - now));
        return;
      }
      this.timedOut++;
      entrant.fail(new NearmissError('NM_OVERLOADED', `not embedded within ${this.limits.timeout} ms`));
    }
  };

  /** Lets nobody in any more; resolves when all have left, or have been ended after `grace` ms. */
  async close(grace: number): Promise<void> {
    const empty = new Promise<void>((resolve) => {
      this.closing = resolve;
      if (this.admitted.size === 0) resolve();
    });
    const end = setTimeout(() => {
      for (const entrant of this.admitted.keys()) entrant.fail(closingError());
    }, grace);
    await empty;
    clearTimeout(end);
    clearTimeout(this.timer);
  }
}

export function closingError(): NearmissError {
  return new NearmissError('NM_SERVICE_CLOSING', 'the embedding service is closing');
}
