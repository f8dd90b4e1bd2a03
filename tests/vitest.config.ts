import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Files named *.slow.test.ts (seconds to minutes each) are left out of `npm run test:fast`.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
