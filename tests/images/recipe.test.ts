import { describe, expect, test } from 'vitest';
import { type AugmentRecipe, parseRecipe, RECIPES, SIMCLR_RECIPE } from '../../src/images/index.js';

function refusal(value: unknown): { code: unknown; message: string } {
  try {
    parseRecipe(value, 'settings.json: augment');
  } catch (error) {
    const { code, message } = error as { code: unknown; message: string };
    return { code, message };
  }
  throw new Error('was accepted');
}

const changed = (change: object): object => ({ ...SIMCLR_RECIPE, ...change });

describe('parseRecipe', () => {
  test.each(Object.entries(RECIPES))('accepts %s by name and after JSON', (name, recipe) => {
    expect(parseRecipe(name)).toBe(recipe);
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  });

  test('refuses keys that no recipe has, at any depth', () => {
    expect(refusal(changed({ rotate: 1 }))).toEqual({
      code: 'NM_OPTION_UNKNOWN',
      message: "settings.json: augment: found 'rotate', allowed: cropScale, aspect, flip, jitter, grayscale, blur",
    });
    expect(refusal(changed({ blur: { probability: 0, sigma: [1, 1], radius: 2 } }))).toEqual({
      code: 'NM_OPTION_UNKNOWN',
      message: "settings.json: augment.blur: found 'radius', allowed: probability, sigma",
    });
  });

  test.each<[string, unknown, string]>([
    ['a share above 1', changed({ cropScale: [0.2, 1.1] }), 'augment.cropScale.1: found 1.1'],
    ['an empty crop', changed({ cropScale: [0, 1] }), 'augment.cropScale.0: found 0'],
    ['a range the wrong way round', changed({ aspect: [1.2, 0.9] }), 'augment.aspect: found [1.2,0.9]'],
    ['a probability above 1', changed({ flip: 1.5 }), 'augment.flip: found 1.5'],
    ['a number as text', changed({ flip: '0.5' }), 'augment.flip: found "0.5"'],
    [
      'a hue over half a turn',
      changed({ jitter: { ...SIMCLR_RECIPE.jitter, hue: 0.6 } }),
      'augment.jitter.hue: found 0.6',
    ],
    ['not a number', changed({ grayscale: Number.NaN }), 'augment.grayscale: found null'],
    ['too wide a blur', changed({ blur: { probability: 1, sigma: [1, 11] } }), 'augment.blur.sigma.1: found 11'],
    ['a missing key', changed({ blur: undefined }), 'augment.blur: found nothing'],
    ['nothing', undefined, 'augment: found nothing'],
    ['no recipe of that name', 'toString', "augment: found 'toString', allowed: photo, photo-blur"],
  ])('refuses %s', (_, value, message) => {
    expect(refusal(value)).toMatchObject({ code: 'NM_OPTION_INVALID', message: expect.stringContaining(message) });
  });

  test('keeps the whole range of the types', () => {
    const recipe: AugmentRecipe = parseRecipe(changed({ flip: 0, grayscale: 1, cropScale: [0.01, 0.01] }));
    expect(recipe.cropScale).toEqual([0.01, 0.01]);
  });
});
