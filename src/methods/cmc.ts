import { type AugmentRecipe, NO_AUGMENTATION } from '../images/index.js';
import { instance as instanceObjective } from '../negatives/index.js';
import { embedAndContrast } from './embed.js';
import { meanFigures } from './figures.js';
import { MemoryBank } from './memory-bank.js';
import type { Method, MethodRun, StepInput } from './method.js';

/** The paper's crops and mirrors; jitter or grayscale would destroy the relation that is learned. */
const CROPS: AugmentRecipe = { ...NO_AUGMENTATION, cropScale: [0.2, 1], aspect: [3 / 4, 4 / 3], flip: 0.5 };

/**
 * Contrastive multiview coding (Tian et al. 2019) of lightness against colour: one crop of each item is split into L and
 * ab of CIE Lab, two encoders of half the width embed one each, and each view's embedding is an anchor in the bank of the
 * OTHER view's. The two losses are added. Rows are drawn alike from both banks; with a ring each has its own ranking.
 */
export const cmc: Method = {
  name: 'cmc',
  title: 'lightness against colour, an encoder and a bank for each (Tian et al. 2019)',
  views: 1,
  positives: 'views',
  candidates: { kind: 'bank', draws: 4096 },
  heads: 2,
  options: {
    momentum: { default: 0.5, from: 0, below: 1, help: 'share of its old row that an item keeps in a bank' },
  },
  augment: CROPS,
  objective: () => instanceObjective(),
  start(context): MethodRun {
    const lightBank = new MemoryBank(context, 'bank.l', 0);
    const colourBank = new MemoryBank(context, 'bank.ab', 1);
    return {
      step(input: StepInput) {
        const batch = input.instanceIds.length;
        return embedAndContrast(context, input.views, ([light, colour]) => {
          const [allLight, allColour] = [light!, colour!].map((features) => context.gather.allGather(features));
          lightBank.welcome(allLight!, input.instanceIds);
          colourBank.welcome(allColour!, input.instanceIds);
          const ofLight = colourBank.contrast(input, light!);
          const ofColour = lightBank.contrast(input, colour!);
          lightBank.push(allLight!, input.instanceIds);
          colourBank.push(allColour!, input.instanceIds);
          const sums = {
            loss: ofLight.loss + ofColour.loss,
            // An item has two anchors.
            positiveSimilarity: (ofLight.positiveSimilarity + ofColour.positiveSimilarity) / 2,
            correct: (ofLight.correct + ofColour.correct) / 2,
          };
          return { ...meanFigures(context.gather, sums, batch), gradients: [ofLight.gradient, ofColour.gradient] };
        });
      },
      state: () => ({ ...lightBank.state(), ...colourBank.state() }),
      restore(state) {
        lightBank.restore(state);
        colourBank.restore(state);
      },
      dispose() {
        lightBank.dispose();
        colourBank.dispose();
      },
    };
  },
};
