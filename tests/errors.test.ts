import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, NearmissError } from '../src/errors.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const codes = Object.keys(ERRORS) as ErrorCode[];
const sections = readFileSync(`${root}docs/errors.md`, 'utf8').split(/^## /m).slice(1);
const documented = sections.map((section) => section.slice(0, section.indexOf('\n')));

/** The text of all files below a folder of the checkout whose names match. */
function textBelow(folder: string, name: RegExp): string {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path) && !/(^|[\\/])errors\.(test\.)?ts$/.test(path))
    .map((path) => readFileSync(`${root}${folder}/${path}`, 'utf8'))
    .join('\n');
}

describe('the error table', () => {
  it('is sorted, with a hint and an HTTP error status each', () => {
    expect(codes).toEqual([...codes].sort());
    for (const code of codes) {
      expect(code).toMatch(/^NM_[A-Z_]+$/);
      expect(ERRORS[code].hint, code).toMatch(/^[A-Z].*\.$/s);
      expect(ERRORS[code].status, code).toBeGreaterThanOrEqual(400);
      expect(ERRORS[code].status, code).toBeLessThan(600);
    }
  });

  it('has a section of docs/errors.md for each code, and none for others, in order', () => {
    expect(documented).toEqual(codes);
  });

  it('is explained with an example message and what to do', () => {
    for (const section of sections) {
      const [code, ...paragraphs] = section.split(/\n+/).filter((line) => line.trim() !== '');
      expect(paragraphs.length, code).toBeGreaterThanOrEqual(3);
      expect(section, `${code}: an example message, indented`).toMatch(/^ {4}\S/m);
    }
  });

  it('has no code that the sources do not raise', () => {
    const sources = textBelow('src', /\.ts$/);
    expect(codes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
  });

  it('has no code that no test expects', () => {
    const tests = textBelow('tests', /\.(test|case)\.ts$/);
    expect(codes.filter((code) => !tests.includes(code))).toEqual([]);
  });
});

describe('NearmissError', () => {
  it("has its code's hint and status unless it is told another hint", () => {
    const error = new NearmissError('NM_RUN_MISSING', 'runs/a: found nothing');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'NearmissError', message: 'runs/a: found nothing', status: 404 });
    expect(error.hint).toBe(ERRORS.NM_RUN_MISSING.hint);
    expect('cause' in error).toBe(false);
    const cause = new Error('why');
    const told = new NearmissError('NM_RUN_MISSING', 'x', { hint: 'Go on.', cause });
    expect(told.hint).toBe('Go on.');
    expect(told.cause).toBe(cause);
  });

  it('is JSON of code, message and hint', () => {
    const error = new NearmissError('NM_INTERRUPTED', 'stopped', { hint: 'Go on.' });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'NM_INTERRUPTED', message: 'stopped', hint: 'Go on.' });
  });
});
