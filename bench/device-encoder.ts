// Claim: in a browser, on one thread and a picture at a time, the device engine is faster than onnxruntime-web's WASM build
// of the same precision, and gives the same embeddings.
//
//   npm run bench:device-encoder -- [--rounds 101] [--pictures 4] [--encoders tiny-resnet,tiny-mobile] [--size 32]
//
// In headless Chromium, both engines in one page and thread, in short turns of so many pictures; the side that starts
// changes. Medians of the turns, and the best ones, which other work on the machine disturbs least. Weights are random,
// which no kernel's time depends on; int8 is of the same weights.
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { encoderByName, initialWeights } from '../src/encoders/index.js';
import { encoderToOnnx } from '../src/onnx/export.js';
import { decodeModel } from '../src/onnx/model.js';
import { planQuantisation, quantiseGraph } from '../src/onnx/quantise-graph.js';
import { calibrate } from '../src/onnx/quantise-ranges.js';
import { encodeSealedModel } from '../src/onnx/seal.js';
import { randomStream } from '../src/random.js';
import { openPage } from '../tests/chromium.js';
import type {} from './device-encoder-page.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '101' },
    pictures: { type: 'string', default: '4' },
    encoders: { type: 'string', default: 'tiny-resnet,tiny-mobile' },
    size: { type: 'string', default: '32' },
  },
});
const [rounds, count, size] = [options.rounds, options.pictures, options.size].map(Number) as [number, number, number];

const random = randomStream(3, 1);
/** Smooth pictures: sums of waves, so that activations vary as they do on real ones. */
const pictures = new Uint8Array(64 * size * size * 3);
for (let i = 0; i < 64; i++) {
  const wave = Array.from({ length: 3 }, () => [
    random.uniform() * 0.6,
    random.uniform() * 0.6,
    random.uniform() * 6.3,
  ]);
  for (let at = 0; at < size * size * 3; at++) {
    const [fx, fy, phase] = wave[at % 3]!;
    const pixel = Math.floor(at / 3);
    pictures[i * size * size * 3 + at] =
      127 + 120 * Math.sin(fx! * (pixel % size) + fy! * Math.floor(pixel / size) + phase!);
  }
}

async function models(name: string): Promise<Readonly<Record<string, Uint8Array>>> {
  const graph = encoderByName(name);
  const float32 = encoderToOnnx({
    graph,
    weights: initialWeights(graph, 3),
    size,
    readout: { pool: 2 },
    card: {
      name: 'bench',
      version: '1',
      training: { objective: 'none', settings: {} },
      data: { description: 'random weights' },
      createdBy: 'bench/device-encoder.ts',
      licence: 'unknown',
    },
  });
  const model = decodeModel(float32);
  const plan = planQuantisation(model.graph!);
  const { ranges, means } = await calibrate(model, plan, pictures, size);
  const values = { ranges: ranges['min-max'], means };
  const int8 = quantiseGraph(model.graph!, plan, values, { format: 'u8s8', reduceRange: false });
  return { float32, int8: encodeSealedModel({ ...model, graph: int8 }) };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const root = process.cwd();
const { outputFiles } = await build({
  entryPoints: [join(root, 'bench/device-encoder-page.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  logLevel: 'error',
});
const files = new Map<string, Uint8Array>([['/pictures', pictures]]);
for (const name of options.encoders.split(',')) {
  for (const [precision, bytes] of Object.entries(await models(name))) files.set(`/${name}/${precision}`, bytes);
}
const open = await openPage((path) => {
  if (path === '/page.js') return outputFiles[0]!.text;
  const [, folder, file = ''] = path.split('/');
  const place = join(root, folder === 'ort' ? 'node_modules/onnxruntime-web/dist' : 'dist/wasm', file);
  return files.get(path) ?? (existsSync(place) ? readFileSync(place) : undefined);
});
try {
  await open.page.addScriptTag({ url: '/page.js', type: 'module' });
  await open.page.waitForFunction('globalThis.deviceBench');
  const version = open.page.context().browser()?.version();
  const { version: peer } = JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-web/package.json'), 'utf8'));
  console.log(`Chromium ${version}, onnxruntime-web ${peer}, ${cpus()[0]!.model}; ${size}x${size}, ms a picture`);
  for (const path of files.keys()) {
    if (path === '/pictures') continue;
    for (const tier of ['relaxed', 'plain'] as const) {
      const found = await open.page.evaluate(
        ([model, times, pictures, simd]) => deviceBench.compare(model, times, pictures, simd),
        [path, rounds, count, tier] as const,
      );
      const [ours, theirs] = [median(found.ours), median(found.theirs)];
      const [best, theirBest] = [Math.min(...found.ours), Math.min(...found.theirs)];
      console.log(
        `${path.slice(1)} ${tier}: ${ours.toFixed(3)} against ${theirs.toFixed(3)}, ${(theirs / ours).toFixed(2)}x ` +
          `(best turns ${best.toFixed(3)} against ${theirBest.toFixed(3)}, ${(theirBest / best).toFixed(2)}x); ` +
          `opening ${found.openOurs.toFixed(0)} against ${found.openTheirs.toFixed(0)} ms; ` +
          `largest difference ${found.difference.toExponential(1)}`,
      );
    }
  }
} finally {
  await open.close();
}
