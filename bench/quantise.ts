// Claim: an int8 model embeds two to three times the pictures a second of its float32 model on one thread of
// onnxruntime, in a file 3.5 times smaller or more, and finds the same emoji.
//
//   npm run bench:quantise -- --model nearmiss-demo/encoder.onnx [--rounds 101] [--out bench/results]
//
// The model is what `nearmiss demo` exports; 64x64 is the same network with fresh weights, for speed alone. All forms run
// in one process, round by round, in an order that turns; each round embeds other pictures. Figures are medians of the
// rounds, ratios medians of each round's ratio to float32. Rounds are short and many, so that most of them run without a
// break on a machine with other work. Cosine, neighbours and recall@1 are of held-out emoji: for an unseen Twemoji
// picture, find the Noto one.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, loadavg, platform } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encoderByName, initialWeights } from '../src/encoders/index.js';
import { retrievalQuality, retrievalRanks } from '../src/evaluate/index.js';
import { readEmoji, selectPictures } from '../src/images/index.js';
import {
  createEmbedder,
  type Embedder,
  encoderToOnnx,
  LICENCE_UNKNOWN,
  type ModelCardDetails,
  type QuantisationOptions,
  quantiseModel,
  readCard,
} from '../src/onnx/index.js';

const { values: options } = parseArgs({
  options: { model: { type: 'string' }, rounds: { type: 'string', default: '101' }, out: { type: 'string' } },
});
if (options.model === undefined) throw new Error('--model: an .onnx file that `nearmiss demo` exported');
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
const rounds = Number(options.rounds);
/** Pictures embedded in a round, by batch. */
const ROUND: Readonly<Record<number, number>> = { 1: 8, 8: 16, 64: 64 };

const QUESTION_OF_SPEED: QuantisationOptions['question'] = {
  task: 'nothing',
  ask: async () => ({ queries: 1, recallAt1: 1 }),
};

/** A model in all forms, and the pictures that it embeds. */
interface Entrant {
  readonly size: number;
  readonly pictures: Uint8Array;
  readonly forms: ReadonlyMap<string, Uint8Array>;
}

async function entrant(float32: Uint8Array, size: number, fresh: boolean): Promise<Entrant> {
  const { noto, twemoji, training, heldOut } = await readEmoji({ size });
  const gallery = selectPictures(noto, heldOut).data;
  const queries = selectPictures(twemoji, heldOut).data;
  const spread = Array.from({ length: 256 }, (_, i) => training[Math.floor((i * training.length) / 256)]!);
  const pairs: QuantisationOptions['question'] = {
    task: 'pairs',
    ask: async (embed, dim) => {
      const own = Int32Array.from(heldOut, (_, row) => row);
      return retrievalQuality(retrievalRanks(await embed(queries), await embed(gallery), dim, own));
    },
  };
  const common: QuantisationOptions = {
    calibration: selectPictures(noto, spread).data,
    heldOut: gallery,
    question: fresh ? QUESTION_OF_SPEED : pairs,
    maxLoss: 100,
  };
  const forms = new Map([
    ['float32', float32],
    ['u8s8', await quantiseModel(float32, common)],
    ['u8s8, weights of 7 bits', await quantiseModel(float32, { ...common, reduceRange: true })],
    ['s8s8', await quantiseModel(float32, { ...common, format: 's8s8' })],
  ]);
  return { size, pictures: noto.data, forms };
}

function freshModel(name: string, size: number): Uint8Array {
  const graph = encoderByName(name);
  const card: ModelCardDetails = {
    name: 'fresh',
    version: '1',
    training: { objective: 'none', settings: {} },
    data: { description: 'none' },
    createdBy: 'nearmiss bench',
    licence: LICENCE_UNKNOWN,
  };
  return encoderToOnnx({ graph, weights: initialWeights(graph, 1), size, readout: { pool: 2 }, card });
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Pictures a second of each form, round by round. */
async function race({ size, pictures, forms }: Entrant, batch: number): Promise<Map<string, number[]>> {
  const names = [...forms.keys()];
  const embedders = new Map<string, Embedder>();
  for (const [name, bytes] of forms) embedders.set(name, await createEmbedder(bytes, { batch }));
  const rates = new Map<string, number[]>(names.map((name) => [name, []]));
  const count = ROUND[batch]!;
  const picture = size * size * 3;
  const total = pictures.length / picture;
  let sum = 0;
  for (let round = -2; round < rounds; round++) {
    const first = ((round + 2) * 37) % (total - count);
    const some = pictures.slice(first * picture, (first + count) * picture);
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + 2) % names.length]!;
      const start = performance.now();
      const rows = await embedders.get(name)!.embed(some);
      const seconds = (performance.now() - start) / 1000;
      sum += rows[0]!;
      if (round >= 0) rates.get(name)!.push(count / seconds);
    }
  }
  for (const embedder of embedders.values()) await embedder.close();
  if (!Number.isFinite(sum)) throw new Error('embeddings are not finite');
  return rates;
}

const lines: string[] = [];
const say = (line: string): void => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};

async function report(racer: Entrant, title: string): Promise<void> {
  const batches = Object.keys(ROUND).map(Number);
  const races = new Map<number, Map<string, number[]>>();
  for (const batch of batches) races.set(batch, await race(racer, batch));
  say(`\n## ${title}\n`);
  say(`| | ${batches.map((batch) => `images/s, batch ${batch} (ratio)`).join(' | ')} | bytes (times smaller) |`);
  say(`| --- | ${batches.map(() => '---').join(' | ')} | --- |`);
  for (const [name, bytes] of racer.forms) {
    const speeds = batches.map((batch) => {
      const rates = races.get(batch)!;
      const reference = rates.get('float32')!;
      const ratio = median(rates.get(name)!.map((rate, round) => rate / reference[round]!));
      return `${median(rates.get(name)!).toFixed(0)} (${ratio.toFixed(2)})`;
    });
    const times = (racer.forms.get('float32')!.length / bytes.length).toFixed(2);
    say(`| ${name} | ${speeds.join(' | ')} | ${bytes.length} (${times}) |`);
  }
}

const model = new Uint8Array(readFileSync(options.model));
const card = readCard(model);
say('# int8 beside float32\n');
say(
  `Node ${process.version}, onnxruntime-node ${version}, ${platform()} ${arch()}, ${cpus()[0]?.model}; one thread, ` +
    `${rounds} rounds. Load of the machine: ${loadavg()[0]!.toFixed(1)} on ${cpus().length} cores.`,
);
const trained = await entrant(model, card.inputSize, false);
await report(trained, `${card.name}, trained, ${card.dim} dimensions${card.whitened ? ', whitened' : ''}`);
await report(await entrant(freshModel(card.encoder, 64), 64, true), `${card.encoder} 64x64, fresh weights`);
say('\n## Held-out emoji, the trained model\n');
say('| | cosine mean | least | neighbours kept | recall@1 |\n| --- | --- | --- | --- | --- |');
for (const [name, bytes] of trained.forms) {
  const { quantisation } = readCard(bytes);
  if (!quantisation) continue;
  const { heldOut, recallAt1 } = quantisation;
  const share = (value: number): string => (100 * value).toFixed(1);
  say(
    `| ${name} | ${heldOut.cosineMean.toFixed(5)} | ${heldOut.cosineMin.toFixed(5)} | ${share(heldOut.neighbourOverlap)} % | ` +
      `${share(recallAt1.int8)} (float32 ${share(recallAt1.float32)}, ${recallAt1.queries} queries) |`,
  );
}
say('\ns8s8 is for ARM: x86 has no quick product of two signed bytes.');
say(`\nCommand: \`npm run bench:quantise -- --model MODEL --rounds ${rounds}\``);
if (options.out !== undefined) {
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, 'quantise.md'), `${lines.join('\n')}\n`);
}
