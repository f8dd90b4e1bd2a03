import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { createEmbedder } from '../onnx/index.js';
import type { IndexCounts } from '../retrieve/index.js';
import { command, wholeNumber } from './command.js';
import type { Console } from './console.js';
import { shareSource } from './index-share.js';
import { type IndexTask, indexSource } from './index-source.js';
import { watchSource } from './index-watch.js';
import { isPostgres, placeName } from './place.js';

interface IndexFlags {
  readonly out?: string;
  readonly store?: string;
  readonly prune?: boolean;
  readonly reembed?: boolean;
  readonly watch?: boolean;
  readonly share?: boolean | string;
  readonly lease?: number;
}

export function indexCommand(): Command {
  return command<IndexFlags>(
    'index',
    [
      'nearmiss index photos.onnx photos/ --out store.db',
      'nearmiss index photos.onnx photos/ --out store.db --prune --watch',
      'nearmiss index better.onnx photos/ --out store.db --reembed',
      'nearmiss index photos.onnx photos/ --store postgres://me@host/photos --share    # on several machines',
    ],
    index,
  )
    .argument('<model>', 'an .onnx file that nearmiss export wrote')
    .argument('<data>', 'folder, .tar, .zip or CIFAR batches of pictures, or `emoji`')
    .option('--out <file>', 'the store, an SQLite file; made if there is none')
    .option('--store <place>', 'the same, or a PostgreSQL database: postgres://user:password@host/database')
    .option('--prune', 'remove items whose pictures are gone from DATA')
    .option('--reembed', 'fill a store of another encoder anew; the old items stay until all new ones are there')
    .option('--watch', 'then go on with what changes in the folder, until Ctrl-C')
    .option('--share [name]', 'divide the files of a folder with all who share this name (default: that of the folder)')
    .option(
      '--lease <seconds>',
      'with --share: when the files of a process that is gone are given to others (default 120)',
      wholeNumber(1, 86_400),
    );
}

async function index(
  [model = '', source = '']: readonly string[],
  flags: IndexFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  const out = placeOf(flags);
  await checkFlags(flags, out, source);
  const embedder = await createEmbedder(model);
  const task: IndexTask = {
    embedder,
    model,
    source,
    out,
    prune: flags.prune === true,
    reembed: flags.reembed === true,
  };
  try {
    const shared = flags.share === true ? basename(resolve(source)) : flags.share;
    const { counts, total } = shared
      ? await shareSource(task, shared, flags.lease, console)
      : await indexSource(task, console);
    console.print(`${sentence(counts)}; ${total} in ${placeName(out)}`);
    if (flags.watch) {
      const later = await watchSource(task, console);
      console.print(`while watching: ${sentence(later)}`);
    } else console.print(`next: nearmiss search ${out} PICTURE`);
    return { store: placeName(out), ...counts, items: total };
  } finally {
    await embedder.close();
  }
}

function sentence({ added, updated, unchanged, removed, skipped }: IndexCounts): string {
  return `${added} added, ${updated} updated, ${unchanged} unchanged, ${removed} removed, ${skipped} skipped`;
}

function placeOf({ out, store }: IndexFlags): string {
  const given = [out, store].filter((place) => place !== undefined);
  if (given.length === 1) return given[0]!;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `--out: found ${given.length === 0 ? 'no store' : 'it with --store'}, allowed: one of --out FILE and --store PLACE`,
  );
}

async function checkFlags(
  { share, watch, prune, reembed, lease }: IndexFlags,
  out: string,
  source: string,
): Promise<void> {
  const refuse = (message: string): never => {
    throw new NearmissError('NM_OPTION_INVALID', message);
  };
  if (share === undefined && lease !== undefined) refuse('--lease: found without --share, allowed: with it');
  if (share !== undefined && !isPostgres(out))
    refuse(`--share: found ${out}, allowed: a store in PostgreSQL (--store postgres://…)`);
  if (share !== undefined && (prune || reembed || watch))
    refuse('--share: found with --prune, --reembed or --watch, allowed: by itself');
  if (share === undefined && !watch) return;
  const found = source === 'emoji' ? undefined : await stat(source).catch(() => undefined);
  if (!found?.isDirectory())
    refuse(`${share === undefined ? '--watch' : '--share'}: found ${source}, allowed: a folder of pictures`);
}
