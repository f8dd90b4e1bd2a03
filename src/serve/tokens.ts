import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { NearmissError } from '../errors.js';

export const SCOPES = ['read', 'write'] as const;
/** What a token may do: `read` looks, embeds and searches; `write` also changes items and reloads. */
export type Scope = (typeof SCOPES)[number];

/** A token as it is kept: the token itself is nowhere. */
export interface Token {
  readonly scope: Scope;
  /** SHA-256 of the token, 32 bytes. */
  readonly hash: Buffer;
  /** What it is called in logs and limits. */
  readonly name: string;
}

const LINE = /^(\S+)\s+sha256:([0-9a-f]{64})(?:\s+(\S.*))?$/;

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/**
 * A new token of 256 random bits, and the line that stands for it in a token file.
 *
 * @param name what it is for, without line breaks
 */
export function makeToken(scope: Scope, name = ''): { readonly token: string; readonly line: string } {
  if (!/^[^\r\n]{0,100}$/.test(name)) {
    throw new NearmissError('NM_OPTION_INVALID', 'token name: found line breaks or more than 100 characters');
  }
  const token = `nm_${randomBytes(32).toString('base64url')}`;
  return { token, line: `${scope} sha256:${hashOf(token).toString('hex')}${name === '' ? '' : ` ${name}`}` };
}

/**
 * Reads token lines: `read sha256:HEX name` or `write sha256:HEX name`; empty lines and lines that begin with # are none.
 *
 * @param source what the lines come from, for messages, which never show what a line holds
 * @throws `NM_TOKENS_INVALID`
 */
export function parseTokens(lines: readonly string[], source: string): Token[] {
  const tokens: Token[] = [];
  for (const [i, text] of lines.entries()) {
    const line = text.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, scope, hex = '', name = `token ${i + 1}`] = LINE.exec(line) ?? [];
    const known = SCOPES.find((each) => each === scope);
    if (known === undefined) {
      throw new NearmissError(
        'NM_TOKENS_INVALID',
        `${source}: line ${i + 1}: allowed: 'read' or 'write', 'sha256:' with 64 hexadecimal digits, and a name`,
      );
    }
    tokens.push({ scope: known, hash: Buffer.from(hex, 'hex'), name });
  }
  return tokens;
}

/**
 * The token of an `Authorization` header: `Bearer TOKEN`, or the password of `Basic`, which is what browsers ask a person for.
 * Undefined where it is none of `tokens`; how long that takes does not depend on how much of it is right.
 */
export function findToken(header: string | undefined, tokens: readonly Token[]): Token | undefined {
  const presented = hashOf(credential(header) ?? '');
  let found: Token | undefined;
  for (const token of tokens) {
    if (timingSafeEqual(token.hash, presented)) found = token;
  }
  return found;
}

function credential(header: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+)$/.exec(header ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}
