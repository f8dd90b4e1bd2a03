import { describe, expect, it } from 'vitest';
import { renderStudy, type StudyReportData, studySvg } from '../../src/report/index.js';

const HOSTILE = '</style><script>alert("1")</script>';

function study(name: string): StudyReportData {
  const row = { kind: 'method', values: [40, 42], mean: 41, spread: '41.0 ± 1.4', bySeed: '40.0  42.0' } as const;
  return {
    title: name,
    summary: name,
    measure: name,
    unit: '%',
    seeds: [0, 1],
    reference: name,
    rows: [
      { ...row, name, kind: 'baseline', note: name, reference: false, values: [30], mean: 30 },
      { ...row, name, reference: true },
      {
        ...row,
        name: 'another',
        reference: false,
        difference: { text: '+1.0', interval: '[+0.5, +1.5]', overQueries: '', verdict: 'larger', better: true },
      },
    ],
    findings: [name],
    tables: [{ title: name, columns: [name], rows: [{ name, cells: [name], baseline: false }] }],
    settings: { [name]: name },
    environment: {},
    reproduce: [name],
  };
}

describe('renderStudy', () => {
  it('escapes all text, and needs nothing but itself', () => {
    const page = renderStudy(study(HOSTILE));
    expect(page).not.toContain('<script');
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
  });

  it('has a dot for each seed and a bar for each mean of several, and says what is beyond the spread', () => {
    const page = renderStudy(study('plain'));
    expect(page.match(/<circle/g)).toHaveLength(5);
    expect(page.match(/class="mean /g)).toHaveLength(2);
    expect(page).toContain('beyond the spread');
    expect(page).toContain('A dot is one seed');
    expect(renderStudy({ ...study('plain'), seeds: [0] })).toContain('One seed: the dots show no spread');
  });

  it('draws the same as a file of its own, with its colours inside', () => {
    const svg = studySvg(study(HOSTILE));
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).not.toContain('<script');
    expect(svg).toContain('<style>');
  });
});
