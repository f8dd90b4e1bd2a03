// `node in-node.cjs stock|plain|relaxed|paired <file for the results> <folder of tfjs's .wasm files>`
import { writeFileSync } from 'node:fs';
import { runSuite, type SuiteMode } from './suite.js';

const [mode, resultsFile, wasmFolder] = process.argv.slice(2) as [SuiteMode, string, string];

runSuite({ mode, wasmFolder }).then((result) => {
  writeFileSync(resultsFile, JSON.stringify(result));
  process.exit(0);
});
