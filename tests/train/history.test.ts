import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendHistory, type HistoryLine, readHistory, rewindHistory } from '../../src/train/history.js';

let folder = '';
const step = (at: number): HistoryLine => ({
  type: 'step',
  step: at,
  loss: 1 / (at + 1),
  positiveSimilarity: 0.5,
  learningRate: 0.001,
});
const evaluation = (at: number): HistoryLine => ({ type: 'evaluation', step: at, metrics: { recallAt1: 0.25 } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-history-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('history', () => {
  it('is empty where there is no file', async () => {
    expect(await readHistory(join(folder, 'none.jsonl'))).toEqual([]);
  });

  it('gives back what was appended, in order', async () => {
    const path = join(folder, 'a.jsonl');
    await appendHistory(path, [step(0), step(1)]);
    await appendHistory(path, []);
    await appendHistory(path, [evaluation(2), step(2)]);
    expect(await readHistory(path)).toEqual([step(0), step(1), evaluation(2), step(2)]);
  });

  it('leaves out a line that a crash cut short', async () => {
    const path = join(folder, 'b.jsonl');
    await appendHistory(path, [step(0)]);
    await appendFile(path, '{"type":"step","st');
    expect(await readHistory(path)).toEqual([step(0)]);
  });

  it('drops steps that a checkpoint does not hold, and keeps the evaluation made at it', async () => {
    const path = join(folder, 'c.jsonl');
    await appendHistory(path, [step(0), step(1), evaluation(2), step(2), evaluation(3)]);
    await rewindHistory(path, 2);
    expect(await readHistory(path)).toEqual([step(0), step(1), evaluation(2)]);
  });
});
