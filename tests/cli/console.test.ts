import { describe, expect, it, vi } from 'vitest';
import { decimal, oneOf, oneOfNumbers, wholeNumber } from '../../src/cli/command.js';
import { duration, openConsole, percent, table } from '../../src/cli/console.js';

describe('table', () => {
  it('lines text up to the left and numbers to the right', () => {
    const text = table(
      ['encoder', 'recall@1', 'how'],
      [
        ['raw pixels', '45.3', 'cosine'],
        ['HCL', '9.1', ''],
      ],
    );
    expect(text.split('\n')).toEqual([
      'encoder     recall@1  how',
      '----------  --------  ------',
      'raw pixels      45.3  cosine',
      'HCL              9.1',
    ]);
  });

  it('is a header alone without rows', () => {
    expect(table(['id', 'score'], [])).toBe('id  score\n--  -----');
  });
});

describe('duration', () => {
  it.each([
    [0, '0s'],
    [-3, '0s'],
    [11.6, '12s'],
    [59.6, '1m 00s'],
    [185, '3m 05s'],
    [3599.4, '59m 59s'],
    [3600, '1h 00m'],
    [3720, '1h 02m'],
    [90000, '25h 00m'],
  ])('of %d seconds is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe('percent', () => {
  it('is a share times 100 with one digit', () => {
    expect([0, 0.5706, 1].map(percent)).toEqual(['0.0', '57.1', '100.0']);
  });
});

describe('the parsers of option values', () => {
  it('accept what they allow', () => {
    expect(wholeNumber(0, 10)('10')).toBe(10);
    expect(decimal(0, 1)('0')).toBe(0);
    expect(decimal(0)('1e-3')).toBe(0.001);
    expect(oneOf(['a', 'b'])('b')).toBe('b');
    expect(oneOfNumbers([32, 48])('48')).toBe(48);
  });

  it.each([
    [wholeNumber(1, 10), ['0', '11', '1.5', '-1', '', ' ', 'x', '1e1', '0x5']],
    [decimal(0, 1, true), ['0', '1.1', '-1', '', ' ', 'NaN', 'Infinity', '1,5']],
    [oneOf(['hcl', 'ring']), ['', 'HCL', 'constructor']],
    [oneOfNumbers([1, 2]), ['', ' ', '3', 'x']],
  ])('refuse everything else and say what they allow', (parse, wrong) => {
    for (const text of wrong) {
      expect(() => parse(text), text).toThrow(`Found '${text}', allowed: `);
    }
  });
});

describe('openConsole', () => {
  const said = (json: boolean): string[] => {
    const lines: string[] = [];
    const write = (stream: string) => (text: string | Uint8Array) => {
      lines.push(`${stream} ${text}`);
      return true;
    };
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation(write('out')),
      vi.spyOn(process.stderr, 'write').mockImplementation(write('err')),
    ];
    const console = openConsole(json, new AbortController().signal);
    console.log('read 3 pictures');
    for (let step = 0; step < 100; step++) console.progress(`step ${step}`);
    console.print('done');
    for (const spy of spies) spy.mockRestore();
    return lines;
  };

  it('keeps progress and logs on stderr and results on stdout', () => {
    expect(said(false)).toEqual(['err read 3 pictures\n', 'err step 0\n', 'out done\n']);
  });

  it('prints no text on stdout with --json', () => {
    expect(said(true)).toEqual(['err read 3 pictures\n', 'err step 0\n']);
  });
});
