import { instance as instanceObjective } from '../negatives/index.js';
import { embedAndContrast } from './embed.js';
import { meanFigures } from './figures.js';
import { MemoryBank } from './memory-bank.js';
import type { Method, MethodRun, StepInput } from './method.js';

/**
 * Instance discrimination (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"):
 * one view of each item, its positive is the item's own row of a memory bank, its negatives are rows drawn from the
 * bank, by softmax or NCE. With a ring it is IR of Wu et al. 2021. Unlike their code, an item's own row is never among
 * its negatives. The paper's proximal term is left to the bank's momentum, as in CMC's code.
 */
export const instance: Method = {
  name: 'instance',
  title: 'one view of each item against a memory bank (Wu et al. 2018)',
  views: 1,
  positives: 'views',
  candidates: { kind: 'bank', draws: 4096 },
  heads: 1,
  options: {
    momentum: { default: 0.5, from: 0, below: 1, help: 'share of its old row that an item keeps in the bank' },
  },
  objective: () => instanceObjective(),
  start(context): MethodRun {
    const bank = new MemoryBank(context, 'bank', 0);
    return {
      step(input: StepInput) {
        const batch = input.instanceIds.length;
        return embedAndContrast(context, input.views, ([features]) => {
          const all = context.gather.allGather(features!);
          bank.welcome(all, input.instanceIds);
          const found = bank.contrast(input, features!);
          bank.push(all, input.instanceIds);
          return { ...meanFigures(context.gather, found, batch), gradients: [found.gradient] };
        });
      },
      state: () => bank.state(),
      restore: (state) => bank.restore(state),
      dispose: () => bank.dispose(),
    };
  },
};
