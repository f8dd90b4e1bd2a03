import { describe, expect, it } from 'vitest';
import { findToken, makeToken, parseTokens } from '../../src/serve/tokens.js';

const reader = makeToken('read', 'the page');
const writer = makeToken('write');

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

describe('token lines', () => {
  it('are read with comments and empty lines between, and hold no token', () => {
    const lines = ['# the page', reader.line, '', `  ${writer.line}\r`];
    const tokens = parseTokens(lines, 'tokens');
    expect(tokens.map(({ scope, name }) => [scope, name])).toEqual([
      ['read', 'the page'],
      ['write', 'token 4'],
    ]);
    expect(lines.join()).not.toContain(reader.token);
  });

  it('of another form are refused without being shown', () => {
    for (const line of [reader.token, `admin ${'sha256:'.padEnd(71, 'a')}`, 'read sha256:abc', 'read']) {
      let message = '';
      try {
        parseTokens(['', line], 'tokens.txt');
      } catch (error) {
        expect(error).toMatchObject({ code: 'NM_TOKENS_INVALID' });
        ({ message } = error as Error);
      }
      expect(message).toMatch(/^tokens\.txt: line 2: /);
      expect(message).not.toContain(line.slice(0, 12) === 'read' ? 'never' : line.slice(0, 12));
    }
  });

  it('cannot be made for a name of two lines', () => {
    expect(() => makeToken('read', 'a\nwrite sha256:')).toThrow(expect.objectContaining({ code: 'NM_OPTION_INVALID' }));
  });
});

describe('finding a token', () => {
  const tokens = parseTokens([reader.line, writer.line], 'tokens');

  it('knows it as a bearer and as the password of a browser, whatever the name', () => {
    expect(findToken(`Bearer ${reader.token}`, tokens)?.scope).toBe('read');
    expect(findToken(`bearer  ${writer.token}`, tokens)?.scope).toBe('write');
    expect(findToken(basic('anna', writer.token), tokens)?.scope).toBe('write');
    expect(findToken(basic('', reader.token), tokens)?.scope).toBe('read');
  });

  it('does not take parts, neighbours, hashes, or nothing', () => {
    const hash = reader.line.split(' ')[1]!;
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${reader.token.slice(0, -1)}`,
      `Bearer ${reader.token}a`,
      `Bearer ${hash}`,
      `Token ${reader.token}`,
      `Basic ${reader.token}`,
      basic(reader.token, ''),
      'Basic !!!',
    ]) {
      expect(findToken(header, tokens), header ?? 'none').toBeUndefined();
    }
    expect(findToken(`Bearer ${makeToken('write').token}`, tokens)).toBeUndefined();
  });
});
