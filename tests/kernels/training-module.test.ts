import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { chooseTier, TRAINING_TIERS } from '../../src/kernels/index.js';

/** Ids of a WebAssembly module's sections (WebAssembly core specification, section 5.5.2), with their contents. */
function sections(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let at = 8;
  const unsigned = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++]!;
    const size = unsigned();
    found.set(id, bytes.subarray(at, at + size));
    at += size;
  }
  return found;
}

const [MEMORY, GLOBAL, START, DATA] = [5, 6, 8, 11];

describe.each(TRAINING_TIERS)('the built training module, %s SIMD', (tier) => {
  beforeAll(async () => {
    await chooseTier();
  });

  const bytes = readFileSync(new URL(`../../dist/wasm/training-${tier}.wasm`, import.meta.url));

  test("imports its memory, and nothing else, and owns none of tfjs's heap", () => {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
    expect(WebAssembly.Module.exports(module).every((entry) => entry.kind === 'function')).toBe(true);
    const found = sections(bytes);
    expect(found.has(DATA), 'a data segment would overwrite the heap').toBe(false);
    expect(found.has(MEMORY), 'a memory of its own').toBe(false);
    expect(found.has(GLOBAL), 'a global could be a stack or heap pointer').toBe(false);
    expect(found.has(START), 'code that runs at load').toBe(false);
  });
});
