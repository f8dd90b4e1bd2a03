import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { opsTable } from './ops-table.js';

test('docs/tfjs-ops.md is what `npm run docs:ops` writes', async () => {
  expect(readFileSync(new URL('../../docs/tfjs-ops.md', import.meta.url), 'utf8')).toBe(await opsTable());
});
