import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { CARD_KEY, encodeCard, type ModelCard, readCard } from '../../src/onnx/card.js';
import { encodeModel } from '../../src/onnx/model.js';
import { details } from './specimen.js';

const card: ModelCard = {
  ...details,
  format: 1,
  encoder: 'tiny-resnet',
  dim: 128,
  inputSize: 32,
  pool: 1,
  whitened: false,
  preprocessing: { mean: 128 / 255, std: 64 / 255 },
};

function fileWith(value: string, key: string = CARD_KEY): Uint8Array {
  const metadataProps = [
    { key: 'other', value: 'entry' },
    { key, value },
  ];
  return encodeModel({ opsetImport: [], metadataProps });
}

function refused(bytes: Uint8Array): NearmissError {
  try {
    readCard(bytes, 'm.onnx');
  } catch (error) {
    if (error instanceof NearmissError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('model card', () => {
  it('comes back from a file as it went in, with and without what is optional', () => {
    expect(readCard(fileWith(encodeCard(card)))).toEqual(card);
    const { metrics: _, ...bare } = { ...card, data: { description: 'catalogue «été» 写真' } };
    expect(readCard(fileWith(encodeCard(bare)))).toEqual(bare);
  });

  it('keeps fields of later versions', () => {
    expect(readCard(fileWith(JSON.stringify({ ...card, distillation: 'none' })))).toEqual({
      ...card,
      distillation: 'none',
    });
  });

  it('says how an int8 model was made, or nothing', () => {
    const quantisation = {
      format: 'u8s8',
      reduceRange: false,
      calibration: { method: 'percentile', pictures: 256 },
      heldOut: { pictures: 417, cosineMean: 0.9997, cosineMin: 0.9961, neighbourOverlap: 0.981 },
      recallAt1: { task: 'pairs', queries: 417, float32: 0.57, int8: 0.568 },
      float32: 'ab'.repeat(32),
    } as const;
    const int8: ModelCard = { ...card, precision: 'int8', quantisation };
    expect(readCard(fileWith(encodeCard(int8)))).toEqual(int8);
    for (const wrong of [
      { ...card, precision: 'int4' },
      { ...int8, quantisation: { ...quantisation, format: 'u8u8' } },
      { ...int8, quantisation: { ...quantisation, recallAt1: { ...quantisation.recallAt1, int8: 57 } } },
      { ...int8, quantisation: { ...quantisation, heldOut: { pictures: 417 } } },
    ]) {
      expect(refused(fileWith(JSON.stringify(wrong))).code).toBe('NM_MODEL_CARD_INVALID');
    }
  });

  it('is missing from files without its key', () => {
    expect(refused(fileWith('{}', 'somebody.card'))).toMatchObject({
      code: 'NM_MODEL_CARD_MISSING',
      message:
        "m.onnx: found no model card: its metadata has the keys 'other', 'somebody.card', needed: 'nearmiss.card'",
    });
    expect(refused(encodeModel({ opsetImport: [], metadataProps: [] })).message).toContain('the keys none');
  });

  it('is invalid when it is no JSON or a field is wrong, and the message names the field', () => {
    expect(refused(fileWith('{'))).toMatchObject({ code: 'NM_MODEL_CARD_INVALID' });
    const wrong: readonly [object, string][] = [
      [{ dim: 0 }, 'dim:'],
      [{ dim: '128' }, 'dim:'],
      [{ pool: 3 }, 'pool:'],
      [{ format: 2 }, 'format:'],
      [{ preprocessing: { mean: 0.5, std: 0 } }, 'preprocessing.std:'],
      [{ metrics: { recall: null } }, 'metrics.recall:'],
      [{ licence: undefined }, 'licence:'],
    ];
    for (const [change, field] of wrong) {
      const error = refused(fileWith(JSON.stringify({ ...card, ...change })));
      expect(error.code).toBe('NM_MODEL_CARD_INVALID');
      expect(error.message).toContain(field);
    }
  });

  it('is refused before it is written when a number is not finite', () => {
    expect(() => encodeCard({ ...card, metrics: { recall: Number.NaN } })).toThrow(/metrics\.recall/);
  });
});
