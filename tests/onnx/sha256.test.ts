import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { portableSha256, sha256 } from '../../src/onnx/sha256.js';

describe('portableSha256', () => {
  it('is SHA-256 at every length around a block, and of views into other memory', () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 131 + 7) & 255);
    for (let length = 0; length <= 200; length++) {
      const part = bytes.subarray(3, 3 + length);
      const expected = createHash('sha256').update(part).digest('hex');
      expect(portableSha256(part), `${length} bytes`).toBe(expected);
      expect(sha256(part)).toBe(expected);
    }
  });

  it('is SHA-256 of a megabyte', () => {
    const bytes = new Uint8Array(2 ** 20 + 13).map((_, i) => Math.imul(i, 2654435761) >>> 24);
    expect(portableSha256(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });
});
