import { describe, expect, it } from 'vitest';
import { slug, studyTasks } from '../../src/cli/study-run.js';
import { parseStudy } from '../../src/cli/study-settings.js';
import { NearmissError } from '../../src/errors.js';

const study = (): Record<string, unknown> => ({
  data: { kind: 'pictures', path: 'train' },
  settings: { workers: 1 },
  budget: { steps: 5 },
  seeds: 2,
  methods: [
    { name: 'a', settings: { objective: { temperature: 0.5 } } },
    { name: 'b', settings: { objective: { temperature: 0.2 } } },
  ],
  evaluate: { data: 'test', train: 'train', fewLabels: [1, 10] },
});

function refused(change: Record<string, unknown>): { code: string; message: string } {
  try {
    parseStudy({ ...study(), ...change }, '/x/study.json');
  } catch (error) {
    if (error instanceof NearmissError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

describe('parseStudy', () => {
  it('fills in defaults, counts seeds out and makes paths absolute from the file', () => {
    const parsed = parseStudy(study(), '/x/study.json');
    expect(parsed).toMatchObject({
      data: { path: '/x/train' },
      seeds: [0, 1],
      evaluate: { data: '/x/test', train: '/x/train', fewLabels: [0.01, 0.1] },
      readOuts: ['run'],
      compare: { reference: 'a' },
    });
    expect(parseStudy({ ...study(), evaluate: { data: 'emoji' } }, '/x/s.json').evaluate.data).toBe('emoji');
  });

  it.each([
    [{ seeds: 0 }, 'seeds: found 0'],
    [{ seeds: [1, 1] }, 'seeds: found [1,1]'],
    [{ budget: { steps: 1, epochs: 2 } }, 'budget: found'],
    [{ methods: [] }, 'methods: found []'],
    [{ methods: [{ name: 'a' }, { name: 'a' }] }, 'a different name for each'],
    [{ readOuts: ['best'] }, 'readOuts.0: found "best"; allowed: average, grid, run'],
    [{ settings: { steps: 9 } }, 'settings.steps: found one, allowed: in `budget`'],
    [{ methods: [{ name: 'a', settings: { seed: 9 } }] }, 'methods.0.settings.seed: found one, allowed: in `seeds`'],
    [{ methods: [{ name: 'a', settings: { imageSize: 48 } }] }, 'imageSize: found one, allowed: in settings'],
    [{ compare: { reference: 'c' } }, "compare.reference: found 'c', allowed: 'a', 'b'"],
    [{ compare: { measure: 'recall' } }, 'compare.measure: found "recall"'],
  ])('refuses %j', (change, said) => {
    const { code, message } = refused(change);
    expect(code).toBe('NM_OPTION_INVALID');
    expect(message).toContain('/x/study.json: ');
    expect(message).toContain(said);
  });

  it('refuses fields that no study has', () => {
    expect(refused({ repeats: 3 })).toMatchObject({ code: 'NM_OPTION_UNKNOWN' });
    const { code, message } = refused({ evaluate: { data: 'x', galery: 'y' } });
    expect([code, message]).toEqual(['NM_OPTION_UNKNOWN', expect.stringContaining("'evaluate.galery'")]);
  });
});

describe('studyTasks', () => {
  it('go seed by seed, with ids that depend on all that the result depends on', () => {
    const parsed = parseStudy(study(), '/x/study.json');
    const tasks = studyTasks(parsed, 1000, 'study.json');
    expect(tasks.map(({ method, seed }) => `${method}${seed}`)).toEqual(['a0', 'b0', 'a1', 'b1']);
    expect(tasks[0]!.settings).toMatchObject({ steps: 5, seed: 0, objective: { temperature: 0.5 } });
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(4);
    const ids = (change: Record<string, unknown>): string[] =>
      studyTasks(parseStudy({ ...study(), ...change }, '/x/study.json'), 1000, 'study.json').map(({ id }) => id);
    expect(ids({ title: 'Another', seeds: 3 }).slice(0, 4)).toEqual(tasks.map(({ id }) => id));
    for (const change of [{ budget: { steps: 6 } }, { evaluate: { data: 'other' } }, { readOuts: ['grid'] }]) {
      expect(ids(change)).not.toContain(tasks[0]!.id);
    }
  });

  it('name the method whose settings are refused', () => {
    const parsed = parseStudy({ ...study(), methods: [{ name: 'bad one', settings: { batch: 0 } }] }, '/x/s.json');
    expect(() => studyTasks(parsed, 10, 's.json')).toThrow(/s\.json: method 'bad one': batch: found 0/);
  });

  it('have file names that every system takes', () => {
    expect(slug('HCL τ .5 β 2 / τ⁺ 0')).toBe('hcl-t-.5-b-2-t-0');
    expect(slug('../../x')).toBe('x');
    expect(slug('東京')).toBe('method');
  });
});
