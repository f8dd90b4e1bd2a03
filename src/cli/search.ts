import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { decodePicture } from '../images/index.js';
import { createEmbedder, type Embedder } from '../onnx/index.js';
import type { Hit, Store } from '../retrieve/index.js';
import { command, decimal, wholeNumber } from './command.js';
import { type Console, table } from './console.js';
import { openPlace, parseFilters, several } from './place.js';

interface SearchFlags {
  readonly k?: number;
  readonly model?: string;
  readonly id?: readonly string[];
  readonly vector?: readonly string[];
  readonly filter?: readonly string[];
  readonly radius?: number;
  readonly approximate?: boolean;
}

/** What is asked for: a picture, a stored item, or a vector. */
interface Query {
  readonly kind: 'picture' | 'id' | 'vector';
  readonly name: string;
  readonly vector: Float32Array;
}

export function searchCommand(): Command {
  return command<SearchFlags>(
    'search',
    [
      'nearmiss search store.db query.png',
      'nearmiss search store.db a.jpg b.jpg -k 3 --json',
      'nearmiss search store.db --id 2021/beach.jpg    # more like this one',
      "nearmiss search store.db query.png --filter source=/photos --filter 'year>=2020' --radius 0.6",
      'nearmiss search postgres://me@host/photos query.png',
    ],
    search,
  )
    .argument('<store>', 'a store: an SQLite file, or postgres://user:password@host/database')
    .argument('[pictures...]', 'PNG, JPEG, WebP, AVIF or GIF files')
    .option('--id <id>', 'look for items like this one of the store; may be given several times', several)
    .option('--vector <json>', 'a vector as a JSON list, or a file with one; may be given several times', several)
    .option('-k, --k <number>', 'hits a query (default 10)', wholeNumber(1, 1000))
    .option(
      '--filter <condition>',
      "such as 'year>=2020', 'kind=cat', 'kind' or JSON; all that are given must hold",
      several,
    )
    .option('--radius <number>', 'only hits at least this good (with l2: at most this far)', decimal(-Number.MAX_VALUE))
    .option('--approximate', 'use the index of a store in PostgreSQL, which may miss some of the best')
    .option('--model <file>', 'the .onnx file, where it is no longer where it was when indexing');
}

async function search(
  [path = '', ...pictures]: readonly string[],
  flags: SearchFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  const { k = 10, id: ids = [], vector: vectors = [], radius } = flags;
  if (pictures.length + ids.length + vectors.length === 0) {
    throw new NearmissError('NM_OPTION_INVALID', 'found no query, allowed: pictures, --id or --vector');
  }
  const filter = parseFilters(flags.filter ?? []);
  const store = await openPlace(path, { readOnly: true });
  try {
    const queries: Query[] = [
      ...(pictures.length > 0 ? await pictureQueries(store, path, pictures, flags.model) : []),
      ...(await Promise.all(ids.map((id) => itemQuery(store, path, id)))),
      ...(await Promise.all(vectors.map(vectorQuery))),
    ];
    const lists = await store.search(
      queries.map(({ vector }) => vector),
      {
        // An item finds itself, which is not shown.
        k: Math.min(1000, k + (ids.length > 0 ? 1 : 0)),
        ...(filter === undefined ? {} : { filter }),
        ...(radius === undefined ? {} : { radius }),
        ...(flags.approximate ? { mode: 'approximate' } : {}),
      },
    );
    const results = queries.map(({ kind, name }, i) => ({
      [kind]: name,
      hits: lists[i]!.filter(({ id }) => kind !== 'id' || id !== name).slice(0, k),
    }));
    for (const [i, { name }] of queries.entries()) {
      console.print(name);
      const rows = (results[i]!.hits as Hit[]).map(({ id, score }) => [id, score.toFixed(4)]);
      console.print(table(['id', store.info.metric === 'l2' ? 'distance' : 'score'], rows));
    }
    return { results };
  } finally {
    await store.close();
  }
}

async function pictureQueries(
  store: Store,
  path: string,
  pictures: readonly string[],
  model: string | undefined,
): Promise<Query[]> {
  const modelPath = model ?? store.info.modelPath;
  if (modelPath === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', `--model: ${path} does not say where its model is; name it`);
  }
  const embedder = await createEmbedder(modelPath).catch((error: unknown) => {
    if (!(error instanceof NearmissError) || error.code !== 'NM_MODEL_MISSING' || model !== undefined) throw error;
    const hint = 'The store names the model that filled it; where it has moved to, say with --model.';
    throw new NearmissError(error.code, error.message, { hint, cause: error });
  });
  try {
    store.checkEncoder(embedder.fingerprint);
    const queries: Query[] = [];
    for (const name of pictures) {
      const vector = await embedder.embed(await decodeFile(name, embedder));
      queries.push({ kind: 'picture', name, vector });
    }
    return queries;
  } finally {
    await embedder.close();
  }
}

async function itemQuery(store: Store, path: string, id: string): Promise<Query> {
  const item = await store.get(id);
  if (item) return { kind: 'id', name: id, vector: item.vector };
  throw new NearmissError('NM_ITEM_MISSING', `${path}: found no item ${JSON.stringify(id)}`);
}

async function vectorQuery(text: string): Promise<Query> {
  const json = text.trimStart().startsWith('[') ? text : await readFile(text, 'utf8');
  let numbers: unknown;
  try {
    numbers = JSON.parse(json);
  } catch {
    // said below
  }
  if (!Array.isArray(numbers) || !numbers.every((each) => typeof each === 'number')) {
    throw new NearmissError('NM_VECTOR_INVALID', `--vector: found no list of numbers in ${text.slice(0, 80)}`);
  }
  return { kind: 'vector', name: text.slice(0, 80), vector: Float32Array.from(numbers) };
}

async function decodeFile(path: string, { size, card }: Embedder): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new NearmissError('NM_SOURCE_MISSING', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return await decodePicture(bytes, { size, ...(card.fit === undefined ? {} : { fit: card.fit }) });
  } catch (cause) {
    if (!(cause instanceof NearmissError)) throw cause;
    throw new NearmissError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}
