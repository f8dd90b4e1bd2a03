import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { failureOf } from '../../src/serve/http-errors.js';

describe('failureOf', () => {
  it('keeps what our errors say, with the status of the table', () => {
    const error = new NearmissError('NM_ITEM_MISSING', 'found no item "a"');
    expect(failureOf(error)).toEqual({
      status: 404,
      code: 'NM_ITEM_MISSING',
      message: 'found no item "a"',
      hint: error.hint,
    });
  });

  it('says 5xx where the service is at fault, and names no file of its', () => {
    for (const [code, status] of [
      ['NM_STORE_INVALID', 500],
      ['NM_STORE_UNREACHABLE', 503],
      ['NM_STORE_WRITE_FAILED', 507],
      ['NM_MODEL_CORRUPT', 500],
      ['NM_SOURCE_MISSING', 500],
      ['NM_TOKENS_INVALID', 500],
    ] as const) {
      const failure = failureOf(new NearmissError(code, '/srv/secret.db: damaged'));
      expect(failure).toMatchObject({ code, status });
      expect(JSON.stringify(failure)).not.toContain('secret');
    }
  });

  it('gives what fastify refuses a code of ours', () => {
    for (const [code, status, ours] of [
      ['FST_ERR_CTP_BODY_TOO_LARGE', 413, 'NM_REQUEST_TOO_LARGE'],
      ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415, 'NM_MEDIA_TYPE_UNSUPPORTED'],
      ['FST_ERR_NOT_FOUND', 404, 'NM_ROUTE_MISSING'],
      ['FST_FILES_LIMIT', 413, 'NM_REQUEST_TOO_LARGE'],
      ['ECONNRESET', 400, 'NM_REQUEST_INVALID'],
    ] as const) {
      expect(failureOf(Object.assign(new Error('inner words'), { code }))).toMatchObject({ status, code: ours });
    }
    const other = Object.assign(new Error('refused'), { code: 'FST_ERR_NEW', statusCode: 422 });
    expect(failureOf(other)).toMatchObject({ status: 422, code: 'NM_REQUEST_INVALID', message: 'refused' });
  });

  it('says nothing of what nobody expected', () => {
    for (const error of [
      new TypeError('x is not a function at /srv/app.js:1'),
      'text',
      undefined,
      { code: 'NM_ITEM_MISSING' },
    ]) {
      const failure = failureOf(error);
      expect(failure).toMatchObject({ status: 500, code: 'NM_UNEXPECTED' });
      expect(JSON.stringify(failure)).not.toMatch(/srv|function|text/);
    }
  });
});
