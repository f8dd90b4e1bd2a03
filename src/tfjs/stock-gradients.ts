/**
 * Registers the gradients that ship with tfjs-core where they are not registered yet. The union package
 * `@tensorflow/tfjs` does so by itself; tfjs-core alone does not, and in Node its file for it cannot be imported
 * (ESM text in a CommonJS package), so the build bundles that file. Registries are global: the bundle's copy of
 * tfjs-core serves the running one. The path is written out for the sake of bundlers.
 */
export async function registerStockGradients(getGradient: (name: string) => unknown): Promise<void> {
  if (getGradient('RealDiv') !== undefined && getGradient('Conv2D') !== undefined) return;
  await import('../../dist/tfjs/tfjs-core-gradients.js');
}
