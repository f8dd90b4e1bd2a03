// `npm run docs:ops`: writes docs/tfjs-ops.md.
import { writeFileSync } from 'node:fs';
import { opsTable } from './ops-table.js';

writeFileSync(new URL('../../docs/tfjs-ops.md', import.meta.url), await opsTable());
process.exit(0);
