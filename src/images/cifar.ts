import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NearmissError } from '../errors.js';
import type { SourceItem } from './source-item.js';

/** A binary batch of CIFAR: records of label bytes and a 32x32 picture, its red, green and blue plane in turn. */
const SIDE = 32;
const PLANE = SIDE * SIDE;

/** The two layouts: CIFAR-10 has one label byte a record, CIFAR-100 two (coarse, fine); the last one is the class. */
const CIFAR_LAYOUTS = {
  'CIFAR-10': { labelBytes: 1, classes: 10, record: 1 + 3 * PLANE, names: 'batches.meta.txt' },
  'CIFAR-100': { labelBytes: 2, classes: 100, record: 2 + 3 * PLANE, names: 'fine_label_names.txt' },
} as const;
type CifarLayout = keyof typeof CIFAR_LAYOUTS;

/** The layout that a batch file's name says, if it is one of the published names. */
function layoutOfName(name: string): CifarLayout | undefined {
  if (/^(data_batch_\d+|test_batch)\.bin$/.test(name)) return 'CIFAR-10';
  return name === 'train.bin' || name === 'test.bin' ? 'CIFAR-100' : undefined;
}

/** Training batches in a folder (`data_batch_*.bin` or `train.bin`), sorted; empty when it is no CIFAR folder. */
export async function cifarBatches(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^data_batch_\d+\.bin$/.test(name) || name === 'train.bin');
  return names.sort().map((name) => join(folder, name));
}

function layoutOf(path: string, bytes: number): CifarLayout {
  const named = layoutOfName(basename(path));
  const candidates = named ? [named] : (Object.keys(CIFAR_LAYOUTS) as CifarLayout[]);
  const fitting = candidates.filter((layout) => bytes > 0 && bytes % CIFAR_LAYOUTS[layout].record === 0);
  if (fitting.length === 1 && fitting[0]) return fitting[0];
  const allowed = candidates.map((layout) => `a multiple of ${CIFAR_LAYOUTS[layout].record} (${layout})`).join(' or ');
  const why = fitting.length > 1 ? ', which fits both; name it as the published files are named' : '';
  throw new NearmissError('NM_SOURCE_INVALID', `${path}: found ${bytes} bytes, allowed: ${allowed}${why}`);
}

/** Class names: from the text file beside the batch when it is there, else the numbers of the labels. */
async function classNames(path: string, layout: CifarLayout): Promise<string[]> {
  const { names, classes } = CIFAR_LAYOUTS[layout];
  const found = await readFile(join(dirname(path), names), 'utf8').catch(() => '');
  const lines = found.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.length === classes ? lines : Array.from({ length: classes }, (_, label) => String(label));
}

/**
 * Pictures of CIFAR-10 or CIFAR-100 binary batches, named `data_batch_1.bin/00042`, in the order of the files.
 * `NM_SOURCE_INVALID` when a file's length or a label does not fit the layout.
 */
export async function* cifarItems(paths: readonly string[]): AsyncGenerator<SourceItem> {
  for (const path of paths) {
    const layout = layoutOf(path, (await stat(path)).size);
    const { record, labelBytes } = CIFAR_LAYOUTS[layout];
    const classes = await classNames(path, layout);
    const content = await readFile(path);
    for (let index = 0; index * record < content.length; index++) {
      const at = index * record;
      const label = content[at + labelBytes - 1] ?? 0;
      const className = classes[label];
      if (className === undefined) {
        throw new NearmissError(
          'NM_SOURCE_INVALID',
          `${path}: record ${index} has label ${label}, allowed: 0 to ${classes.length - 1} (${layout})`,
        );
      }
      const planes = content.subarray(at + labelBytes, at + record);
      const data = new Uint8Array(3 * PLANE);
      for (let i = 0; i < PLANE; i++) {
        for (let channel = 0; channel < 3; channel++) data[3 * i + channel] = planes[channel * PLANE + i] ?? 0;
      }
      yield {
        kind: 'pixels',
        name: `${basename(path)}/${String(index).padStart(5, '0')}`,
        className,
        pixels: { data, width: SIDE, height: SIDE, channels: 3 },
      };
    }
  }
}
