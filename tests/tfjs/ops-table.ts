import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { install, uninstall } from '../../src/tfjs/index.js';

const HEAD = `# Kernels of tfjs's WASM backend, with and without \`install(tf)\`

Written by \`npm run docs:ops\` from tfjs's own registry; a test checks that it is up to date.

- **stock**: tfjs-backend-wasm ${tf.version_core} has a kernel of that name.
- **ours**: \`install(tf)\` registers one, in its place where there is a stock one. Our kernels leave to the stock ones
  what they do not take (int32, bool), so both may work behind one name.
- **gradient**: autodiff goes back through it. \`+\` are gradients that tfjs-core lacks; \`*\` are ours in the place of
  tfjs-core's on every backend, as those fail for some shapes or are slow. \`uninstall(tf)\` takes both back.
- **SIMD**: our kernels run in every tier (plain, relaxed, paired); stock ones in tfjs's plain SIMD build.

`;

/** The table of docs/tfjs-ops.md, from what is registered for the WASM backend before and after \`install(tf)\`. */
export async function opsTable(): Promise<string> {
  await tf.setBackend('wasm');
  // The first install brings tfjs-core's own gradients.
  await install(tf);
  uninstall(tf);
  const stock = new Map(tf.getKernelsForBackend('wasm').map((config) => [config.kernelName, config]));
  const names = new Set(stock.keys());

  await install(tf);
  const installed = new Map(tf.getKernelsForBackend('wasm').map((config) => [config.kernelName, config]));
  for (const name of installed.keys()) names.add(name);
  uninstall(tf);
  const gradients = new Map([...names].map((name) => [name, tf.getGradient(name)]));
  await install(tf);
  const rows = [...names].sort().map((name) => {
    const before = stock.has(name);
    const ours = installed.get(name) !== stock.get(name);
    const gradient = tf.getGradient(name);
    const known = gradients.get(name);
    const mark = !gradient ? '' : gradient === known ? 'yes' : known ? 'yes *' : 'yes +';
    return [name, before ? 'yes' : '', ours ? 'yes' : '', mark, ours ? 'plain, relaxed, paired' : 'plain'];
  });
  uninstall(tf);
  return HEAD + alignedTable(['kernel', 'stock', 'ours', 'gradient', 'SIMD'], rows);
}

/** A Markdown table whose columns line up, as the formatter wants it. */
function alignedTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`;
  return [head, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('');
}
