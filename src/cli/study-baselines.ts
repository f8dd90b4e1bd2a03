import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answerQuestion, type Question, type Representation } from '../evaluate/index.js';
import { writeFileAtomic } from '../files.js';
import type { TrainSettings } from '../train/index.js';
import type { Console } from './console.js';
import { simpleBaselines, typicalPictures, withUntrained } from './representations.js';
import type { Answers } from './study-run.js';
import type { Study } from './study-settings.js';
import type { BaselineResult } from './study-summary.js';

/**
 * What needs no training, on the questions of a study: pixels, colours, and the reference's encoder with fresh weights
 * for each seed. Measured once and kept in the study's folder.
 */
export async function studyBaselines(options: {
  readonly study: Study;
  /** Of the reference method. */
  readonly settings: TrainSettings;
  readonly questions: readonly Question[];
  readonly out: string;
  readonly console: Console;
}): Promise<readonly BaselineResult[]> {
  const { study, settings, questions, out, console } = options;
  const { encoder, imageSize: size } = settings;
  const depends = JSON.stringify([study.evaluate, encoder, size, study.seeds]);
  const file = join(
    out,
    'results',
    `baselines-${createHash('sha256').update(depends).digest('hex').slice(0, 10)}.json`,
  );
  const stored = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (stored !== undefined) return JSON.parse(stored) as BaselineResult[];

  const ask = async (representation: Representation, seed: number): Promise<Answers> => {
    const answers: Record<string, Answers[string]> = {};
    for (const question of questions) {
      console.signal.throwIfAborted();
      console.progress(`baselines: ${representation.name}`);
      answers[question.name] = (await answerQuestion(question, representation, { ...study.evaluate, seed })).measures;
    }
    return answers;
  };
  const results: BaselineResult[] = [];
  for (const representation of Object.values(simpleBaselines(size))) {
    const { name, note } = representation;
    results.push({ name, note, answers: [await ask(representation, study.seeds[0]!)] });
  }
  const fresh: Answers[] = [];
  const calibrate = typicalPictures(questions[0]!);
  for (const seed of study.seeds) {
    fresh.push(await withUntrained({ size, encoder, seed, calibrate }, (representation) => ask(representation, seed)));
  }
  results.push({ name: 'untrained encoder', note: `${encoder}, average pooling`, answers: fresh });
  await mkdir(join(out, 'results'), { recursive: true });
  await writeFileAtomic(file, `${JSON.stringify(results, null, 1)}\n`);
  return results;
}
