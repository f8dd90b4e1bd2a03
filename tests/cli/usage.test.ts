import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { fail, nearmiss, spawnNearmiss } from './nearmiss.js';

const COMMANDS = [
  'train',
  'eval',
  'study',
  'export',
  'index',
  'search',
  'delete',
  'stats',
  'compact',
  'import',
  'export-items',
  'export-index',
  'serve',
  'report',
  'demo',
  'doctor',
];

/** The options that the examples of a help text use. */
function exampleOptions(help: string): string[] {
  return help.slice(help.indexOf('Examples:')).match(/--[a-z][a-z0-9-]*/g) ?? [];
}

const before = process.cwd();
let cwd = '';

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'nearmiss-usage-'));
  process.chdir(cwd);
  await writeFile(join(cwd, 'typo.json'), '{"temprature": 0.1}');
  await writeFile(join(cwd, 'wrong.json'), '{"batch": "many"}');
  await writeFile(join(cwd, 'broken.json'), '{"batch": 12');
  await writeFile(join(cwd, 'list.json'), '[1, 2]');
});

afterAll(async () => {
  process.chdir(before);
  await rm(cwd, { recursive: true });
});

/** Wrong usage, and what the message must name: what was found and what is allowed. */
const WRONG: readonly (readonly [string, readonly string[]])[] = [
  ['embed photos', ["unknown command 'embed'"]],
  ['--verbose', ["unknown option '--verbose'"]],

  ['train photos', ["required option '--out <folder>'"]],
  ['train --out run', ['DATA: found 0 sources', 'allowed: one']],
  ['train a b --out run', ['DATA: found 2 sources', 'allowed: one (or --pair with two)']],
  ['train --pair a --out run', ['--pair: found 1', 'allowed: DIR_A DIR_B']],
  ['train --pair a b c --out run', ['--pair: found 3', 'allowed: DIR_A DIR_B']],
  ['train a --out run --temprature 1', ["unknown option '--temprature'"]],
  ['train a --out run --image-size 40', ['--image-size', "Found '40'", '32, 48, 64, 96']],
  ['train a --out run --encoder resnet50', ['--encoder', "Found 'resnet50'", 'tiny-resnet, tiny-mobile']],
  ['train a --out run --method byol', ['--method', "Found 'byol'", 'simclr']],
  ['train a --out run --objective triplet', ['--objective', "Found 'triplet'", 'ntxent, debiased, hcl, ring']],
  ['train a --out run --method-option momentum', ['--method-option', "Found 'momentum'", 'name=number']],
  ['train a --out run --method moco --queue 64', ['candidates.capacity: found 64', 'at least a batch, 128']],
  ['train a --out run --beta linear:0:2:3', ['--beta', "Found 'linear:0:2:3'", 'until: found 3']],
  ['train a --out run --queue 512', ['candidates.kind: found queue', 'batch with method simclr']],
  ['train a --out run --method cmc --encoder tiny-resnet', ["encoder: found 'tiny-resnet'", 'two parts']],
  ['train a --out run --mix 8,4', ['--mix', "Found '8,4'", 'three whole numbers']],
  ['train a --out run --temperature 0', ['--temperature', "Found '0'", 'above 0']],
  ['train a --out run --beta x', ['--beta', "Found 'x'", 'a number from 0, or a schedule']],
  ['train a --out run --ring 0.5,0.1', ['--ring', "Found '0.5,0.1'", 'inner < outer']],
  ['train a --out run --objective ntxent --beta 2', ['--beta: found with --objective ntxent']],
  ['train a --out run --ring 0.1,0.5', ['--ring: found with the default objective, hcl']],
  ['train a --out run --augment heavy', ["--augment: found 'heavy'", 'photo', '.json']],
  ['train a --out run --batch 1', ['--batch', "Found '1'", 'from 2']],
  [
    'train a --out run --batch 9 --workers 2',
    ['workers: found 2 workers for a batch of 9', 'divisor of the batch (1, 3'],
  ],
  ['train a --out run --steps 0', ['--steps', "Found '0'", 'from 1']],
  ['train a --out run --pool 3', ['--pool', "Found '3'", '1, 2']],
  ['train a --out run --seed -1', ['--seed', "Found '-1'", 'from 0 to 4294967295']],
  ['train a --out run --config typo.json', ["typo.json: found 'temprature'", 'allowed: data, encoder, imageSize']],
  ['train a --out run --config wrong.json', ['wrong.json: batch: found "many"', 'number']],
  ['train a --out run --config broken.json', ['broken.json: found text that is not JSON']],
  ['train a --out run --config list.json', ['list.json: found no object', 'allowed']],
  ['train a --out run --config none.json', ['none.json: cannot be read', 'ENOENT']],
  ['train --out run --resume --steps 5', ['--resume: found --steps', 'allowed: --out alone']],
  ['train photos --out run --resume', ['--resume: found photos', 'allowed: --out alone']],

  ['eval run', ['--data: found none', 'emoji']],
  ['eval --data photos', ["missing required argument 'model'"]],
  ['eval run --data photos --k 0', ['--k', "Found '0'", 'from 1']],
  ['export run', ["required option '--out <file>'"]],
  ['export --out m.onnx', ["missing required argument 'source'"]],
  ['export run --out m.onnx --int8', ['--int8: found without --calibrate']],
  ['export run --out m.onnx --calibrate photos', ['--calibrate: found without --int8']],
  ['export run --out m.onnx --s8s8', ['--s8s8: found without --int8']],
  ['export run --out m.onnx --int8 --calibrate photos --max-loss 101', ['--max-loss', "Found '101'", 'from 0 to 100']],
  [
    'export run --out m.onnx --int8 --calibrate photos --s8s8 --reduce-range',
    ['--reduce-range: found with --s8s8', 'allowed: one of them'],
  ],
  ['index m.onnx photos', ['--out: found no store', 'allowed: one of --out FILE and --store PLACE']],
  ['index m.onnx photos --out s.db --store t.db', ['--out: found it with --store']],
  ['index m.onnx photos --out s.db --share', ['--share: found s.db', 'allowed: a store in PostgreSQL']],
  ['index m.onnx photos --out s.db --lease 5', ['--lease: found without --share']],
  ['index m.onnx photos --store postgres://h/d --share --prune', ['--share: found with --prune']],
  ['index m.onnx photos.zip --out s.db --watch', ['--watch: found photos.zip', 'allowed: a folder of pictures']],
  ['index m.onnx --out s.db', ["missing required argument 'data'"]],
  ['search s.db', ['found no query', 'allowed: pictures, --id or --vector']],
  ['delete s.db', ["missing required argument 'ids'"]],
  ['export-index s.db', ["required option '--out <file>'"]],
  ['export-items s.db --out a.csv --format csv', ['--format', "Found 'csv'", 'jsonl, npy, safetensors']],
  ['import a.npy', ["required option '--store <place>'"]],
  ['import a.npy --store s.db --metric l1', ['--metric', "Found 'l1'", 'cosine, inner-product, l2']],
  ['search s.db a.png -k 1001', ['-k', "Found '1001'", 'from 1 to 1000']],
  ['serve', ['found no store', 'allowed: nearmiss serve STORE']],
  ['serve s.db --port 99999', ['--port', "Found '99999'", 'from 0 to 65535']],
  ['serve s.db --make-token admin', ['--make-token', "Found 'admin'", 'read, write']],
  ['serve s.db --max-k 0', ['--max-k', "Found '0'", 'from 1']],
  ['report', ["missing required argument 'run'"]],
  ['report run --format pdf', ["unknown option '--format'"]],
  ['demo photos', ["too many arguments for 'demo'"]],
  ['demo --full --short', ['--full: found with --short', 'allowed: one of them']],
  ['doctor --fix', ["unknown option '--fix'"]],
];

describe('wrong usage', () => {
  it.each(WRONG)('`nearmiss %s` ends with code 2 and says what is allowed', async (line, named) => {
    const { code, message } = await fail(2, line.split(' ').filter(Boolean));
    expect(code).toBe(line.includes('typo.json') ? 'NM_OPTION_UNKNOWN' : 'NM_OPTION_INVALID');
    for (const part of named) expect(message).toContain(part);
  });

  it('leaves nothing behind', async () => {
    expect((await readdir(cwd)).sort()).toEqual(['broken.json', 'list.json', 'typo.json', 'wrong.json']);
  });

  it('without a command shows the overview on stderr', async () => {
    const ended = await spawnNearmiss([]);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('Usage: nearmiss');
  });

  it('writes nothing to stdout without --json', async () => {
    for (const args of [
      ['train', 'photos'],
      ['train', '--out', 'run'],
      ['train', '--out', 'run', 'x', '--pool', '5'],
    ]) {
      const ended = await nearmiss(args);
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toContain('--help');
    }
  });
});

describe('help', () => {
  it('lists every command', async () => {
    const { code, stdout } = await nearmiss(['--help']);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it.each(COMMANDS)('of %s has its description, examples, --json and --seed', async (name) => {
    const { code, stdout } = await nearmiss([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: nearmiss ${name} `));
    expect(stdout).toMatch(/^[a-z].{30,}/m);
    expect(stdout).toMatch(new RegExp(`^Examples:\n  \\$ nearmiss ${name}`, 'm'));
    for (const option of exampleOptions(stdout)) expect(stdout).toMatch(new RegExp(`^  (-., )?${option}\\b`, 'm'));
    expect(stdout).toContain('--json');
    expect(stdout).toContain('--seed <integer>');
  });

  it('is the same by `nearmiss help`', async () => {
    const own = await nearmiss(['search', '--help']);
    expect(await nearmiss(['help', 'search'])).toEqual(own);
  });
});

describe('version', () => {
  it("is the package's", async () => {
    expect(await spawnNearmiss(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});
