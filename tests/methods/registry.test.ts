import { describe, expect, it } from 'vitest';
import { ENCODER_NAMES } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { METHODS, methodByName, resolveMethodOptions } from '../../src/methods/index.js';
import { hcl, instance, moco, ntxent, parseObjective, ring, supcon } from '../../src/negatives/index.js';
import { resolveTrainSettings, type TrainSettings, type TrainSettingsInput } from '../../src/train/settings.js';

const resolve = (input: Omit<TrainSettingsInput, 'data'>): TrainSettings =>
  resolveTrainSettings({ data: { kind: 'emoji' }, batch: 128, workers: 1, ...input }, 1000);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NearmissError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe.each(METHODS)('method $name', (method) => {
  it('trains with its name alone', () => {
    const settings = resolve({ method: method.name });
    expect(settings.method).toBe(method.name);
    expect(ENCODER_NAMES).toContain(settings.encoder);
    expect(settings.objective.candidates?.kind ?? 'batch').toBe(method.candidates.kind);
    expect(settings.objective.positives ?? 'views').toBe(method.positives);
    expect(Object.keys(settings.methodOptions)).toEqual(Object.keys(method.options));
  });

  it('has settings that JSON keeps', () => {
    const settings = resolve({ method: method.name });
    expect(resolve(JSON.parse(JSON.stringify(settings)))).toEqual(settings);
  });

  it('keeps its options within their ranges', () => {
    for (const [name, option] of Object.entries(method.options)) {
      expect(resolveMethodOptions(method, { [name]: option.from }, 'test')[name]).toBe(option.from);
      for (const wrong of [option.below, option.from - 0.1, Number.NaN]) {
        expect(refusal(() => resolve({ method: method.name, methodOptions: { [name]: wrong } }))).toMatch(
          new RegExp(`^NM_OPTION_INVALID .*methodOptions.*${name}`),
        );
      }
    }
    expect(refusal(() => resolve({ method: method.name, methodOptions: { beta: 1 } }))).toMatch(
      /^NM_OPTION_UNKNOWN .*found 'beta'/,
    );
  });
});

describe('methods and objectives', () => {
  it('an objective that does not say takes the candidates and positives of the method', () => {
    expect(resolve({ method: 'moco', objective: hcl() }).objective.candidates).toEqual({
      kind: 'queue',
      capacity: 4096,
    });
    expect(resolve({ method: 'cmc', objective: ring() }).objective.candidates).toEqual({ kind: 'bank', draws: 4096 });
    expect(resolve({ method: 'supervised', objective: ntxent() }).objective.positives).toBe('labels');
    expect(resolve({ objective: ntxent() }).objective).toEqual(ntxent());
  });

  it('candidates of another method are refused', () => {
    expect(refusal(() => resolve({ method: 'simclr', objective: moco() }))).toBe(
      'NM_OPTION_INVALID settings: objective.candidates.kind: found queue, allowed: batch with method simclr',
    );
    expect(refusal(() => resolve({ method: 'moco', objective: instance() }))).toContain('found bank, allowed: queue');
    expect(refusal(() => resolve({ method: 'simclr', objective: supcon() }))).toContain(
      'objective.positives: found labels, allowed: views with method simclr',
    );
  });

  it('a queue shorter than a batch is refused', () => {
    expect(refusal(() => resolve({ method: 'moco', objective: moco({ capacity: 127 }) }))).toBe(
      'NM_OPTION_INVALID settings: objective.candidates.capacity: found 127, allowed: at least a batch, 128',
    );
    expect(resolve({ method: 'moco', objective: moco({ capacity: 128 }) }).steps).toBeGreaterThan(0);
  });

  it('a temperature that is not above 0 is refused at every step of its schedule', () => {
    const falling = { temperature: { schedule: 'linear', from: 0.5, to: 0 } } as const;
    expect(refusal(() => parseObjective(falling))).toMatch(/^NM_OPTION_INVALID temperature: found 0, allowed: above 0/);
  });

  it('an encoder of other parts is refused', () => {
    expect(refusal(() => resolve({ method: 'cmc', encoder: 'tiny-resnet' }))).toContain("encoder: found 'tiny-resnet'");
    expect(refusal(() => resolve({ encoder: 'tiny-resnet-lab' }))).toContain(
      'an encoder of one part with method simclr',
    );
  });

  it('an unknown method is refused with those that there are', () => {
    expect(refusal(() => methodByName('byol'))).toBe(
      "NM_OPTION_INVALID method: found 'byol', allowed: simclr, moco, instance, cmc, supervised",
    );
  });

  it('colours stay as they are where colour against lightness is what is learned', () => {
    const { augment } = resolve({ method: 'cmc' });
    expect([augment.grayscale, augment.jitter.probability]).toEqual([0, 0]);
  });
});
