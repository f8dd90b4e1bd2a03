import { describe, expect, it } from 'vitest';
import { answerQuestion, colourHistograms, type Representation } from '../../src/evaluate/index.js';

const SIZE = 2;
const pictures = (...colours: (readonly [number, number, number])[]): Uint8Array =>
  Uint8Array.from(colours.flatMap((colour) => Array.from({ length: SIZE * SIZE }, () => colour).flat()));
const [RED, GREEN, BLUE] = [[250, 0, 0] as const, [0, 250, 0] as const, [0, 0, 250] as const];

const histogram: Representation = {
  name: 'histogram',
  note: '',
  width: 216,
  embed: async (rows) => colourHistograms(rows, SIZE),
};
/** Mean colours, which are only apart once their mean is taken off. */
const means = (centred: boolean): Representation => ({
  name: 'means',
  note: '',
  width: 3,
  centred,
  embed: async (rows) => {
    const found = new Float32Array(rows.length / (SIZE * SIZE));
    for (let i = 0; i < found.length; i++) found[i] = 1000 + rows[Math.floor(i / 3) * SIZE * SIZE * 3 + (i % 3)]!;
    return found;
  },
});

describe('answerQuestion', () => {
  it('ranks the target of each query, and says how the rows lie', async () => {
    const { measures, hits } = await answerQuestion(
      {
        kind: 'targets',
        name: 'names',
        queries: pictures(RED, BLUE),
        gallery: pictures(RED, GREEN, BLUE),
        targets: Int32Array.of(0, 1),
      },
      histogram,
    );
    expect(measures).toMatchObject({ recallAt1: 0.5, recallAt5: 1, alignment: 1 });
    // Three rows at right angles: |x - y|² = 2.
    expect(measures['uniformity']).toBeCloseTo(-4, 5);
    expect(Array.from(hits['recallAt1']!)).toEqual([1, 0]);
  });

  it('takes the mean off where a representation asks for it', async () => {
    const question = {
      kind: 'targets',
      name: 'names',
      queries: pictures(RED, GREEN, BLUE),
      gallery: pictures(RED, GREEN, BLUE),
      targets: Int32Array.of(0, 1, 2),
    } as const;
    const plain = await answerQuestion(question, means(false));
    const centred = await answerQuestion(question, means(true));
    expect(centred.measures['recallAt1']).toBe(1);
    expect(plain.measures['uniformity']).toBeGreaterThan(-0.5);
    expect(centred.measures['uniformity']).toBeLessThan(-4);
  });

  it('leaves the query itself out of its own gallery', async () => {
    const all = pictures(RED, RED, GREEN, GREEN, BLUE);
    const labels = Int32Array.of(0, 0, 1, 1, 2);
    const { measures, hits } = await answerQuestion(
      {
        kind: 'classes',
        name: 'classes',
        queries: all,
        queryLabels: labels,
        gallery: all,
        galleryLabels: labels,
        leaveOneOut: true,
      },
      histogram,
      { k: 1 },
    );
    // The only blue one has nothing to find; its vote is wrong.
    expect(measures).toMatchObject({ recallAt1: 1, mapAtR: 1, knnAccuracy: 4 / 5 });
    expect(hits['recallAt1']).toHaveLength(4);
    expect(Array.from(hits['knnAccuracy']!)).toEqual([1, 1, 1, 1, 0]);
  });

  it('learns classes by neighbours, by the probe, and from few labels', async () => {
    const train = pictures(...Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? RED : GREEN)));
    const trainLabels = Int32Array.from({ length: 10 }, (_, i) => i % 2);
    const { measures } = await answerQuestion(
      {
        kind: 'labels',
        name: 'labels',
        train,
        trainLabels,
        test: pictures(GREEN, RED, RED),
        testLabels: Int32Array.of(1, 0, 1),
        fewLabels: [0.2],
      },
      histogram,
    );
    const share = 2 / 3;
    expect(measures).toEqual({
      knn1Accuracy: share,
      knnAccuracy: share,
      probeAccuracy: share,
      probeAccuracyAt20Percent: share,
    });
  });
});
