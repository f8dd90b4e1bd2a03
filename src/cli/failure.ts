import type { CommanderError } from 'commander';
import { NearmissError } from '../errors.js';

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
  if (error instanceof NearmissError) return `error ${error.code}: ${error.message}\n  ${error.hint}`;
  return `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/**
 * Wrong usage that commander itself found and has already described on stderr: as the coded error it is, printed on
 * stdout where --json asks for one.
 */
export function reportUsage(error: CommanderError, json: boolean): NearmissError {
  const message = error.code === 'commander.help' ? 'found no command' : error.message.replace(/^error: /, '');
  const failure = new NearmissError('NM_OPTION_INVALID', message);
  if (json) process.stdout.write(failureJson(failure));
  return failure;
}
