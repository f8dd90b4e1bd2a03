import type { Fit } from '../../images/resize.js';
import type { ModelCard } from '../../onnx/card.js';
import { decodeModel } from '../../onnx/model.js';
import { fingerprint } from '../../onnx/seal.js';
import { readModelCard } from '../card.js';
import type { DeviceConfig } from '../device-config.js';
import { openDeviceEncoder } from '../encoder.js';
import type { LocalEncoder } from '../local-index.js';
import { openOrtSession } from './ort.js';

/** The encoder of a page, whichever engine runs it. */
export interface PageEncoder extends LocalEncoder {
  readonly fit: Fit;
  /** For people: its name and precision. */
  readonly words: string;
}

const MODEL = 'encoder.onnx';
const KERNELS = { plain: 'device-plain.wasm', relaxed: 'device-relaxed.wasm' } as const;

/** Opens the encoder of a bundle in our own engine or, where the bundle was made so, in onnxruntime-web. */
export async function openPageEncoder(
  engine: DeviceConfig['engine'],
  model: Uint8Array<ArrayBuffer>,
): Promise<PageEncoder> {
  if (engine === 'own') {
    const encoder = await openDeviceEncoder(model, { kernels: KERNELS, name: MODEL });
    return { ...about(encoder.card), fingerprint: encoder.fingerprint, embed: (pixels) => encoder.embed(pixels) };
  }
  const fields = about(readModelCard(decodeModel(model, MODEL), MODEL));
  return { ...fields, fingerprint: fingerprint(model), embed: await openOrtSession(model, fields.size) };
}

function about(card: ModelCard): Omit<PageEncoder, 'fingerprint' | 'embed'> {
  const { name, dim, inputSize, fit = 'pad', precision = 'float32' } = card;
  return { dim, size: inputSize, fit, words: `${name}, ${precision}` };
}
