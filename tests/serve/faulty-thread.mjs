// A thread of the embedding service that fails when a test says so: counters that all threads share say how often yet.
import { getEnvironmentData, parentPort, workerData } from 'node:worker_threads';

const { counters, marker } = getEnvironmentData('nearmiss-faults');
const [EXITS, HANGS, FAILED_STARTS, STARTS] = [0, 1, 2, 3];

/** Whether a fault is due; takes one off. */
function due(fault) {
  if (Atomics.load(counters, fault) <= 0) return false;
  return Atomics.sub(counters, fault, 1) > 0;
}

/** Whether a message has a picture that begins, or a file that ends, with the marker. */
function marked({ pixels, file }) {
  const picture = pixels && pixels.length / Math.round(pixels.length / (32 * 32 * 3));
  for (let at = 0; pixels && at < pixels.length; at += picture)
    if (marker.every((byte, i) => pixels[at + i] === byte)) return true;
  return file !== undefined && marker.every((byte, i) => file[file.length - marker.length + i] === byte);
}

Atomics.add(counters, STARTS, 1);
if (due(FAILED_STARTS)) throw new Error('does not start');
parentPort.on('message', (message) => {
  if (typeof message === 'string' || !marked(message)) return;
  if (due(EXITS)) process.exit(7);
  if (due(HANGS)) for (;;);
});
await import(workerData.model ? '../../dist/serve/embed-worker.js' : '../../dist/serve/decode-worker.js');
