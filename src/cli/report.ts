import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { writeReport } from '../report/index.js';
import { readRun, trainedEncoder } from '../train/index.js';
import { command } from './command.js';
import { pairedQuestion } from './comparison.js';
import { compareWithBaselines, resultTables } from './results.js';
import { runReport } from './run-report.js';
import { load } from './train.js';

export function reportCommand(): Command {
  return command<{ readonly out?: string }>(
    'report',
    ['nearmiss report runs/photos', 'nearmiss report runs/photos --out photos.html'],
    async ([folder = ''], flags, console) => {
      const run = await readRun(folder);
      trainedEncoder(run);
      const out = flags.out ?? join(folder, 'report.html');
      const data = await load(run.settings.data, run.settings.imageSize, console);
      const question = pairedQuestion(data);
      console.log('drawing the report');
      const results = question ? await compareWithBaselines(run, data, question) : undefined;
      const report = await runReport(run, data);
      await writeReport(
        {
          ...report,
          ...(results && question ? resultTables(results, question) : {}),
          reproduce: [
            `nearmiss train --config ${join(folder, 'settings.json')} --out again`,
            `nearmiss report ${folder}`,
          ],
        },
        out,
      );
      console.print(`wrote ${out}`);
      return { report: resolve(out) };
    },
  )
    .argument('<run>', 'folder of a run that has ended')
    .option('--out <file>', 'the HTML file (default RUN/report.html)');
}
