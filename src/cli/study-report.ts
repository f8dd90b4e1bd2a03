import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../files.js';
import {
  type StudyReportData,
  type StudyReportRow,
  type StudyReportTable,
  studySvg,
  writeStudyReport,
} from '../report/index.js';
import { duration } from './console.js';
import { measureText, measureTitle, questionTitle } from './evaluation-text.js';
import type { StudyResult } from './study-run.js';
import type { Study } from './study-settings.js';
import {
  type BaselineResult,
  comparedMeasure,
  type StudyMeasure,
  type StudyRow,
  studyMeasures,
  summarise,
} from './study-summary.js';
import {
  baselineLines,
  differenceText,
  groupBy,
  intervalText,
  READ_OUT_TITLES,
  spreadText,
  studyMarkdown,
  studyMeasureTitle,
  verdictLines,
} from './study-text.js';
import { version } from './version.js';

/** All that a study has come to so far. */
export interface StudyState {
  readonly study: Study;
  /** The command that goes on with it, or gives it again. */
  readonly again: string;
  readonly out: string;
  readonly results: readonly StudyResult[];
  readonly baselines: readonly BaselineResult[];
  /** Runs of the whole study. */
  readonly tasks: number;
}

/** What was compared, and with what result; the part of results.json that programs read first. */
export interface StudyOutcome {
  readonly compared: StudyMeasure;
  readonly rows: readonly StudyRow[];
  readonly findings: readonly string[];
}

/** Writes `report.html`, `plot.svg`, `table.md` and `results.json`; nothing where there is no result yet. */
export async function writeStudy(state: StudyState): Promise<StudyOutcome | undefined> {
  const { study, out, results, baselines } = state;
  const measures = studyMeasures(results);
  const compared = comparedMeasure(measures, study.readOuts[0]!, study.compare.measure);
  if (!compared) return undefined;
  const common = { seeds: study.seeds, methods: study.methods, reference: study.compare.reference };
  const rowsOf = (measure: StudyMeasure): StudyRow[] => summarise(measure, common, results, baselines);
  const rows = rowsOf(compared);
  const findings = [...verdictLines(compared.measure, rows), ...baselineLines(compared.measure, rows)];
  const others = measures.map((measure) => ({ measure, rows: rowsOf(measure) }));
  const readOuts = study.readOuts.length;
  const markdown = studyMarkdown({
    title: study.title,
    lead: `\`${state.again}\`, nearmiss ${version}, Node ${process.version}, ${processor()}. ${leadText(state)}`,
    compared,
    rows,
    seeds: study.seeds,
    readOuts,
    results,
    reference: study.compare.reference,
    others,
  });
  const page = reportData(state, compared, rows, findings, others);
  await writeStudyReport(page, join(out, 'report.html'));
  await writeFileAtomic(join(out, 'plot.svg'), studySvg(page));
  await writeFileAtomic(join(out, 'table.md'), markdown);
  const json = { study, compared, rows, findings, results: results.map(({ hits: _, ...result }) => result), baselines };
  await writeFileAtomic(join(out, 'results.json'), `${JSON.stringify(json, null, 1)}\n`);
  return { compared, rows, findings };
}

function processor(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores`;
}

function leadText({ study, results, tasks }: StudyState): string {
  const { seeds, methods, budget } = study;
  const [amount] = Object.entries(budget).map(([unit, value]) => `${value} ${unit}`);
  const missing = tasks - results.length;
  return [
    `${methods.length} methods, ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`}, ${amount} a run.`,
    missing > 0 ? `${missing} of ${tasks} runs are still to come.` : '',
  ]
    .filter(Boolean)
    .join(' ');
}

function reportData(
  state: StudyState,
  compared: StudyMeasure,
  rows: readonly StudyRow[],
  findings: readonly string[],
  others: readonly { readonly measure: StudyMeasure; readonly rows: readonly StudyRow[] }[],
): StudyReportData {
  const { study, results, again } = state;
  const { measure } = compared;
  const readOuts = study.readOuts.length;
  const percents = !['mrr', 'alignment', 'uniformity'].includes(measure);
  const scale = (value: number): number => (percents ? 100 * value : value);
  const [first] = study.methods;
  return {
    title: study.title,
    summary: `${leadText(state)} Compared: ${studyMeasureTitle(compared, readOuts)}.`,
    measure: studyMeasureTitle(compared, readOuts),
    unit: percents ? '%' : '',
    seeds: study.seeds,
    reference: study.compare.reference,
    rows: rows.map((row): StudyReportRow => {
      const { difference } = row;
      return {
        name: row.name,
        kind: row.kind,
        ...(row.note ? { note: row.note } : {}),
        reference: row.reference,
        values: row.values.map(scale),
        mean: scale(row.mean),
        spread: spreadText(measure, row),
        bySeed: row.values.map((value) => (Number.isFinite(value) ? measureText(measure, value) : '–')).join('  '),
        ...(difference
          ? {
              difference: {
                text: differenceText(measure, difference.mean),
                interval: difference.verdict === 'unknown' ? '' : intervalText(measure, difference),
                overQueries: difference.overQueries ? intervalText(measure, difference.overQueries) : '',
                verdict: difference.verdict,
                better: difference.mean > 0,
              },
            }
          : {}),
      };
    }),
    findings,
    tables: [...figureTables(others, readOuts), trainingTable(results)],
    settings: {
      data: dataText(study),
      ...Object.fromEntries(
        Object.entries(study.settings).map(([name, value]) => [
          name,
          typeof value === 'object' ? JSON.stringify(value) : String(value),
        ]),
      ),
      ...Object.fromEntries(Object.entries(study.budget)),
      seeds: study.seeds.join(', '),
      methods: study.methods.length,
      'read-outs': study.readOuts.map((name) => READ_OUT_TITLES[name]!).join(', '),
      [`reference${first?.name === study.compare.reference ? '' : ' (not the first)'}`]: study.compare.reference,
    },
    environment: {
      nearmiss: version,
      Node: process.version,
      platform: `${process.platform} ${process.arch}`,
      processor: processor(),
    },
    reproduce: [again],
  };
}

function dataText({ data }: Study): string {
  if (data.kind === 'emoji') return data.paired === false ? 'emoji, Noto only' : 'emoji, Noto and Twemoji as pairs';
  return data.kind === 'pairs' ? `pairs: ${data.a}, ${data.b}` : data.path;
}

function figureTables(
  others: readonly { readonly measure: StudyMeasure; readonly rows: readonly StudyRow[] }[],
  readOuts: number,
): StudyReportTable[] {
  return groupBy(others, ({ measure: { readOut, question } }) => `${readOut} ${question}`).map((group) => {
    const { readOut, question } = group[0]!.measure;
    const named = new Map(group.flatMap(({ rows }) => rows).map((row) => [row.name, row.kind]));
    return {
      title: `${questionTitle(question)}${readOuts > 1 ? `, ${READ_OUT_TITLES[readOut]}` : ''}`,
      columns: group.map(({ measure }) => measureTitle(measure.measure)),
      rows: [...named].map(([name, kind]) => ({
        name,
        baseline: kind === 'baseline',
        cells: group.map(({ measure, rows }) => {
          const row = rows.find((candidate) => candidate.name === name);
          return row ? spreadText(measure.measure, row) : '';
        }),
      })),
    };
  });
}

function trainingTable(results: readonly StudyResult[]): StudyReportTable {
  return {
    title: 'training',
    columns: ['loss, last 20 steps', 'steps', 'views a second', 'time of a run'],
    rows: groupBy(results, ({ method }) => method).map((group) => {
      const mean = (of: (result: StudyResult) => number): number =>
        group.reduce((sum, result) => sum + of(result), 0) / group.length;
      return {
        name: group[0]!.method,
        baseline: false,
        cells: [
          mean(({ loss }) => loss).toFixed(3),
          String(Math.round(mean(({ steps }) => steps))),
          mean(({ imagesPerSecond }) => imagesPerSecond).toFixed(0),
          duration(mean(({ seconds }) => seconds)),
        ],
      };
    }),
  };
}
