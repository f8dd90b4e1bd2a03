// What run.ts calls in a page of Chromium.
import { runSuite } from './suite.js';

declare global {
  var runTfjsSuite: typeof runSuite;
}
globalThis.runTfjsSuite = runSuite;
