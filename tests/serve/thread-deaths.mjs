// Loaded before the server (`node --import`): on the message 'end a thread' it terminates one of the server's worker
// threads, whichever comes, at whatever it is doing. The server is not told and must notice by itself.
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.send) {
  const threads = createRequire(import.meta.url)('node:worker_threads');
  const alive = new Set();
  threads.Worker = class extends threads.Worker {
    constructor(...args) {
      super(...args);
      alive.add(this);
      this.once('exit', () => alive.delete(this));
    }
  };
  syncBuiltinESMExports();
  process.on('message', async (message) => {
    if (message !== 'end a thread') return;
    const [thread] = [...alive].sort(() => Math.random() - 0.5);
    await thread?.terminate();
    process.send({ ended: thread ? 1 : 0, alive: alive.size });
  });
  process.channel.unref();
}
