import { describe, expect, it } from 'vitest';
import { checkOrigin, isLoopback } from '../../src/serve/origins.js';

const refused: unknown = expect.objectContaining({ code: 'NM_ORIGIN_REFUSED' });
const HOSTS = ['localhost', '127.0.0.1', '[::1]'];

describe('the origin of a request', () => {
  it('is its own under the names it has, with any port', () => {
    for (const host of ['localhost', 'localhost:8080', '127.0.0.1:1', '[::1]:8080', '[::1]', 'LOCALHOST:80']) {
      expect(() => checkOrigin('GET', { host }, HOSTS), host).not.toThrow();
    }
  });

  it('is refused under a name that was made to point here', () => {
    for (const host of [
      undefined,
      '',
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      '[::2]',
      'localhost:a',
      '::1',
    ]) {
      expect(() => checkOrigin('GET', host === undefined ? {} : { host }, HOSTS), host ?? 'none').toThrow(refused);
    }
    expect(() => checkOrigin('GET', { host: 'any.example' }, undefined)).not.toThrow();
  });

  it('may be a program or the own page, not the page of another, where something could change', () => {
    const host = 'localhost:8080';
    expect(() => checkOrigin('POST', { host }, HOSTS)).not.toThrow();
    expect(() => checkOrigin('POST', { host, origin: 'http://localhost:8080' }, HOSTS)).not.toThrow();
    expect(() => checkOrigin('POST', { host, 'sec-fetch-site': 'same-origin' }, HOSTS)).not.toThrow();
    for (const origin of ['https://evil.example', 'http://localhost:8081', 'null', 'file://']) {
      expect(() => checkOrigin('POST', { host, origin }, HOSTS), origin).toThrow(refused);
    }
    for (const site of ['cross-site', 'same-site']) {
      expect(() => checkOrigin('DELETE', { host, 'sec-fetch-site': site }, HOSTS), site).toThrow(refused);
    }
  });
});

describe('isLoopback', () => {
  it('knows the addresses that only this machine reaches', () => {
    for (const host of ['localhost', '127.0.0.1', '127.8.0.1', '::1', '[::1]', 'LocalHost'])
      expect(isLoopback(host)).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil.example', 'example', '128.0.0.1']) {
      expect(isLoopback(host), host).toBe(false);
    }
  });
});
