import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { decodePicture } from '../images/index.js';
import { createEmbedder, type Embedder } from '../onnx/index.js';
import { openStore } from '../retrieve/index.js';
import { command, wholeNumber } from './command.js';
import { table } from './console.js';

export function searchCommand(): Command {
  return command<{ readonly k?: number; readonly model?: string }>(
    'search',
    ['nearmiss search store.db query.png', 'nearmiss search store.db a.jpg b.jpg -k 3 --json'],
    async ([path = '', ...pictures], { k = 10, model }, console) => {
      const store = await openStore(path, { readOnly: true });
      try {
        const modelPath = model ?? store.info.modelPath;
        if (modelPath === undefined) {
          throw new NearmissError('NM_OPTION_INVALID', `--model: ${path} does not say where its model is; name it`);
        }
        const embedder = await createEmbedder(modelPath).catch((error: unknown) => {
          if (!(error instanceof NearmissError) || error.code !== 'NM_MODEL_MISSING' || model !== undefined)
            throw error;
          const hint = 'The store names the model that filled it; where it has moved to, say with --model.';
          throw new NearmissError(error.code, error.message, { hint, cause: error });
        });
        try {
          store.checkEncoder(embedder.fingerprint);
          const queries: Float32Array[] = [];
          for (const picture of pictures) {
            const pixels = await decodeFile(picture, embedder);
            queries.push(await embedder.embed(pixels));
          }
          const hits = await store.search(queries, { k, fingerprint: embedder.fingerprint });
          const results = pictures.map((picture, i) => ({ picture, hits: hits[i]! }));
          for (const { picture, hits } of results) {
            console.print(picture);
            console.print(
              table(
                ['id', 'score'],
                hits.map(({ id, score }) => [id, score.toFixed(4)]),
              ),
            );
          }
          return { results };
        } finally {
          await embedder.close();
        }
      } finally {
        await store.close();
      }
    },
  )
    .argument('<store>', 'an SQLite file that nearmiss index wrote')
    .argument('<pictures...>', 'PNG, JPEG, WebP, AVIF or GIF files')
    .option('-k, --k <number>', 'hits a picture (default 10)', wholeNumber(1, 1000))
    .option('--model <file>', 'the .onnx file, where it is no longer where it was when indexing');
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
