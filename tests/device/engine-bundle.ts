import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface EngineBundle {
  readonly text: string;
  /** Files that are in it, of this checkout. */
  readonly files: readonly string[];
}

/** `nearmiss/device` as a page's bundler sees it: no alias, no define, nothing marked external. */
export async function bundleEngine(contents: string): Promise<EngineBundle> {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: `${root}src/device`, loader: 'ts' },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join('\n'));
  const [output] = Object.values(metafile.outputs);
  return { text: outputFiles[0]!.text, files: Object.keys(output!.inputs) };
}
