import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

/** Packages that a command's file loads: `now` at its import, `later` by its actions. */
async function packagesOf(file: string): Promise<{ now: string[]; later: string[] }> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../../src/cli/${file}.ts`, import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    splitting: true,
    outdir: 'unwritten',
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
  });
  const now = new Set<string>();
  const later = new Set<string>();
  const visit = (output: string, found: Set<string>): void => {
    for (const { path, kind, external } of metafile.outputs[output]!.imports) {
      const set = kind === 'dynamic-import' ? later : found;
      if (external) set.add(path);
      else if (!seen.has(path)) {
        seen.add(path);
        visit(path, set);
      }
    }
  };
  const seen = new Set<string>();
  const [entry] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(`/${file}.ts`))!;
  visit(entry, now);
  const packages = (set: Set<string>): string[] => [...set].filter((path) => !path.startsWith('node:')).sort();
  return { now: packages(now), later: packages(later) };
}

describe('loading', () => {
  it('of the program takes commander alone: --version and --help are quick', async () => {
    expect((await packagesOf('main')).now).toEqual(['commander']);
  });

  it.each(['search', 'index-command', 'eval'])('of %s never reaches tfjs', async (file) => {
    const { now, later } = await packagesOf(file);
    expect([...now, ...later].filter((path) => path.includes('tensorflow'))).toEqual([]);
    // Native libraries wait until they are needed.
    expect(now).not.toContain('sharp');
    expect(now).not.toContain('onnxruntime-node');
    expect(later).toContain('onnxruntime-node');
  });

  it('of train leaves tfjs to the worker threads', async () => {
    const { now, later } = await packagesOf('train');
    expect([...now, ...later].filter((path) => path.includes('tensorflow'))).toEqual([]);
    const worker = readFileSync(new URL('../../src/train/worker.ts', import.meta.url), 'utf8');
    expect(worker).toContain("from '@tensorflow/tfjs-core'");
  });
});
