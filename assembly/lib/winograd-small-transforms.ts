import { PANEL } from './panel';

// The transforms of Winograd's F(2x2, 3x3), eight channels at a time (a pair of vectors, see panel.ts), each a pass over
// the tile's columns (or rows) into `middle` and one over its rows (or columns) out of it. All factors are 0, 1/2 and 1,
// so a result is as exact as a direct sum.

const OUTPUTS: i32 = 2;
const INPUTS: i32 = 4;
/** Bytes of a pair. */
const PAIR: i32 = 32;

/** out[0, step, …] = B' d of four values `apart` from each other. */
// @ts-ignore: decorator
@inline
function inputPoints(d: usize, apart: usize, out: usize, step: usize): void {
  const q1 = d + apart;
  const q2 = q1 + apart;
  const q3 = q2 + apart;
  const d1 = v128.load(q1);
  const d1H = v128.load(q1, 16);
  const d2 = v128.load(q2);
  const d2H = v128.load(q2, 16);
  let o = out;
  v128.store(o, f32x4.sub(v128.load(d), d2));
  v128.store(o, f32x4.sub(v128.load(d, 16), d2H), 16);
  o += step;
  v128.store(o, f32x4.add(d1, d2));
  v128.store(o, f32x4.add(d1H, d2H), 16);
  o += step;
  v128.store(o, f32x4.sub(d2, d1));
  v128.store(o, f32x4.sub(d2H, d1H), 16);
  o += step;
  v128.store(o, f32x4.sub(d1, v128.load(q3)));
  v128.store(o, f32x4.sub(d1H, v128.load(q3, 16)), 16);
}

/**
 * V: B' d B of every tile of a padded image [2 tilesHigh + 2, 2 tilesWide + 2, channels], to rows of 16 matrices.
 *
 *     B' = 1  0 -1  0
 *          0  1  1  0
 *          0 -1  1  0
 *          0  1  0 -1
 */
export function transformInputs(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  outPoint: usize,
  middle: usize,
): void {
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS + 2)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + INPUTS * PAIR;
        while (z < lastColumn) {
          inputPoints(p, line, z, INPUTS * PAIR);
          p += pixel;
          z += PAIR;
        }
        let o = out + channel;
        z = middle;
        const lastRow = middle + INPUTS * INPUTS * PAIR;
        while (z < lastRow) {
          inputPoints(z, PAIR, o, outPoint);
          o += outPoint * INPUTS;
          z += INPUTS * PAIR;
        }
      }
      out += outRow;
    }
  }
}

/** out[0, step] = A' m of four values. */
// @ts-ignore: decorator
@inline
function outputs(m: usize, apart: usize, out: usize, step: usize): void {
  const q1 = m + apart;
  const q2 = q1 + apart;
  const q3 = q2 + apart;
  const m1 = v128.load(q1);
  const m1H = v128.load(q1, 16);
  const m2 = v128.load(q2);
  const m2H = v128.load(q2, 16);
  v128.store(out, f32x4.add(f32x4.add(v128.load(m), m1), m2));
  v128.store(out, f32x4.add(f32x4.add(v128.load(m, 16), m1H), m2H), 16);
  v128.store(out + step, f32x4.sub(f32x4.sub(m1, m2), v128.load(q3)));
  v128.store(out + step, f32x4.sub(f32x4.sub(m1H, m2H), v128.load(q3, 16)), 16);
}

/**
 * Outputs A' O A of every tile, to an image [2 tilesHigh, 2 tilesWide, channels].
 *
 *     A' = 1  1  1  0
 *          0  1 -1 -1
 */
export function transformOutputs(
  source: usize,
  sourceRow: usize,
  sourcePoint: usize,
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  middle: usize,
): void {
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let q = source + channel;
        let z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * PAIR;
        while (z < lastRow) {
          outputs(q, sourcePoint, z, PAIR);
          q += sourcePoint * INPUTS;
          z += OUTPUTS * PAIR;
        }
        const o = corner + channel;
        outputs(middle, OUTPUTS * PAIR, o, line);
        outputs(middle + PAIR, OUTPUTS * PAIR, o + pixel, line);
      }
      source += sourceRow;
    }
  }
}

/** out[0, step, …] = A y of two values. */
// @ts-ignore: decorator
@inline
function spread(y: usize, apart: usize, out: usize, step: usize): void {
  const y0 = v128.load(y);
  const y0H = v128.load(y, 16);
  const y1 = v128.load(y + apart);
  const y1H = v128.load(y + apart, 16);
  let o = out;
  v128.store(o, y0);
  v128.store(o, y0H, 16);
  o += step;
  v128.store(o, f32x4.add(y0, y1));
  v128.store(o, f32x4.add(y0H, y1H), 16);
  o += step;
  v128.store(o, f32x4.sub(y0, y1));
  v128.store(o, f32x4.sub(y0H, y1H), 16);
  o += step;
  v128.store(o, f32x4.neg(y1));
  v128.store(o, f32x4.neg(y1H), 16);
}

/** Y: A dy A' of every tile of an image [2 tilesHigh, 2 tilesWide, channels]; A' is above. */
export function transformGradients(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  outPoint: usize,
  middle: usize,
): void {
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        const p = corner + channel;
        spread(p, line, middle, OUTPUTS * PAIR);
        spread(p + pixel, line, middle + PAIR, OUTPUTS * PAIR);
        let o = out + channel;
        let z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * PAIR;
        while (z < lastRow) {
          spread(z, PAIR, o, outPoint);
          o += outPoint * INPUTS;
          z += OUTPUTS * PAIR;
        }
      }
      out += outRow;
    }
  }
}

/** out[0, step, …] = G g of three values. */
// @ts-ignore: decorator
@inline
function filterPoints(g: usize, apart: usize, out: usize, step: usize, half: v128): void {
  const q1 = g + apart;
  const q2 = q1 + apart;
  const g0 = v128.load(g);
  const g0H = v128.load(g, 16);
  const g1 = v128.load(q1);
  const g1H = v128.load(q1, 16);
  const g2 = v128.load(q2);
  const g2H = v128.load(q2, 16);
  const ends = f32x4.add(g0, g2);
  const endsH = f32x4.add(g0H, g2H);
  let o = out;
  v128.store(o, g0);
  v128.store(o, g0H, 16);
  o += step;
  v128.store(o, f32x4.mul(f32x4.add(ends, g1), half));
  v128.store(o, f32x4.mul(f32x4.add(endsH, g1H), half), 16);
  o += step;
  v128.store(o, f32x4.mul(f32x4.sub(ends, g1), half));
  v128.store(o, f32x4.mul(f32x4.sub(endsH, g1H), half), 16);
  o += step;
  v128.store(o, g2);
  v128.store(o, g2H, 16);
}

/**
 * U: G g G' of a filter [3, 3, in, out], as 16 matrices in panels of output channels (panels.ts).
 *
 *     G =  1    0    0
 *         1/2  1/2  1/2
 *         1/2 -1/2  1/2
 *          0    0    1
 */
export function transformFilter(
  filter: usize,
  inChannels: i32,
  outChannels: i32,
  out: usize,
  outPoint: usize,
  middle: usize,
): void {
  const half = f32x4.splat(0.5);
  const tap = (<usize>(inChannels * outChannels)) * 4;
  const panel = (<usize>inChannels) * (PANEL * 4);
  for (let row = 0; row < inChannels; row++) {
    for (let column = 0; column < outChannels; column += 8) {
      let p = filter + (<usize>(row * outChannels + column)) * 4;
      let z = middle;
      const lastColumn = middle + 3 * PAIR;
      while (z < lastColumn) {
        filterPoints(p, 3 * tap, z, 3 * PAIR, half);
        p += tap;
        z += PAIR;
      }
      let o = out + (<usize>(column / PANEL)) * panel + (<usize>(row * PANEL + column % PANEL)) * 4;
      z = middle;
      const lastRow = middle + INPUTS * 3 * PAIR;
      while (z < lastRow) {
        filterPoints(z, PAIR, o, outPoint, half);
        o += outPoint * INPUTS;
        z += 3 * PAIR;
      }
    }
  }
}

/** out[0, step, 2 step] = G' m of four values. */
// @ts-ignore: decorator
@inline
function taps(m: usize, apart: usize, out: usize, step: usize, half: v128): void {
  const q1 = m + apart;
  const q2 = q1 + apart;
  const q3 = q2 + apart;
  const m1 = v128.load(q1);
  const m1H = v128.load(q1, 16);
  const m2 = v128.load(q2);
  const m2H = v128.load(q2, 16);
  const sum = f32x4.mul(f32x4.add(m1, m2), half);
  const sumH = f32x4.mul(f32x4.add(m1H, m2H), half);
  let o = out;
  v128.store(o, f32x4.add(v128.load(m), sum));
  v128.store(o, f32x4.add(v128.load(m, 16), sumH), 16);
  o += step;
  v128.store(o, f32x4.mul(f32x4.sub(m1, m2), half));
  v128.store(o, f32x4.mul(f32x4.sub(m1H, m2H), half), 16);
  o += step;
  v128.store(o, f32x4.add(sum, v128.load(q3)));
  v128.store(o, f32x4.add(sumH, v128.load(q3, 16)), 16);
}

/** The filter's gradient G' D G [3, 3, length] of 16 rows of `length`; G is above. */
export function transformFilterGradient(source: usize, sourcePoint: usize, length: i32, dFilter: usize, middle: usize): void {
  const half = f32x4.splat(0.5);
  const tap = (<usize>length) * 4;
  for (let offset: usize = 0; offset < tap; offset += PAIR) {
    let q = source + offset;
    let z = middle;
    const lastRow = middle + INPUTS * 3 * PAIR;
    while (z < lastRow) {
      taps(q, sourcePoint, z, PAIR, half);
      q += sourcePoint * INPUTS;
      z += 3 * PAIR;
    }
    let o = dFilter + offset;
    z = middle;
    const lastColumn = middle + 3 * PAIR;
    while (z < lastColumn) {
      taps(z, 3 * PAIR, o, 3 * tap, half);
      o += tap;
      z += PAIR;
    }
  }
}
