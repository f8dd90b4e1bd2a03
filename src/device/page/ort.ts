import { INPUT_NAME, OUTPUT_NAME } from '../../onnx/interface.js';

/** What the page uses of onnxruntime-web, which is loaded from the bundle's folder `ort` and not a part of the page. */
interface Runtime {
  readonly env: { readonly wasm: { numThreads: number; wasmPaths: string } };
  readonly InferenceSession: {
    create(model: Uint8Array, options: { readonly executionProviders: readonly ['wasm'] }): Promise<Session>;
  };
  readonly Tensor: new (type: 'uint8', data: Uint8Array, shape: readonly number[]) => unknown;
}

interface Session {
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: Float32Array }>>>;
}

/**
 * Opens a model in onnxruntime-web, on one thread.
 *
 * @returns vectors [count, dim] of pictures uint8 [count, size, size, 3]
 */
export async function openOrtSession(
  model: Uint8Array,
  size: number,
): Promise<(pixels: Uint8Array) => Promise<Float32Array>> {
  const folder = new URL('ort/', location.href).href;
  const runtime = (await import(`${folder}ort.wasm.min.mjs`)) as Runtime;
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmPaths = folder;
  const session = await runtime.InferenceSession.create(model, { executionProviders: ['wasm'] });
  return async (pixels) => {
    const input = new runtime.Tensor('uint8', pixels, [pixels.length / (size * size * 3), size, size, 3]);
    return (await session.run({ [INPUT_NAME]: input }))[OUTPUT_NAME]!.data;
  };
}
