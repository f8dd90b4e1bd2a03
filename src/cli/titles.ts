import type { TrainingData } from '../train/index.js';

/** What a row is called: its title, or the name of the first source's file. */
export function titleOf(data: TrainingData, row: number): string {
  return data.titles?.[row] ?? data.sources[0].names[row] ?? String(row);
}
