import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { PAIRED_RECIPE, SIMCLR_RECIPE } from '../../src/images/index.js';
import {
  defaultWorkers,
  parseTrainSettings,
  resolveTrainSettings,
  sameSettings,
  type TrainSettingsInput,
} from '../../src/train/settings.js';

const data = { kind: 'pictures', path: 'photos' } as const;

function refused(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof NearmissError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

describe('resolveTrainSettings', () => {
  it('fills in the defaults that the README names', () => {
    const settings = resolveTrainSettings({ data, workers: 1 }, 1280);
    expect(settings).toMatchObject({
      encoder: 'tiny-resnet',
      imageSize: 32,
      batch: 128,
      learningRate: 2e-3,
      weightDecay: 1e-6,
      optimiser: { kind: 'adam' },
      clip: 0,
      accumulate: 1,
      ema: 0,
      objective: { temperature: 0.5, weight: { beta: 2, tauPlus: 0 } },
      augment: SIMCLR_RECIPE,
      pool: 2,
      whiten: 256,
    });
  });

  it('augments pairs gently', () => {
    expect(resolveTrainSettings({ data: { kind: 'pairs', a: 'a', b: 'b' } }, 500).augment).toEqual(PAIRED_RECIPE);
  });

  it('turns epochs into steps, and leaves the steps of a time budget open', () => {
    expect(resolveTrainSettings({ data, epochs: 10, batch: 64 }, 640).steps).toBe(100);
    expect(resolveTrainSettings({ data, minutes: 3 }, 640).steps).toBe(0);
    expect(resolveTrainSettings({ data, minutes: 3, steps: 5 }, 640).steps).toBe(5);
  });

  it('gives settings that parse again to the same', () => {
    const settings = resolveTrainSettings({ data, steps: 7 }, 640);
    expect(parseTrainSettings(JSON.parse(JSON.stringify(settings)), 'settings.json')).toEqual(settings);
  });

  it('refuses unknown settings by name', () => {
    const { code, message } = refused(() => resolveTrainSettings({ data, temprature: 1 } as TrainSettingsInput, 640));
    expect(code).toBe('NM_OPTION_UNKNOWN');
    expect(message).toContain('temprature');
    expect(message).toContain('learningRate');
  });

  const wrong: readonly [Record<string, unknown>, string][] = [
    [{ imageSize: 40 }, 'allowed: 32, 48, 64, 96'],
    [{ pool: 3 }, 'allowed: 1, 2'],
    [{ encoder: 'resnet-50' }, 'tiny-resnet'],
    [{ batch: 1 }, 'batch: found 1'],
    [{ batch: 128.5 }, 'batch: found 128.5'],
    [{ learningRate: 0 }, 'learningRate: found 0'],
    [{ learningRate: '1' }, 'learningRate: found "1"'],
    [{ workers: 3 }, 'allowed: a divisor of the batch (1, 2, 4'],
    [{ seed: -1 }, 'seed: found -1'],
    [{ objective: { temperature: 0 } }, 'temperature: found 0'],
    [{ augment: { cropScale: [1, 2] } }, 'cropScale'],
    [{ data: { kind: 'pictures' } }, 'data.path'],
    [{ steps: 0 }, 'neither steps nor minutes'],
  ];
  for (const [change, text] of wrong) {
    it(`refuses ${JSON.stringify(change)}, saying what is allowed`, () => {
      const { code, message } = refused(() => resolveTrainSettings({ data, ...change } as TrainSettingsInput, 640));
      expect(['NM_OPTION_INVALID', 'NM_OPTION_UNKNOWN']).toContain(code);
      expect(message).toContain(text);
    });
  }
});

describe('sameSettings', () => {
  it('compares a time budget by its minutes', () => {
    const timed = resolveTrainSettings({ data, minutes: 3 }, 640);
    expect(sameSettings(timed, { ...timed, steps: 812 })).toBe(true);
    expect(sameSettings(timed, { ...timed, minutes: 4 })).toBe(false);
  });

  it('tells seeds and objectives apart', () => {
    const settings = resolveTrainSettings({ data }, 640);
    expect(sameSettings(settings, { ...settings })).toBe(true);
    expect(sameSettings(settings, { ...settings, seed: 1 })).toBe(false);
    expect(sameSettings(settings, { ...settings, objective: { temperature: 0.1 } })).toBe(false);
  });
});

describe('defaultWorkers', () => {
  it('divides the batch', () => {
    for (const batch of [2, 7, 9, 128]) expect(batch % defaultWorkers(batch)).toBe(0);
  });
});

describe('syncBatchNorm', () => {
  it('is off by default, and refused for encoders whose norms cannot share statistics', () => {
    expect(resolveTrainSettings({ data, workers: 1 }, 1280).syncBatchNorm).toBe(false);
    expect(resolveTrainSettings({ data, workers: 1, syncBatchNorm: true }, 1280).syncBatchNorm).toBe(true);
    expect(() => resolveTrainSettings({ data, workers: 1, method: 'cmc', syncBatchNorm: true }, 1280)).toThrow(
      expect.objectContaining({
        code: 'NM_OPTION_INVALID',
        message: expect.stringContaining('syncBatchNorm: found true for encoder'),
      }),
    );
  });
});
