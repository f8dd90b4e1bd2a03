// The peer of serve.ts, what one writes first: a fastify handler that decodes with sharp, calls onnxruntime on the main
// thread and searches with usearch's exactSearch, one request at a time.
//
//   node dist/bench/serve-plain.js --model MODEL.onnx --vectors ROWS.f32 --dim 128 --size 32 [--peers FOLDER] [--threads 1]
//
// Prints its address, and who searches: without --peers FOLDER (with usearch in its node_modules) a plain loop does.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Fastify from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

const K = 10;
const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    vectors: { type: 'string' },
    dim: { type: 'string' },
    size: { type: 'string' },
    peers: { type: 'string' },
    threads: { type: 'string', default: '1' },
  },
});
const dim = Number(options.dim);
const size = Number(options.size);
const bytes = readFileSync(options.vectors!);
const rows = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const count = rows.length / dim;

interface Hit {
  readonly id: string;
  readonly score: number;
}

interface Usearch {
  exactSearch(
    rows: Float32Array,
    queries: Float32Array,
    dimension: number,
    k: number,
    metric: string,
    threads: number,
  ): { keys: BigUint64Array; distances: Float32Array };
}

function loop(query: Float32Array): Hit[] {
  const best: { row: number; score: number }[] = [];
  for (let row = 0; row < count; row++) {
    let score = 0;
    for (let j = 0, at = row * dim; j < dim; j++, at++) score += rows[at]! * query[j]!;
    if (best.length === K && score <= best[K - 1]!.score) continue;
    if (best.length === K) best.pop();
    let to = best.length;
    while (to > 0 && best[to - 1]!.score < score) to -= 1;
    best.splice(to, 0, { row, score });
  }
  return best.map(({ row, score }) => ({ id: `item ${row}`, score }));
}

function searcher(): { readonly name: string; readonly search: (query: Float32Array) => Hit[] } {
  if (!options.peers) return { name: 'a typed-array loop', search: loop };
  const { exactSearch } = createRequire(join(options.peers, 'package.json'))('usearch') as Usearch;
  const search = (query: Float32Array): Hit[] => {
    const { keys, distances } = exactSearch(rows, query, dim, K, 'ip', 1);
    return Array.from(keys, (key, i) => ({ id: `item ${key}`, score: 1 - distances[i]! }));
  };
  return { name: 'usearch exactSearch', search };
}

const { name, search } = searcher();
const session = await InferenceSession.create(options.model!, {
  intraOpNumThreads: Number(options.threads),
  logSeverityLevel: 3,
});
const app = Fastify();
app.addContentTypeParser('image/png', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
app.post<{ Body: Buffer }>('/v1/search', async ({ body }) => {
  const { data, info } = await sharp(body)
    .flatten({ background: '#fff' })
    .toColourspace('srgb')
    .resize(size, size, { fit: 'contain', background: '#fff' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels`);
  const image = new Tensor('uint8', Uint8Array.from(data), [1, size, size, 3]);
  const { embedding } = await session.run({ image });
  return { hits: search(Float32Array.from(embedding!.data as Float32Array)) };
});
const address = await app.listen({ port: 0, host: '127.0.0.1' });
console.log(JSON.stringify({ address, search: name }));
