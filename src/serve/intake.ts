import { NearmissError } from '../errors.js';
import type { Metrics } from './metrics.js';
import type { ServiceLimits } from './options.js';

/**
 * Decides, before a body is read, whether a request is taken up. Refusing early costs little; taking up more than can be
 * answered makes all of them late and fills the memory.
 */
export class Intake {
  private requests = 0;
  private bytes = 0;
  private stopping = false;

  constructor(
    private readonly limits: ServiceLimits,
    private readonly metrics: Metrics,
  ) {}

  /** Requests in work. */
  get inFlight(): number {
    return this.requests;
  }

  /** Bytes that their bodies may have. */
  get pendingBytes(): number {
    return this.bytes;
  }

  get draining(): boolean {
    return this.stopping;
  }

  /** From now on nothing is taken up. */
  drain(): void {
    this.stopping = true;
  }

  /**
   * Takes up a request with a body of at most `bytes`; call what it returns once it is over.
   *
   * @throws `NM_OVERLOADED`, `NM_SERVICE_CLOSING`
   */
  take(bytes: number): () => void {
    this.refuseWhileDraining();
    const { maxConcurrent, maxPendingBytes } = this.limits;
    if (this.requests >= maxConcurrent) {
      this.metrics.shed('concurrency');
      throw new NearmissError('NM_OVERLOADED', `${this.requests} requests are in work, allowed: ${maxConcurrent}`);
    }
    // One alone is taken up whatever its size, which has its own limit.
    if (this.requests > 0 && this.bytes + bytes > maxPendingBytes) {
      this.metrics.shed('memory');
      const found = `${this.bytes} bytes of requests are in work and ${bytes} more would come`;
      throw new NearmissError('NM_OVERLOADED', `${found}, allowed: ${maxPendingBytes}`);
    }
    this.requests += 1;
    this.bytes += bytes;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.requests -= 1;
      this.bytes -= bytes;
    };
  }

  /** @throws `NM_SERVICE_CLOSING` */
  refuseWhileDraining(): void {
    if (!this.stopping) return;
    this.metrics.shed('shutdown');
    throw new NearmissError('NM_SERVICE_CLOSING', 'the service is stopping and takes up no more requests');
  }
}
