// Loaded before a server (`--import`) that has an IPC channel: measures the delay of its main thread's event loop and its
// memory, without the server's help, so that both sides are measured alike.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** What a server's process answers to `read`. Times in ms, memory in bytes. */
export interface Probe {
  readonly delayP50: number;
  readonly delayP99: number;
  readonly delayMax: number;
  readonly cpu: number;
  readonly rss: number;
}

if (isMainThread && process.send) {
  const resolution = 1;
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  let cpu = process.cpuUsage();
  process.on('message', (message) => {
    if (message === 'reset') {
      delay.reset();
      cpu = process.cpuUsage();
      process.send?.('reset');
    } else if (message === 'read') {
      // The histogram holds the time between two ticks of a timer of `resolution` ms: what is beyond that is delay.
      const beyond = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution);
      const { user, system } = process.cpuUsage(cpu);
      const probe: Probe = {
        delayP50: beyond(delay.percentile(50)),
        delayP99: beyond(delay.percentile(99)),
        delayMax: beyond(delay.max),
        cpu: (user + system) / 1e3,
        rss: process.memoryUsage.rss(),
      };
      process.send?.(probe);
    }
  });
  // The server decides when its process ends.
  process.channel?.unref();
}
