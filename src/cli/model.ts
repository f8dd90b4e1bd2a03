import { stat } from 'node:fs/promises';
import { createEmbedder, type Embedder, encoderToOnnx, LICENCE_UNKNOWN, type ModelCardDetails } from '../onnx/index.js';
import { type Run, readRun, trainedEncoder } from '../train/index.js';
import { version } from './version.js';

/** What a run's model card says about where the weights come from. */
export function cardDetails(run: Run, metrics?: Readonly<Record<string, number>>): ModelCardDetails {
  const { settings, checkpoint } = run;
  const { data, objective } = settings;
  const description = {
    emoji: 'emoji, paired sources: Noto (Apache-2.0) and Twemoji (CC-BY 4.0)',
    pairs: 'paired pictures of two sources',
    pictures: 'unlabelled pictures',
  }[data.kind];
  return {
    name: `${settings.encoder} ${settings.imageSize}x${settings.imageSize}`,
    version,
    training: {
      objective: JSON.stringify(objective),
      settings: {
        method: settings.method,
        steps: checkpoint.step,
        batch: settings.batch,
        learningRate: settings.learningRate,
        weightDecay: settings.weightDecay,
        augment: JSON.stringify(settings.augment),
        seed: settings.seed,
        workers: settings.workers,
      },
    },
    data: { description },
    ...(data.kind !== 'emoji' && data.fit !== undefined ? { fit: data.fit } : {}),
    ...(metrics ? { metrics } : {}),
    createdBy: `nearmiss ${version}`,
    licence: LICENCE_UNKNOWN,
  };
}

/** The encoder of a run's folder or of an .onnx file, on onnxruntime either way. */
export async function openEncoder(path: string): Promise<Embedder> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return createEmbedder(path);
  const run = await readRun(path);
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const bytes = encoderToOnnx({ graph, weights, size, readout: readOut, card: cardDetails(run) });
  return createEmbedder(bytes, { name: path });
}
