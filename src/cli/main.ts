#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { usageExitCode } from './command.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { indexCommand } from './index-command.js';
import { reportCommand } from './report.js';
import { searchCommand } from './search.js';
import { trainCommand } from './train.js';
import { version } from './version.js';

const program = new Command('nearmiss')
  .description('Train small encoders with hard negatives on a CPU, export them to ONNX, search their embeddings.')
  .version(version)
  .showHelpAfterError('(add --help for the commands)');

for (const command of [
  trainCommand(),
  evalCommand(),
  exportCommand(),
  indexCommand(),
  searchCommand(),
  reportCommand(),
  demoCommand(),
  doctorCommand(),
]) {
  program.addCommand(command);
}

for (const each of [program, ...program.commands]) each.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = usageExitCode(error);
}
