import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';

const file = {
  tensors: {
    'encoder.stem.kernel': { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, Number.MIN_VALUE, 1e30) },
    scalar: { shape: [], data: Float32Array.of(7) },
    empty: { shape: [0, 4], data: new Float32Array(0) },
  },
  integers: { ids: { shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) } },
  metadata: { step: '12', note: 'ä → ß' },
};

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof NearmissError ? error.code : String(error);
  }
  return undefined;
}

describe('safetensors', () => {
  it('gives back what was written, bit for bit', () => {
    const read = decodeSafetensors(encodeSafetensors(file), 'a');
    expect(read).toEqual(file);
    expect(Object.keys(read.tensors)).toEqual(Object.keys(file.tensors));
  });

  it('lays the file out as the format says: length, JSON header padded to 8 bytes, data', () => {
    const bytes = encodeSafetensors(file);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header['encoder.stem.kernel']).toEqual({ dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] });
    expect(header['ids']).toEqual({ dtype: 'I32', shape: [3], data_offsets: [28, 40] });
    expect(bytes.length).toBe(8 + length + 40);
  });

  it('refuses every truncation', () => {
    const bytes = encodeSafetensors(file);
    for (let length = 0; length < bytes.length; length++) {
      expect(
        code(() => decodeSafetensors(bytes.subarray(0, length), 'cut')),
        `${length} bytes`,
      ).toBe('NM_CHECKPOINT_CORRUPT');
    }
  });

  it('answers bytes of any kind with tensors or a coded error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const bytes = encodeSafetensors(file);
        bytes.set(noise.subarray(0, bytes.length), 0);
        const outcome = code(() => decodeSafetensors(bytes, 'noise'));
        expect([undefined, 'NM_CHECKPOINT_CORRUPT']).toContain(outcome);
      }),
    );
  });
});
