import { codeRange, type Quantisation } from './layers.js';
import type { FeatureMap, Layer } from './machine.js';

// Steps over few elements, or of graphs that are rare (Lab): plain loops over the machine's memory.

/** The code less its zero point of a number: x / scale, rounded half to even, within the codes that there are. */
export function codeOf(x: number, quantisation: Quantisation): number {
  const { least, most } = codeRange(quantisation, false);
  const value = Math.min(most, Math.max(least, Math.fround(x / quantisation.scale)));
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

/** Calls back with the first index of each pixel in each map. */
function eachPixel(maps: readonly FeatureMap[], visit: (...first: number[]) => void): void {
  const { height, width } = maps[0]!;
  for (let y = 0; y < height; y++) {
    const at = maps.map((map) => map.rowAt(y));
    for (let x = 0; x < width; x++) {
      visit(...at);
      for (const [i, map] of maps.entries()) at[i]! += map.pitch;
    }
  }
}

/** The picture, each byte by a table of 256: numbers, or codes less their zero point. */
export function load(table: ArrayLike<number>, out: FeatureMap): Layer {
  return {
    reads: [],
    writes: out,
    bind: (machine) => () => {
      const { picture } = machine;
      const target = out.codes ? machine.codes : machine.floats;
      let from = 0;
      for (let y = 0; y < out.height; y++) {
        let at = out.rowAt(y);
        for (let x = 0; x < out.width; x++, at += out.pitch) {
          for (let c = 0; c < out.channels; c++) target[at + c] = table[picture[from++]!]!;
        }
      }
    },
  };
}

/** (code - zero) · scale. */
export function dequantise(x: FeatureMap, scale: number, out: FeatureMap): Layer {
  return {
    reads: [x],
    writes: out,
    bind: (machine) => () => {
      const { codes, floats } = machine;
      eachPixel([x, out], (from, to) => {
        for (let c = 0; c < out.channels; c++) floats[to! + c] = codes[from! + c]! * scale;
      });
    },
  };
}

/** The code of each number. */
export function quantise(x: FeatureMap, quantisation: Quantisation, out: FeatureMap): Layer {
  return {
    reads: [x],
    writes: out,
    bind: (machine) => () => {
      const { codes, floats } = machine;
      eachPixel([x, out], (from, to) => {
        for (let c = 0; c < out.channels; c++) codes[to! + c] = codeOf(floats[from! + c]!, quantisation);
      });
    },
  };
}

/** What an element of the result is of the elements of the operands. */
export type ElementFunction = (...operands: number[]) => number;

/** A function of each element; operands are maps of the result's shape, lists of one number, or constants. */
export function elementwise(
  operation: ElementFunction,
  operands: readonly (FeatureMap | number)[],
  out: FeatureMap,
): Layer {
  const reads = operands.filter((operand) => typeof operand !== 'number');
  return {
    reads,
    writes: out,
    bind: (machine) => () => {
      const { floats } = machine;
      const values = operands.map((operand) => (typeof operand === 'number' ? operand : 0));
      const varying: [operand: number, map: number][] = [];
      const maps = [out];
      for (const [i, operand] of operands.entries()) {
        if (typeof operand === 'number') continue;
        if (operand.sameShape(out)) varying.push([i, maps.push(operand) - 1]);
        else values[i] = floats[operand.rowAt(0)]!;
      }
      eachPixel(maps, (...first) => {
        for (let c = 0; c < out.channels; c++) {
          for (const [operand, map] of varying) values[operand] = floats[first[map]! + c]!;
          floats[first[0]! + c] = operation(...values);
        }
      });
    },
  };
}

/** The channels of all maps, one after the other. */
export function concatenate(parts: readonly FeatureMap[], out: FeatureMap): Layer {
  return {
    reads: parts,
    writes: out,
    bind: (machine) => () => {
      const { floats } = machine;
      eachPixel([out, ...parts], (to, ...from) => {
        let at = to!;
        for (const [i, part] of parts.entries()) {
          floats.copyWithin(at, from[i]!, from[i]! + part.channels);
          at += part.channels;
        }
      });
    },
  };
}

/** All elements as a list: by pixel, or channel by channel. */
export function flatten(x: FeatureMap, byPixel: boolean, out: FeatureMap): Layer {
  const [pixelStep, channelStep] = byPixel ? [x.channels, 1] : [1, x.height * x.width];
  return {
    reads: [x],
    writes: out,
    bind: (machine) => () => {
      const { floats } = machine;
      let to = out.rowAt(0);
      eachPixel([x], (from) => {
        for (let c = 0; c < x.channels; c++) floats[to + c * channelStep] = floats[from! + c]!;
        to += pixelStep;
      });
    },
  };
}

/** The length of a list of numbers, a list of one. */
export function euclideanLength(x: FeatureMap, out: FeatureMap): Layer {
  return {
    reads: [x],
    writes: out,
    bind: (machine) => () => {
      const { floats } = machine;
      const from = x.rowAt(0);
      let sum = 0;
      for (let i = 0; i < x.channels; i++) sum += floats[from + i]! ** 2;
      floats[out.rowAt(0)] = Math.sqrt(sum);
    },
  };
}
