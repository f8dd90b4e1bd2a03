import type { Objective } from '../negatives/index.js';
import { createEmbedder, type Embedder, encoderToOnnx } from '../onnx/index.js';
import type { ReportData, ResultRow } from '../report/index.js';
import { gatherPictures, type Run, type TrainingData, trainedEncoder } from '../train/index.js';
import {
  type Baselines,
  measureBaselines,
  type PairedQuality,
  type PairedQuestion,
  pairedQuality,
} from './comparison.js';
import { percent, table } from './console.js';
import { cardDetails } from './model.js';
import { RECORDED_NTXENT } from './recorded.js';

/** What a run reached, beside what it has to beat. */
export interface Comparison extends PairedQuality {
  readonly baselines: Baselines;
  /** NT-Xent at the same temperature and settings; measured in this run when it was asked for. */
  readonly ntxent?: PairedQuality;
  readonly objective: string;
  readonly steps: number;
}

/** Embeds the question's pictures with the exported encoder and ranks them, with all baselines. */
export async function compareWithBaselines(
  run: Run,
  data: TrainingData,
  question: PairedQuestion,
  ntxent?: PairedQuality,
): Promise<Comparison> {
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const bytes = encoderToOnnx({ graph, weights, size, readout: readOut, card: cardDetails(run) });
  const embedder = await createEmbedder(bytes, { name: run.folder });
  try {
    return {
      ...(await askEncoder(embedder, question)),
      baselines: await measureBaselines(question, run.settings, data),
      ...(ntxent ? { ntxent } : {}),
      objective: objectiveName(run.settings.objective),
      steps: run.checkpoint.step,
    };
  } finally {
    await embedder.close();
  }
}

/** Recall of an exported encoder. */
export async function askEncoder(embedder: Embedder, question: PairedQuestion): Promise<PairedQuality> {
  const { gallery, queries, heldOut } = question;
  const g = await embedder.embed(gallery.data);
  const q = await embedder.embed(gatherPictures(queries, heldOut));
  return pairedQuality(g, q, embedder.dim, heldOut);
}

/** `HCL τ 0.5 β 2`, for people. */
export function objectiveName({ temperature, select, weight }: Objective): string {
  const number = (setting: unknown): string => (typeof setting === 'number' ? String(setting) : 'annealed');
  const parts = [`τ ${number(temperature)}`];
  if (select?.kind === 'ring') parts.push(`ring ${number(select.inner)} to ${number(select.outer)}`);
  if (weight?.beta) parts.push(`β ${number(weight.beta)}`);
  if (weight?.tauPlus) parts.push(`τ⁺ ${number(weight.tauPlus)}`);
  const name = select?.kind === 'ring' ? 'ring' : weight?.beta ? 'HCL' : weight?.tauPlus ? 'debiased' : 'NT-Xent';
  return `${name} ${parts.join(' ')}`;
}

/** The rows that the demo's table and the report share. */
function rowsOf(comparison: Comparison, gallery: keyof PairedQuality): (ResultRow & { readonly note: string })[] {
  const { baselines, ntxent } = comparison;
  const row = (name: string, quality: PairedQuality, note: string): ResultRow & { note: string } => {
    const { recallAt1, recallAt5, mrr } = quality[gallery];
    return { name, recallAt1, recallAt5, mrr, note };
  };
  const recorded = RECORDED_NTXENT[gallery];
  return [
    row('untrained encoder', baselines.untrained, 'fresh weights, average pooling'),
    row('raw pixels', baselines.rawPixels, '16x16, centred, cosine'),
    row('untrained encoder, same read-out', baselines.untrainedReadOut, 'whitened on the training pairs'),
    row('linear model', baselines.linear, 'pixels, whitened on the training pairs'),
    ntxent
      ? row('NT-Xent τ 0.5', ntxent, 'trained now, same settings and read-out')
      : { name: 'NT-Xent τ 0.5', ...recorded, note: RECORDED_NTXENT.note },
    { ...row(`nearmiss: ${comparison.objective}`, comparison, `${comparison.steps} steps, exported`), own: true },
  ];
}

/** The comparison as text. */
export function resultText(comparison: Comparison, question: PairedQuestion): string {
  const part = (title: string, gallery: keyof PairedQuality): string => {
    const rows = rowsOf(comparison, gallery).map(({ name, recallAt1, recallAt5, mrr, note }) => [
      name,
      percent(recallAt1),
      percent(recallAt5),
      mrr.toFixed(3),
      note,
    ]);
    return `${title}\n${table(['', 'recall@1', 'recall@5', 'MRR', 'how'], rows)}`;
  };
  const queries = question.heldOut.length;
  return [
    part(`${queries} unseen queries against the ${queries} unseen pictures`, 'heldOut'),
    part(`${queries} unseen queries against all ${question.gallery.count} pictures`, 'all'),
  ].join('\n\n');
}

/** The comparison as the report's tables. */
export function resultTables(
  comparison: Comparison,
  question: PairedQuestion,
): Pick<ReportData, 'results' | 'resultsNote'> {
  const { heldOut } = comparison;
  return {
    results: [
      {
        title: 'Held-out gallery',
        detail: `${heldOut.queries} unseen queries, ${heldOut.queries} unseen pictures`,
        rows: rowsOf(comparison, 'heldOut'),
      },
      {
        title: 'All pictures',
        detail: `${heldOut.queries} unseen queries, ${question.gallery.count} pictures`,
        rows: rowsOf(comparison, 'all'),
      },
    ],
    ...(comparison.ntxent ? {} : { resultsNote: `NT-Xent: ${RECORDED_NTXENT.note}.` }),
  };
}
