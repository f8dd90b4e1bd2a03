import { PANEL } from './panel';
import { madd, nmadd } from './vector';

// The transforms of Winograd's F(4x4, 3x3), eight channels at a time. Each is a pass over the tile's columns (or rows) into
// `middle`, which has room for 36 pairs of vectors, and a pass over its rows (or columns) out of it. The two vectors of a
// pair (the second ends in H) are worked on side by side: see panel.ts.

/** Outputs and inputs along a side of a tile, points of a tile. */
export const OUTPUTS: i32 = 4;
export const INPUTS: i32 = 6;
export const POINTS: i32 = 36;

/**
 * V: B' d B of every tile of a padded image [4 tilesHigh + 2, 4 tilesWide + 2, channels], to rows of 36 matrices.
 *
 *     B' = 4  0 -5  0  1  0
 *          0 -4 -4  1  1  0
 *          0  4 -4 -1  1  0
 *          0 -2 -1  2  1  0
 *          0  2 -1 -2  1  0
 *          0  4  0 -5  0  1
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
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const five = f32x4.splat(5);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS + 2)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 32) {
        let p0 = corner + channel;
        let p1 = p0 + line;
        let p2 = p1 + line;
        let p3 = p2 + line;
        let p4 = p3 + line;
        let p5 = p4 + line;
        let z = middle;
        const lastColumn = middle + INPUTS * 32;
        while (z < lastColumn) {
          const d1 = v128.load(p1);
          const d1H = v128.load(p1, 16);
          const d2 = v128.load(p2);
          const d2H = v128.load(p2, 16);
          const d3 = v128.load(p3);
          const d3H = v128.load(p3, 16);
          const d4 = v128.load(p4);
          const d4H = v128.load(p4, 16);
          const even = nmadd(d2, four, d4);
          const evenH = nmadd(d2H, four, d4H);
          const odd = nmadd(d1, four, d3);
          const oddH = nmadd(d1H, four, d3H);
          const evenHalf = f32x4.sub(d4, d2);
          const evenHalfH = f32x4.sub(d4H, d2H);
          const oddHalf = f32x4.sub(d3, d1);
          const oddHalfH = f32x4.sub(d3H, d1H);
          v128.store(z, madd(v128.load(p0), four, nmadd(d2, five, d4)));
          v128.store(z, madd(v128.load(p0, 16), four, nmadd(d2H, five, d4H)), 16);
          v128.store(z, f32x4.add(even, odd), 1 * INPUTS * 32);
          v128.store(z, f32x4.add(evenH, oddH), 1 * INPUTS * 32 + 16);
          v128.store(z, f32x4.sub(even, odd), 2 * INPUTS * 32);
          v128.store(z, f32x4.sub(evenH, oddH), 2 * INPUTS * 32 + 16);
          v128.store(z, madd(oddHalf, two, evenHalf), 3 * INPUTS * 32);
          v128.store(z, madd(oddHalfH, two, evenHalfH), 3 * INPUTS * 32 + 16);
          v128.store(z, nmadd(oddHalf, two, evenHalf), 4 * INPUTS * 32);
          v128.store(z, nmadd(oddHalfH, two, evenHalfH), 4 * INPUTS * 32 + 16);
          v128.store(z, madd(d1, four, nmadd(d3, five, v128.load(p5))), 5 * INPUTS * 32);
          v128.store(z, madd(d1H, four, nmadd(d3H, five, v128.load(p5, 16))), 5 * INPUTS * 32 + 16);
          z += 32;
          p0 += pixel;
          p1 += pixel;
          p2 += pixel;
          p3 += pixel;
          p4 += pixel;
          p5 += pixel;
        }
        let o = out + channel;
        z = middle;
        const lastRow = middle + POINTS * 32;
        while (z < lastRow) {
          const d1 = v128.load(z, 32);
          const d1H = v128.load(z, 48);
          const d2 = v128.load(z, 64);
          const d2H = v128.load(z, 80);
          const d3 = v128.load(z, 96);
          const d3H = v128.load(z, 112);
          const d4 = v128.load(z, 128);
          const d4H = v128.load(z, 144);
          const even = nmadd(d2, four, d4);
          const evenH = nmadd(d2H, four, d4H);
          const odd = nmadd(d1, four, d3);
          const oddH = nmadd(d1H, four, d3H);
          const evenHalf = f32x4.sub(d4, d2);
          const evenHalfH = f32x4.sub(d4H, d2H);
          const oddHalf = f32x4.sub(d3, d1);
          const oddHalfH = f32x4.sub(d3H, d1H);
          v128.store(o, madd(v128.load(z), four, nmadd(d2, five, d4)));
          v128.store(o, madd(v128.load(z, 16), four, nmadd(d2H, five, d4H)), 16);
          o += outPoint;
          v128.store(o, f32x4.add(even, odd));
          v128.store(o, f32x4.add(evenH, oddH), 16);
          o += outPoint;
          v128.store(o, f32x4.sub(even, odd));
          v128.store(o, f32x4.sub(evenH, oddH), 16);
          o += outPoint;
          v128.store(o, madd(oddHalf, two, evenHalf));
          v128.store(o, madd(oddHalfH, two, evenHalfH), 16);
          o += outPoint;
          v128.store(o, nmadd(oddHalf, two, evenHalf));
          v128.store(o, nmadd(oddHalfH, two, evenHalfH), 16);
          o += outPoint;
          v128.store(o, madd(d1, four, nmadd(d3, five, v128.load(z, 160))));
          v128.store(o, madd(d1H, four, nmadd(d3H, five, v128.load(z, 176))), 16);
          o += outPoint;
          z += INPUTS * 32;
        }
      }
      out += outRow;
    }
  }
}

/**
 * Outputs A' O A of every tile, to an image [4 tilesHigh, 4 tilesWide, channels].
 *
 *     A' = 1  1  1  1  1  0
 *          0  1 -1  2 -2  0
 *          0  1  1  4  4  0
 *          0  1 -1  8 -8  1
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
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const eight = f32x4.splat(8);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 32) {
        let q = source + channel;
        let z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * 32;
        while (z < lastRow) {
          const m0 = v128.load(q);
          const m0H = v128.load(q, 16);
          q += sourcePoint;
          const m1 = v128.load(q);
          const m1H = v128.load(q, 16);
          q += sourcePoint;
          const m2 = v128.load(q);
          const m2H = v128.load(q, 16);
          q += sourcePoint;
          const m3 = v128.load(q);
          const m3H = v128.load(q, 16);
          q += sourcePoint;
          const m4 = v128.load(q);
          const m4H = v128.load(q, 16);
          q += sourcePoint;
          const m5 = v128.load(q);
          const m5H = v128.load(q, 16);
          q += sourcePoint;
          const s1 = f32x4.add(m1, m2);
          const s1H = f32x4.add(m1H, m2H);
          const d1 = f32x4.sub(m1, m2);
          const d1H = f32x4.sub(m1H, m2H);
          const s2 = f32x4.add(m3, m4);
          const s2H = f32x4.add(m3H, m4H);
          const d2 = f32x4.sub(m3, m4);
          const d2H = f32x4.sub(m3H, m4H);
          v128.store(z, f32x4.add(f32x4.add(m0, s1), s2));
          v128.store(z, f32x4.add(f32x4.add(m0H, s1H), s2H), 16);
          v128.store(z, madd(d2, two, d1), 32);
          v128.store(z, madd(d2H, two, d1H), 48);
          v128.store(z, madd(s2, four, s1), 64);
          v128.store(z, madd(s2H, four, s1H), 80);
          v128.store(z, f32x4.add(madd(d2, eight, d1), m5), 96);
          v128.store(z, f32x4.add(madd(d2H, eight, d1H), m5H), 112);
          z += OUTPUTS * 32;
        }
        let o = corner + channel;
        z = middle;
        const lastColumn = middle + OUTPUTS * 32;
        while (z < lastColumn) {
          const m1 = v128.load(z, 1 * OUTPUTS * 32);
          const m1H = v128.load(z, 1 * OUTPUTS * 32 + 16);
          const m2 = v128.load(z, 2 * OUTPUTS * 32);
          const m2H = v128.load(z, 2 * OUTPUTS * 32 + 16);
          const m3 = v128.load(z, 3 * OUTPUTS * 32);
          const m3H = v128.load(z, 3 * OUTPUTS * 32 + 16);
          const m4 = v128.load(z, 4 * OUTPUTS * 32);
          const m4H = v128.load(z, 4 * OUTPUTS * 32 + 16);
          const s1 = f32x4.add(m1, m2);
          const s1H = f32x4.add(m1H, m2H);
          const d1 = f32x4.sub(m1, m2);
          const d1H = f32x4.sub(m1H, m2H);
          const s2 = f32x4.add(m3, m4);
          const s2H = f32x4.add(m3H, m4H);
          const d2 = f32x4.sub(m3, m4);
          const d2H = f32x4.sub(m3H, m4H);
          let row = o;
          v128.store(row, f32x4.add(f32x4.add(v128.load(z), s1), s2));
          v128.store(row, f32x4.add(f32x4.add(v128.load(z, 16), s1H), s2H), 16);
          row += line;
          v128.store(row, madd(d2, two, d1));
          v128.store(row, madd(d2H, two, d1H), 16);
          row += line;
          v128.store(row, madd(s2, four, s1));
          v128.store(row, madd(s2H, four, s1H), 16);
          row += line;
          v128.store(row, f32x4.add(madd(d2, eight, d1), v128.load(z, 5 * OUTPUTS * 32)));
          v128.store(row, f32x4.add(madd(d2H, eight, d1H), v128.load(z, 5 * OUTPUTS * 32 + 16)), 16);
          o += pixel;
          z += 32;
        }
      }
      source += sourceRow;
    }
  }
}

/** Y: A dy A' of every tile of an image [4 tilesHigh, 4 tilesWide, channels]; A' is above. */
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
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += 32) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + OUTPUTS * 32;
        while (z < lastColumn) {
          let row = p;
          const y0 = v128.load(row);
          const y0H = v128.load(row, 16);
          row += line;
          const y1 = v128.load(row);
          const y1H = v128.load(row, 16);
          row += line;
          const y2 = v128.load(row);
          const y2H = v128.load(row, 16);
          row += line;
          const y3 = v128.load(row);
          const y3H = v128.load(row, 16);
          const even = f32x4.add(y0, y2);
          const evenH = f32x4.add(y0H, y2H);
          const odd = f32x4.add(y1, y3);
          const oddH = f32x4.add(y1H, y3H);
          const even4 = madd(y2, four, y0);
          const even4H = madd(y2H, four, y0H);
          const odd4 = madd(y3, four, y1);
          const odd4H = madd(y3H, four, y1H);
          v128.store(z, y0);
          v128.store(z, y0H, 16);
          v128.store(z, f32x4.add(even, odd), 1 * OUTPUTS * 32);
          v128.store(z, f32x4.add(evenH, oddH), 1 * OUTPUTS * 32 + 16);
          v128.store(z, f32x4.sub(even, odd), 2 * OUTPUTS * 32);
          v128.store(z, f32x4.sub(evenH, oddH), 2 * OUTPUTS * 32 + 16);
          v128.store(z, madd(odd4, two, even4), 3 * OUTPUTS * 32);
          v128.store(z, madd(odd4H, two, even4H), 3 * OUTPUTS * 32 + 16);
          v128.store(z, nmadd(odd4, two, even4), 4 * OUTPUTS * 32);
          v128.store(z, nmadd(odd4H, two, even4H), 4 * OUTPUTS * 32 + 16);
          v128.store(z, y3, 5 * OUTPUTS * 32);
          v128.store(z, y3H, 5 * OUTPUTS * 32 + 16);
          p += pixel;
          z += 32;
        }
        let o = out + channel;
        z = middle;
        const lastRow = middle + INPUTS * OUTPUTS * 32;
        while (z < lastRow) {
          const y0 = v128.load(z);
          const y0H = v128.load(z, 16);
          const y1 = v128.load(z, 32);
          const y1H = v128.load(z, 48);
          const y2 = v128.load(z, 64);
          const y2H = v128.load(z, 80);
          const y3 = v128.load(z, 96);
          const y3H = v128.load(z, 112);
          const even = f32x4.add(y0, y2);
          const evenH = f32x4.add(y0H, y2H);
          const odd = f32x4.add(y1, y3);
          const oddH = f32x4.add(y1H, y3H);
          const even4 = madd(y2, four, y0);
          const even4H = madd(y2H, four, y0H);
          const odd4 = madd(y3, four, y1);
          const odd4H = madd(y3H, four, y1H);
          v128.store(o, y0);
          v128.store(o, y0H, 16);
          o += outPoint;
          v128.store(o, f32x4.add(even, odd));
          v128.store(o, f32x4.add(evenH, oddH), 16);
          o += outPoint;
          v128.store(o, f32x4.sub(even, odd));
          v128.store(o, f32x4.sub(evenH, oddH), 16);
          o += outPoint;
          v128.store(o, madd(odd4, two, even4));
          v128.store(o, madd(odd4H, two, even4H), 16);
          o += outPoint;
          v128.store(o, nmadd(odd4, two, even4));
          v128.store(o, nmadd(odd4H, two, even4H), 16);
          o += outPoint;
          v128.store(o, y3);
          v128.store(o, y3H, 16);
          o += outPoint;
          z += OUTPUTS * 32;
        }
      }
      out += outRow;
    }
  }
}

/**
 * U: G g G' of a filter [3, 3, in, out], as 36 matrices in panels of output channels (lib/panels.ts).
 *
 *     G = 1/4    0     0
 *        -1/6  -1/6  -1/6
 *        -1/6   1/6  -1/6
 *        1/24  1/12   1/6
 *        1/24 -1/12   1/6
 *          0     0     1
 */
export function transformFilter(
  filter: usize,
  inChannels: i32,
  outChannels: i32,
  out: usize,
  outPoint: usize,
  middle: usize,
): void {
  const quarter = f32x4.splat(0.25);
  const sixth = f32x4.splat(1.0 / 6.0);
  const twelfth = f32x4.splat(1.0 / 12.0);
  const twentyFourth = f32x4.splat(1.0 / 24.0);
  const tap = (<usize>(inChannels * outChannels)) * 4;
  const panel = (<usize>inChannels) * (PANEL * 4);
  for (let place = 0; place < inChannels * outChannels; place += 8) {
    let p = filter + (<usize>place) * 4;
    let z = middle;
    const lastColumn = middle + 3 * 32;
    while (z < lastColumn) {
      const g0 = v128.load(p);
      const g0H = v128.load(p, 16);
      const g1 = v128.load(p + 3 * tap);
      const g1H = v128.load(p + 3 * tap, 16);
      const g2 = v128.load(p + 6 * tap);
      const g2H = v128.load(p + 6 * tap, 16);
      const ends = f32x4.neg(f32x4.mul(f32x4.add(g0, g2), sixth));
      const endsH = f32x4.neg(f32x4.mul(f32x4.add(g0H, g2H), sixth));
      const mixed = madd(g2, sixth, f32x4.mul(g0, twentyFourth));
      const mixedH = madd(g2H, sixth, f32x4.mul(g0H, twentyFourth));
      v128.store(z, f32x4.mul(g0, quarter));
      v128.store(z, f32x4.mul(g0H, quarter), 16);
      v128.store(z, nmadd(g1, sixth, ends), 1 * 3 * 32);
      v128.store(z, nmadd(g1H, sixth, endsH), 1 * 3 * 32 + 16);
      v128.store(z, madd(g1, sixth, ends), 2 * 3 * 32);
      v128.store(z, madd(g1H, sixth, endsH), 2 * 3 * 32 + 16);
      v128.store(z, madd(g1, twelfth, mixed), 3 * 3 * 32);
      v128.store(z, madd(g1H, twelfth, mixedH), 3 * 3 * 32 + 16);
      v128.store(z, nmadd(g1, twelfth, mixed), 4 * 3 * 32);
      v128.store(z, nmadd(g1H, twelfth, mixedH), 4 * 3 * 32 + 16);
      v128.store(z, g2, 5 * 3 * 32);
      v128.store(z, g2H, 5 * 3 * 32 + 16);
      p += tap;
      z += 32;
    }
    const row = place / outChannels;
    const column = place - row * outChannels;
    let o = out + (<usize>(column / PANEL)) * panel + (<usize>(row * PANEL + column % PANEL)) * 4;
    z = middle;
    const lastRow = middle + INPUTS * 3 * 32;
    while (z < lastRow) {
      const g0 = v128.load(z);
      const g0H = v128.load(z, 16);
      const g1 = v128.load(z, 32);
      const g1H = v128.load(z, 48);
      const g2 = v128.load(z, 64);
      const g2H = v128.load(z, 80);
      const ends = f32x4.neg(f32x4.mul(f32x4.add(g0, g2), sixth));
      const endsH = f32x4.neg(f32x4.mul(f32x4.add(g0H, g2H), sixth));
      const mixed = madd(g2, sixth, f32x4.mul(g0, twentyFourth));
      const mixedH = madd(g2H, sixth, f32x4.mul(g0H, twentyFourth));
      v128.store(o, f32x4.mul(g0, quarter));
      v128.store(o, f32x4.mul(g0H, quarter), 16);
      o += outPoint;
      v128.store(o, nmadd(g1, sixth, ends));
      v128.store(o, nmadd(g1H, sixth, endsH), 16);
      o += outPoint;
      v128.store(o, madd(g1, sixth, ends));
      v128.store(o, madd(g1H, sixth, endsH), 16);
      o += outPoint;
      v128.store(o, madd(g1, twelfth, mixed));
      v128.store(o, madd(g1H, twelfth, mixedH), 16);
      o += outPoint;
      v128.store(o, nmadd(g1, twelfth, mixed));
      v128.store(o, nmadd(g1H, twelfth, mixedH), 16);
      o += outPoint;
      v128.store(o, g2);
      v128.store(o, g2H, 16);
      o += outPoint;
      z += 3 * 32;
    }
  }
}

/** The filter's gradient G' D G [3, 3, length] of 36 rows of `length`; G is above. */
export function transformFilterGradient(source: usize, sourcePoint: usize, length: i32, dFilter: usize, middle: usize): void {
  const quarter = f32x4.splat(0.25);
  const sixth = f32x4.splat(1.0 / 6.0);
  const twelfth = f32x4.splat(1.0 / 12.0);
  const twentyFourth = f32x4.splat(1.0 / 24.0);
  const tap = (<usize>length) * 4;
  for (let offset: usize = 0; offset < tap; offset += 32) {
    let q = source + offset;
    let z = middle;
    const lastRow = middle + INPUTS * 3 * 32;
    while (z < lastRow) {
      const m0 = v128.load(q);
      const m0H = v128.load(q, 16);
      q += sourcePoint;
      const m1 = v128.load(q);
      const m1H = v128.load(q, 16);
      q += sourcePoint;
      const m2 = v128.load(q);
      const m2H = v128.load(q, 16);
      q += sourcePoint;
      const m3 = v128.load(q);
      const m3H = v128.load(q, 16);
      q += sourcePoint;
      const m4 = v128.load(q);
      const m4H = v128.load(q, 16);
      q += sourcePoint;
      const m5 = v128.load(q);
      const m5H = v128.load(q, 16);
      q += sourcePoint;
      const s2 = f32x4.add(m3, m4);
      const s2H = f32x4.add(m3H, m4H);
      const ends = f32x4.mul(f32x4.add(m1, m2), sixth);
      const endsH = f32x4.mul(f32x4.add(m1H, m2H), sixth);
      v128.store(z, f32x4.sub(madd(m0, quarter, f32x4.mul(s2, twentyFourth)), ends));
      v128.store(z, f32x4.sub(madd(m0H, quarter, f32x4.mul(s2H, twentyFourth)), endsH), 16);
      v128.store(z, nmadd(f32x4.sub(m1, m2), sixth, f32x4.mul(f32x4.sub(m3, m4), twelfth)), 32);
      v128.store(z, nmadd(f32x4.sub(m1H, m2H), sixth, f32x4.mul(f32x4.sub(m3H, m4H), twelfth)), 48);
      v128.store(z, f32x4.add(f32x4.sub(f32x4.mul(s2, sixth), ends), m5), 64);
      v128.store(z, f32x4.add(f32x4.sub(f32x4.mul(s2H, sixth), endsH), m5H), 80);
      z += 3 * 32;
    }
    let o = dFilter + offset;
    z = middle;
    const lastColumn = middle + 3 * 32;
    while (z < lastColumn) {
      const m1 = v128.load(z, 1 * 3 * 32);
      const m1H = v128.load(z, 1 * 3 * 32 + 16);
      const m2 = v128.load(z, 2 * 3 * 32);
      const m2H = v128.load(z, 2 * 3 * 32 + 16);
      const m3 = v128.load(z, 3 * 3 * 32);
      const m3H = v128.load(z, 3 * 3 * 32 + 16);
      const m4 = v128.load(z, 4 * 3 * 32);
      const m4H = v128.load(z, 4 * 3 * 32 + 16);
      const s2 = f32x4.add(m3, m4);
      const s2H = f32x4.add(m3H, m4H);
      const ends = f32x4.mul(f32x4.add(m1, m2), sixth);
      const endsH = f32x4.mul(f32x4.add(m1H, m2H), sixth);
      v128.store(o, f32x4.sub(madd(v128.load(z), quarter, f32x4.mul(s2, twentyFourth)), ends));
      v128.store(o, f32x4.sub(madd(v128.load(z, 16), quarter, f32x4.mul(s2H, twentyFourth)), endsH), 16);
      v128.store(o + 3 * tap, nmadd(f32x4.sub(m1, m2), sixth, f32x4.mul(f32x4.sub(m3, m4), twelfth)));
      v128.store(o + 3 * tap, nmadd(f32x4.sub(m1H, m2H), sixth, f32x4.mul(f32x4.sub(m3H, m4H), twelfth)), 16);
      v128.store(o + 6 * tap, f32x4.add(f32x4.sub(f32x4.mul(s2, sixth), ends), v128.load(z, 5 * 3 * 32)));
      v128.store(o + 6 * tap, f32x4.add(f32x4.sub(f32x4.mul(s2H, sixth), endsH), v128.load(z, 5 * 3 * 32 + 16)), 16);
      o += tap;
      z += 32;
    }
  }
}
