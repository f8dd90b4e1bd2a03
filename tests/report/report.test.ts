import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type ReportData, type ReportPicture, renderReport, writeReport } from '../../src/report/index.js';

const HOSTILE = `</style><script>alert("1")</script><img src=x onerror='a'>&amp;`;
const ESCAPED =
  '&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39;&gt;&amp;amp;';

function picture(seed: number, size = 4): ReportPicture {
  return { size, data: Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 37 + seed * 91) % 256) };
}

const found = (right: number, rank?: number): { hits: never[] | ReturnType<typeof hit>[]; rank?: number } => ({
  hits: [0, 1, 2].map((place) => hit(place, place === right)),
  ...(rank === undefined ? {} : { rank }),
});
function hit(place: number, right: boolean): { picture: ReportPicture; name: string; score: number; right: boolean } {
  return { picture: picture(place), name: `hit ${place}`, score: 0.9 - place / 10, right };
}

function full(name = 'a name'): ReportData {
  return {
    title: name,
    summary: name,
    results: [
      {
        title: name,
        detail: name,
        rows: [{ name, note: name, own: true, recallAt1: 0.5, recallAt5: 0.75, mrr: 0.625 }],
      },
    ],
    resultsNote: name,
    loss: Array.from({ length: 100 }, (_, step) => [step, 5 - step / 100] as const),
    quality: [
      {
        name,
        points: [
          [0, 0.2],
          [50, 0.4],
        ],
      },
    ],
    negatives: {
      anchors: [{ positive: 0.9, similarities: [0.8, 0.5, 0.1, -0.2, -0.4], selected: [0, 5] }],
      beta: 2,
      temperature: 0.5,
    },
    nearMisses: [
      {
        picture: picture(1),
        name,
        positive: { picture: picture(2), similarity: 0.8 },
        negatives: [{ picture: picture(3), name, similarity: 0.7 }],
      },
    ],
    neighbours: {
      encoders: [name, 'after'],
      note: name,
      queries: [{ picture: picture(4), name, found: [found(1), found(-1, 40)] }],
    },
    views: [{ name, originals: [picture(5)], views: [picture(6), picture(7)] }],
    map: {
      points: [
        { x: 0, y: 0, picture: picture(8), name, group: 0 },
        { x: 0.001, y: 0, picture: picture(9), name },
        { x: 5, y: 5, picture: picture(10), name },
      ],
      groups: [name],
      note: name,
    },
    falseNegatives: {
      pairs: [
        {
          similarity: 0.98,
          relation: name,
          pictures: [
            { picture: picture(11), name },
            { picture: picture(12), name },
          ],
        },
      ],
      compared: 10,
      items: 20,
    },
    settings: { [name]: name },
    environment: { [name]: 3 },
    reproduce: [name],
    credits: [name],
  };
}

const headings = (page: string): string[] => Array.from(page.matchAll(/<h2>([^<]*)<\/h2>/g), (match) => match[1]!);

describe('renderReport', () => {
  it('marks nothing as right or missed where nobody knows the right answer', async () => {
    const { neighbours, ...data } = full();
    const queries = neighbours!.queries.map((query) => ({
      ...query,
      found: query.found.map(({ hits }) => ({ hits: hits.map(({ right: _, ...hit }) => hit) })),
    }));
    const marks = /found first|found at rank|not among|tile missed|ringed in green/;
    const part = (page: string): string => page.split('<h2>Nearest neighbours')[1]!.split('<h2>')[0]!;
    expect(part(await renderReport({ ...data, neighbours: { ...neighbours!, queries } }))).not.toMatch(marks);
    expect(part(await renderReport(full()))).toMatch(marks);
  });

  it('needs nothing else: no scripts, links or addresses', async () => {
    const page = await renderReport(full());
    expect(page).not.toMatch(/<script|<link|<iframe|@import|url\(|https?:/i);
    const sources = Array.from(page.matchAll(/(?:src|href|srcset|action)="([^"]*)"/g), (match) => match[1]!);
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources) expect(source).toMatch(/^data:image\/png;base64,[A-Za-z0-9+/]+=*$/);
  });

  it('escapes every text that it is given', async () => {
    const page = await renderReport(full(HOSTILE));
    expect(page).not.toContain('<script');
    expect(page).not.toContain('<img src=x');
    expect(page).toContain(`<h1>${ESCAPED}</h1>`);
    expect(page).toContain(`alt="${ESCAPED}"`);
    // As often as it stands in the data, at least.
    expect(page.split(ESCAPED).length - 1).toBeGreaterThanOrEqual(20);
  });

  it('has one main heading and a heading for each section, in order', async () => {
    const page = await renderReport(full());
    expect(page.match(/<h1/g)).toHaveLength(1);
    expect(headings(page)).toEqual([
      'Results',
      'Nearest neighbours',
      'Training',
      'Map of the embeddings',
      'Near misses',
      'Look-alikes that count as negatives',
      'Augmented views',
      'Details',
    ]);
    for (const tag of ['main', 'header', 'section', 'table', 'figure', 'ol', 'svg']) {
      expect(page.split(`<${tag}`).length, tag).toBe(page.split(`</${tag}>`).length);
    }
  });

  it('leaves out what has no data', async () => {
    expect(headings(await renderReport({ title: 'empty' }))).toEqual([]);
    const hollow = await renderReport({
      title: 'hollow',
      results: [{ title: 'none', rows: [] }],
      loss: [[0, Number.NaN]],
      quality: [{ name: 'recall@1', points: [] }],
      negatives: { anchors: [], beta: 0, temperature: 1 },
      nearMisses: [],
      neighbours: { encoders: [], queries: [] },
      views: [],
      settings: {},
      reproduce: [],
      credits: [],
    });
    expect(headings(hollow)).toEqual([]);
    expect(hollow).not.toMatch(/<section|<figure|<footer|<svg/);
    expect(
      headings(
        await renderReport({
          title: 'loss',
          loss: [
            [0, 2],
            [1, 1],
          ],
        }),
      ),
    ).toEqual(['Training']);
  });

  it('holds the pictures to the pixel', async () => {
    const shown = picture(8, 5);
    const page = await renderReport({ title: 't', views: [{ name: 'v', originals: [], views: [shown] }] });
    const [, encoded = ''] = /src="data:image\/png;base64,([^"]*)"/.exec(page) ?? [];
    const { data, info } = await sharp(Buffer.from(encoded, 'base64'))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([5, 5]);
    expect(Array.from(data)).toEqual(Array.from(shown.data));
  });

  it('rings the right answer and crosses what comes before it, or all where it is missing', async () => {
    const page = await renderReport(full());
    const strips = Array.from(page.matchAll(/<div class="found">(.*?)<\/div><\/div>/gs), (match) => match[1]!);
    const states = strips.map((strip) =>
      Array.from(strip.matchAll(/class="tile([^"]*)"/g), (match) => match[1]!.trim()),
    );
    expect(states).toEqual([
      ['missed', 'right', ''],
      ['missed', 'missed', 'missed'],
    ]);
    expect(strips[0]).toContain('found at rank 2');
    expect(strips[1]).toContain('found at rank 40');
  });

  it('says how much weight the hardest negatives carry', async () => {
    const similarities = Array.from({ length: 10 }, (_, i) => (i === 0 ? 1 : 0));
    const negatives = { anchors: [{ positive: 1, similarities, selected: [0, 10] as const }], beta: 1, temperature: 1 };
    // e of e + 9 is 23%.
    expect(await renderReport({ title: 't', negatives })).toContain('carries 23% of the weight');
    expect(await renderReport({ title: 't', negatives: { ...negatives, beta: 0 } })).not.toContain('of the weight');
  });

  it('tells what the ring keeps from what it leaves out', async () => {
    const similarities = Array.from({ length: 100 }, (_, i) => 0.99 - i / 100);
    const page = await renderReport({
      title: 't',
      negatives: { anchors: [{ positive: 1, similarities, selected: [10, 50] }], beta: 0, temperature: 0.2 },
    });
    expect(page).toContain(
      'The ring keeps ranks 11 to 50 of 100: for the median anchor, similarities from 0.50 to 0.89.',
    );
    const shares = (style: string): number =>
      Array.from(page.matchAll(new RegExp(`<rect class="${style}"[^>]*><title>[^<]*?: ([0-9.]+)%[^<]*</title>`, 'g')))
        .map((match) => Number(match[1]))
        .reduce((sum, share) => sum + share, 0);
    expect(shares('bar quiet')).toBeCloseTo(100, 6);
    const kept = Array.from(page.matchAll(/kept: ([0-9.]+)%/g), (match) => Number(match[1]));
    expect(kept.reduce((sum, share) => sum + share, 0)).toBeCloseTo(40, 6);
  });
});

describe('writeReport', () => {
  it('writes the page and nothing else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    try {
      const path = join(folder, 'report.html');
      await writeReport(full(), path);
      expect(await readFile(path, 'utf8')).toBe(await renderReport(full()));
      expect(await readdir(folder)).toEqual(['report.html']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
