// SHA-256 (FIPS 180-4) for browsers: crypto.subtle has it only in secure contexts, and not synchronously.

/** The first 32 bits of the fractional parts of the square (cube) roots of the first primes. */
function fractions(count: number, root: (prime: number) => number): Uint32Array {
  const words = new Uint32Array(count);
  let found = 0;
  for (let n = 2; found < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    if (prime) words[found++] = Math.floor((root(n) % 1) * 2 ** 32);
  }
  return words;
}

const START = fractions(8, Math.sqrt);
const ROUNDS = fractions(64, Math.cbrt);

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function addBlock(state: Uint32Array, block: DataView, at: number, words: Int32Array): void {
  for (let i = 0; i < 16; i++) words[i] = block.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [early, late] = [words[i - 15]!, words[i - 2]!];
    const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    words[i] = words[i - 16]! + s0 + words[i - 7]! + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const choice = (e & f) ^ (~e & g);
    const one = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + ROUNDS[i]! + words[i]!) | 0;
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const two = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i]! += word;
}

/** SHA-256 of bytes, hex, without any help of the platform: some 100 MB a second. */
export function portableSha256(bytes: Uint8Array): string {
  const state = START.slice();
  const words = new Int32Array(64);
  const whole = bytes.length - (bytes.length % 64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < whole; at += 64) addBlock(state, view, at, words);
  // The rest, a bit that is set, zeros, and the length in bits.
  const rest = bytes.length - whole;
  const end = new Uint8Array(rest < 56 ? 64 : 128);
  end.set(bytes.subarray(whole));
  end[rest] = 0x80;
  const tail = new DataView(end.buffer);
  tail.setUint32(end.length - 8, Math.floor(bytes.length / 2 ** 29));
  tail.setUint32(end.length - 4, bytes.length * 8);
  for (let at = 0; at < end.length; at += 64) addBlock(state, tail, at, words);
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('');
}

/** SHA-256 of bytes, hex: by Node where this is Node. */
export function sha256(bytes: Uint8Array): string {
  // Not imported: bundlers for browsers stop at imports of Node's own modules, also at those that never run.
  const crypto = globalThis.process?.getBuiltinModule?.('node:crypto');
  return crypto ? crypto.createHash('sha256').update(bytes).digest('hex') : portableSha256(bytes);
}
