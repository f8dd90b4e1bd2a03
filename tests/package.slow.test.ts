import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const subpaths = Object.keys(manifest.exports).filter((path) => path !== './package.json' && !path.includes('*'));
const specifiers = subpaths.map((path) => `nearmiss${path.slice(1)}`);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let project = '';
let packed: { readonly filename: string; readonly size: number; readonly files: readonly { readonly path: string }[] };

/** A command in the project that has the package installed. */
async function command(file: string, args: readonly string[]): Promise<Ended> {
  // npm's own settings of `npm test` would reach an npx that users start without them.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  return run(file, [...args], { cwd: project, env, maxBuffer: 1 << 26 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  );
}

// What npm test has built is packed as it is, and installed once for all checks.
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'nearmiss-package-'));
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], {
    cwd: root,
  });
  packed = JSON.parse(stdout)[0];
  await writeFile(join(project, 'package.json'), '{"private": true}');
  // On Linux x64 the install script of onnxruntime-node fetches CUDA libraries from another host unless told not to.
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', packed.filename], {
    cwd: project,
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
}, 300_000);

afterAll(() => rm(project, { recursive: true, force: true }));

describe('the packed package', () => {
  it('holds what is built and documented, and neither sources nor tests', async () => {
    const megabytes = (packed.size / 1e6).toFixed(2);
    process.stdout.write(`${packed.filename}: ${megabytes} MB packed, ${packed.files.length} files\n`);
    const folders = (await readdir(join(root, 'src'), { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => `dist/${entry.name}/`);
    const allowed = [
      ...folders,
      'dist/wasm/',
      'docs/',
      'models/',
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'package.json',
    ];
    const paths = packed.files.map(({ path }) => path);
    expect(
      paths.filter(
        (path) => !allowed.some((start) => path.startsWith(start)) && !/^dist\/[a-z]+\.(d\.ts|js|js\.map)$/.test(path),
      ),
    ).toEqual([]);
    expect(paths.filter((path) => /\.ts$/.test(path) && !path.endsWith('.d.ts'))).toEqual([]);
    expect(paths.filter((path) => /(^|\/)(tests?|bench|node_modules)(\/|$)|\.(test|case)\./.test(path))).toEqual([]);
    expect(paths).toContain('dist/wasm/retrieval-relaxed.wasm');
    expect(packed.size).toBeLessThan(3e6);
  });

  it('holds every file that its exports and its command name', () => {
    const paths = new Set(packed.files.map(({ path }) => `./${path}`));
    // A condition may hold conditions of its own.
    const filesOf = (target: unknown): string[] =>
      typeof target === 'string' ? [target] : Object.values(target as object).flatMap(filesOf);
    const named = subpaths.flatMap((path) => filesOf(manifest.exports[path as '.']));
    expect([...named, `./${manifest.bin.nearmiss}`].filter((path) => !paths.has(path))).toEqual([]);
  });

  it('holds no path of the machine that built it', async () => {
    const installed = join(project, 'node_modules/nearmiss');
    const places = [root, homedir()].filter((place) => place.length > 1);
    for (const { path } of packed.files) {
      const text = await readFile(join(installed, path), 'latin1');
      for (const place of places) expect(text.includes(place), `${path} holds ${place}`).toBe(false);
    }
  });
});

describe('the installed package', () => {
  it('imports every subpath without output, globals or anything left running', async () => {
    const script = `
      const before = new Set(Reflect.ownKeys(globalThis).map(String));
      const listeners = process.eventNames().length;
      for (const specifier of ${JSON.stringify(specifiers)}) {
        const names = Object.keys(await import(specifier));
        if (names.length === 0) throw new Error(specifier + ' exports nothing');
      }
      // zod keeps its configuration there; tfjs would show itself as _tfengine.
      const added = Reflect.ownKeys(globalThis).map(String).filter((key) => !before.has(key) && !/^__zod_/.test(key));
      if (added.length > 0) throw new Error('new globals: ' + added);
      if (process.eventNames().length !== listeners) throw new Error('new listeners: ' + process.eventNames());
      // Files that the module loader has read are closed by now.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const running = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
      if (running.length > 0) throw new Error('left running: ' + running);`;
    expect(await command(process.execPath, ['--input-type=module', '--eval', script])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('has types for every subpath', async () => {
    const lines = specifiers.map((specifier, i) => `import * as m${i} from '${specifier}';\nvoid m${i};`);
    await writeFile(join(project, 'types.mts'), lines.join('\n'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck'];
    const roots = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'];
    const { code, stdout } = await command(process.execPath, [tsc, ...flags, ...roots, 'types.mts']);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('runs as `npx nearmiss`', async () => {
    const { code, stdout } = await command('npx', ['--no-install', 'nearmiss', '--version']);
    expect(stdout).toBe(`${manifest.version}\n`);
    expect(code).toBe(0);
  });

  it('says in `demo` which two packages to install where the emoji are missing, and writes nothing', async () => {
    const { code, stdout, stderr } = await command('npx', ['--no-install', 'nearmiss', 'demo', '--json']);
    expect(code).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe('NM_EMOJI_MISSING');
    expect(error.message).toContain('npm install emoji-datasource-google emoji-datasource-twitter');
    expect(error.hint).toContain('npm install emoji-datasource-google emoji-datasource-twitter');
    expect(stderr).toContain('NM_EMOJI_MISSING');
    await expect(stat(join(project, 'nearmiss-demo'))).rejects.toThrow('ENOENT');
  });

  it('has all it needs to work, by `doctor`', async () => {
    const { code, stdout } = await command('npx', ['--no-install', 'nearmiss', 'doctor', '--json']);
    expect(code).toBe(0);
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { what: string; found: string }[] };
    expect(findings.filter(({ what }) => what === 'emoji pictures')).toMatchObject([{ found: 'missing' }]);
    expect(ok, stdout).toBe(true);
  });
});
