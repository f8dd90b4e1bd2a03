import { appendFile, open, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../files.js';

/** One line of a run's history. */
export type HistoryLine =
  | {
      readonly type: 'step';
      readonly step: number;
      readonly loss: number;
      readonly positiveSimilarity: number;
      readonly learningRate: number;
    }
  | { readonly type: 'evaluation'; readonly step: number; readonly metrics: Readonly<Record<string, number>> };

/** Appends lines (JSON lines) and flushes them to the disk. */
export async function appendHistory(path: string, lines: readonly HistoryLine[]): Promise<void> {
  if (lines.length === 0) return;
  await appendFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** All whole lines of a history; a line that a crash cut short is left out, a missing file is an empty history. */
export async function readHistory(path: string): Promise<HistoryLine[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines: HistoryLine[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      lines.push(JSON.parse(line) as HistoryLine);
    } catch {
      break;
    }
  }
  return lines;
}

/** Drops what lies after a checkpoint that took `steps` steps, so that a resumed run writes it again; returns what is kept. */
export async function rewindHistory(path: string, steps: number): Promise<HistoryLine[]> {
  const kept = (await readHistory(path)).filter((line) =>
    line.type === 'step' ? line.step < steps : line.step <= steps,
  );
  await writeFileAtomic(path, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return kept;
}
