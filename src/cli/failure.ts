import { CommanderError } from 'commander';
import { NearmissError } from '../errors.js';

/** The exit code of a failure: 2 for wrong usage, 1 for everything else. */
export function exitCode(error: unknown): 1 | 2 {
  return error instanceof NearmissError && error.code.startsWith('NM_OPTION_') ? 2 : 1;
}

/**
 * Wrong usage that commander found, and what the system refused to read or write, as the coded errors they are; other
 * errors as they are.
 */
export function codedError(error: unknown): unknown {
  if (isSystemError(error)) return new NearmissError('NM_FILE_FAILED', error.message, { cause: error });
  if (!(error instanceof CommanderError)) return error;
  const message = error.code === 'commander.help' ? 'found no command' : error.message.replace(/^error: /, '');
  return new NearmissError('NM_OPTION_INVALID', message, { cause: error });
}

/** An error of the file system; its message names the path. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'path' in error && 'errno' in error;
}

/** The one JSON object that --json puts on stdout where a command failed. */
export function failureJson(error: unknown): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  const failure =
    error instanceof NearmissError
      ? error.toJSON()
      : { code: 'NM_UNEXPECTED', message, hint: 'Report it with the output of `nearmiss doctor`.' };
  return `${JSON.stringify({ error: failure })}\n`;
}

/** A failure in words, for stderr: an unexpected one with its stack. */
export function failureText(error: unknown): string {
  if (error instanceof NearmissError) return `error ${error.code}: ${error.message}\n  ${error.hint}\n`;
  return `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
