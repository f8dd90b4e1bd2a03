import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { serveFolder } from '../device/static-server.js';
import { NearmissError } from '../errors.js';
import { command, wholeNumber } from './command.js';

/** Fixed, because a browser keeps what it has stored of a page by its address. */
const PORT = 7373;

export function openCommand(): Command {
  return command<{ readonly port?: number }>(
    'open',
    ['nearmiss open site/', 'nearmiss open site/ --port 0    # any port that is free'],
    async ([site = ''], { port = PORT }, console) => {
      if (!existsSync(join(site, 'config.json'))) {
        throw new NearmissError('NM_SOURCE_MISSING', `${site}: found no bundle there`, {
          hint: 'Name the folder that `nearmiss bundle` wrote.',
        });
      }
      const server = await serveFolder(site, port);
      console.print(`${server.url}  (Ctrl-C ends)`);
      if (console.json) console.log(server.url);
      await new Promise<void>((resolve) => {
        if (console.signal.aborted) resolve();
        console.signal.addEventListener('abort', () => resolve());
      });
      await server.close();
      return { bundle: resolve(site), url: server.url };
    },
  )
    .argument('<site>', 'a folder that nearmiss bundle wrote')
    .option('--port <number>', `port on this machine, 0 for any that is free (default ${PORT})`, wholeNumber(0, 65535));
}
