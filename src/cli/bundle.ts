import { resolve } from 'node:path';
import type { Command } from 'commander';
import { writeBundle } from '../device/bundle.js';
import { VECTOR_KINDS, type VectorKind } from '../retrieve/index.js';
import { command, oneOf, wholeNumber } from './command.js';
import { openPlace } from './place.js';
import { STORE_HELP, VECTORS_HELP } from './store-commands.js';

interface BundleFlags {
  readonly out: string;
  readonly model?: string;
  readonly engine?: 'own' | 'ort';
  readonly vectors?: VectorKind;
  readonly title?: string;
  readonly thumbnails?: number;
  readonly pictures?: string;
}

export function bundleCommand(): Command {
  return command<BundleFlags>(
    'bundle',
    [
      'nearmiss bundle store.db --out site/ && nearmiss open site/',
      'nearmiss bundle store.db --out site/ --title "My shells" --vectors int8',
      'nearmiss bundle store.db --out site/ --model moved/photos.onnx --pictures moved/photos/',
    ],
    async ([place = ''], { out, ...options }, console) => {
      const store = await openPlace(place, { readOnly: true });
      try {
        const { items, pictures, files, bytes, version } = await writeBundle(store, out, {
          ...options,
          signal: console.signal,
          onProgress: (line) => console.progress(line),
        });
        if (pictures < items && options.thumbnails !== 0) {
          console.log(`${items - pictures} of ${items} items have no picture any more, or never had one`);
        }
        console.print(`${items} items, ${pictures} thumbnails, ${files} files, ${(bytes / 1e6).toFixed(2)} MB: ${out}`);
        console.print(`next: nearmiss open ${out}`);
        return { bundle: resolve(out), items, pictures, files, bytes, version };
      } finally {
        await store.close();
      }
    },
  )
    .argument('<store>', STORE_HELP)
    .requiredOption('--out <folder>', 'the folder; an earlier bundle there is replaced')
    .option('--model <file>', 'the .onnx file, where it is no longer where it was when indexing')
    .option(
      '--engine <engine>',
      'own (default), or ort: onnxruntime-web, 14 MB more, for graphs that ours does not run',
      oneOf(['own', 'ort']),
    )
    .option('--vectors <kind>', VECTORS_HELP, oneOf(VECTOR_KINDS))
    .option('--title <text>', 'heading of the page (default nearmiss)')
    .option('--thumbnails <pixels>', 'their longer side; 0 for none (default 128)', wholeNumber(0, 512))
    .option('--pictures <data>', 'where the pictures are, where they are no longer where they were when indexing');
}
