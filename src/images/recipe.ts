import { z } from 'zod';
import { NearmissError } from '../errors.js';

/** How views of a picture are made: random ranges, from which each view's numbers are drawn. JSON-serialisable. */
export interface AugmentRecipe {
  /** Area of the crop as a share of the picture's, uniform in [low, high], within 0.01 … 1. */
  readonly cropScale: readonly [number, number];
  /** Width over height of the crop, log-uniform in [low, high], within 0.25 … 4; clipped to the picture. */
  readonly aspect: readonly [number, number];
  /** Probability of mirroring left and right. */
  readonly flip: number;
  /** With `probability`, all four: factors 1 ± the first three (0 … 1), hue turned by ± `hue` (0 … 0.5 of a turn). */
  readonly jitter: {
    readonly probability: number;
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    readonly hue: number;
  };
  /** Probability of taking all colour away. */
  readonly grayscale: number;
  /** With `probability`, a Gaussian blur of `sigma`, uniform in [low, high], in output pixels, within 0.05 … 10. */
  readonly blur: { readonly probability: number; readonly sigma: readonly [number, number] };
}

/** Leaves pictures as they are. */
export const NO_AUGMENTATION: AugmentRecipe = {
  cropScale: [1, 1],
  aspect: [1, 1],
  flip: 0,
  jitter: { probability: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 },
  grayscale: 0,
  blur: { probability: 0, sigma: [0.1, 1] },
};

/** For two sources that are views of one item already: gentle, and what is left or right stays so. */
export const PAIRED_RECIPE: AugmentRecipe = {
  ...NO_AUGMENTATION,
  cropScale: [0.7, 1],
  aspect: [3 / 4, 4 / 3],
  jitter: { probability: 0.8, brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 },
};

/**
 * SimCLR's two views (Chen et al. 2020, appendix A) as the HCL and DCL codes use them on 32x32 pictures: crops of at
 * least a fifth of the area, colour at half strength, no blur.
 */
export const SIMCLR_RECIPE: AugmentRecipe = {
  cropScale: [0.2, 1],
  aspect: [3 / 4, 4 / 3],
  flip: 0.5,
  jitter: { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  grayscale: 0.2,
  blur: { probability: 0, sigma: [0.1, 1] },
};

/** `SIMCLR_RECIPE` with blur in half of the views, for pictures of 64 pixels and more. */
export const SIMCLR_BLUR_RECIPE: AugmentRecipe = { ...SIMCLR_RECIPE, blur: { probability: 0.5, sigma: [0.1, 1] } };

/**
 * Where colour tells the classes apart (products, plants, food): crops and a little light, no change of hue, no
 * grayscale. On groceries the textbook colours of `SIMCLR_RECIPE` end below an untrained encoder; these double it.
 */
export const COLOUR_MATTERS_RECIPE: AugmentRecipe = {
  ...NO_AUGMENTATION,
  cropScale: [0.3, 1],
  aspect: [3 / 4, 4 / 3],
  flip: 0.5,
  jitter: { probability: 0.8, brightness: 0.1, contrast: 0.1, saturation: 0, hue: 0 },
};

/** Icons, logos, emoji, technical drawings: most of the picture, nothing mirrored, colours nearly kept. */
export const DRAWING_RECIPE: AugmentRecipe = {
  ...NO_AUGMENTATION,
  cropScale: [0.5, 1],
  aspect: [3 / 4, 4 / 3],
  jitter: { probability: 0.8, brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 },
};

/** Recipes by the name that settings may use. */
export const RECIPES: Readonly<Record<string, AugmentRecipe>> = {
  photo: SIMCLR_RECIPE,
  'photo-blur': SIMCLR_BLUR_RECIPE,
  'colour-matters': COLOUR_MATTERS_RECIPE,
  drawing: DRAWING_RECIPE,
  paired: PAIRED_RECIPE,
  none: NO_AUGMENTATION,
};

/** When to choose which, by the same names. */
export const RECIPE_GUIDANCE: Readonly<Record<keyof typeof RECIPES, string>> = {
  photo: 'things told apart by shape: strong crops and colours, mirrored',
  'photo-blur': 'the same with blur, from 64 pixels on',
  'colour-matters': 'colour is the class: products, food, plants',
  drawing: 'icons, logos, drawings: gentle, never mirrored',
  paired: 'two sources of each item: gentlest',
  none: 'pictures as they are',
};

const probability = z.number().min(0).max(1);
const range = (low: number, high: number): z.ZodType<[number, number]> =>
  z
    .tuple([z.number().min(low).max(high), z.number().min(low).max(high)])
    .refine(([from, to]) => from <= to, { error: `allowed: two numbers ${low} to ${high}, the smaller first` });

const schema = z.strictObject({
  cropScale: range(0.01, 1),
  aspect: range(0.25, 4),
  flip: probability,
  jitter: z.strictObject({
    probability,
    brightness: z.number().min(0).max(1),
    contrast: z.number().min(0).max(1),
    saturation: z.number().min(0).max(1),
    hue: z.number().min(0).max(0.5),
  }),
  grayscale: probability,
  blur: z.strictObject({ probability, sigma: range(0.05, 10) }),
});

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/**
 * Checks a recipe from settings: a complete object, or the name of one in `RECIPES`.
 *
 * @param where names the source in messages
 * @throws `NM_OPTION_UNKNOWN` for a key that no recipe has; `NM_OPTION_INVALID` for a missing or wrong value
 */
export function parseRecipe(value: unknown, where = 'augment'): AugmentRecipe {
  if (typeof value === 'string') {
    const recipe = Object.hasOwn(RECIPES, value) ? RECIPES[value] : undefined;
    if (recipe) return recipe;
    const allowed = Object.keys(RECIPES).join(', ');
    throw new NearmissError('NM_OPTION_INVALID', `${where}: found '${value}', allowed: ${allowed}, or a recipe object`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue === undefined) throw result.error;
  const path = [where, ...issue.path].join('.');
  if (issue.code === 'unrecognized_keys') {
    const known: unknown = at(NO_AUGMENTATION, issue.path);
    const allowed = Object.keys(known as object).join(', ');
    throw new NearmissError('NM_OPTION_UNKNOWN', `${path}: found '${issue.keys.join("', '")}', allowed: ${allowed}`);
  }
  const found = JSON.stringify(at(value, issue.path)) ?? 'nothing';
  throw new NearmissError('NM_OPTION_INVALID', `${path}: found ${found}; ${issue.message}`);
}
