import { PANEL } from './panel';
import { madd, nmadd } from './vector';

// The transforms of polyphase.ts, eight channels at a time (a pair of vectors, see panel.ts). Each is a pass over the
// tile's columns (or rows) into `middle` and a pass over its rows (or columns) out of it.
//
// Along a side a tile has nine points: five of F(4, 2), for the filter's outer taps, and four that are the values under
// the middle tap themselves. The filter has only six different values at them, so points of one filter value are rows of
// one matrix. The 36 matrices lie by rows of six, a matrix with `tiles` · 1, 4 or 16 rows:
//
//          c 0 … 4                        c 5
//     r 0  [tile] … [tile]                [tile · 4 + column]
//     …
//     r 5  [tile · 4 + row] … [ … ]       [tile · 16 + row · 4 + column]

/** Outputs along a side of a tile, the stride, and points along a side: of F(4, 2) and with the odd ones. */
export const OUTPUTS: i32 = 4;
export const STRIDE: i32 = 2;
export const EVEN: i32 = 5;
export const ODD: i32 = 4;
export const POINTS: i32 = 9;
/** Filter values along a side. */
export const VALUES: i32 = 6;

/** Bytes of a pair of vectors. */
const PAIR: i32 = 32;

/** Bytes that a transform needs in the middle: nine by nine pairs. */
export const MIDDLE_BYTES: usize = 2624;

/** Excess of a matrix, to keep the streams of writes out of one cache set. */
const APART: usize = 192;

/** Bytes of a matrix with `rows` rows a tile. */
// @ts-ignore: decorator
@inline
export function matrixBytes(tiles: i32, rows: i32, rowBytes: usize): usize {
  return (<usize>(tiles * rows)) * rowBytes + APART;
}

/** Bytes of all 36 matrices. */
export function matricesBytes(tiles: i32, rowBytes: usize): usize {
  return (
    (<usize>(EVEN * EVEN)) * matrixBytes(tiles, 1, rowBytes) +
    (<usize>(2 * EVEN)) * matrixBytes(tiles, ODD, rowBytes) +
    matrixBytes(tiles, ODD * ODD, rowBytes)
  );
}

/** Rows a tile of matrix [r, c]. */
// @ts-ignore: decorator
@inline
export function matrixRows(r: i32, c: i32): i32 {
  return (r == EVEN ? ODD : 1) * (c == EVEN ? ODD : 1);
}

/** Offset of matrix [r, c], in bytes. */
export function matrixOffset(r: i32, c: i32, tiles: i32, rowBytes: usize): usize {
  const single = matrixBytes(tiles, 1, rowBytes);
  const four = matrixBytes(tiles, ODD, rowBytes);
  const line = (<usize>EVEN) * single + four;
  return (<usize>r) * line + (<usize>c) * (r == EVEN ? four : single);
}

/** out[0, step, … 4 step] = B' d of five values, the last one's place apart from the first by 4 · `apart`. */
// @ts-ignore: decorator
@inline
function points(p: usize, apart: usize, out: usize, step: usize, two: v128, three: v128): void {
  const p1 = p + apart;
  const p2 = p1 + apart;
  const p3 = p2 + apart;
  const p4 = p3 + apart;
  const d1 = v128.load(p1);
  const d1H = v128.load(p1, 16);
  const d2 = v128.load(p2);
  const d2H = v128.load(p2, 16);
  const d3 = v128.load(p3);
  const d3H = v128.load(p3, 16);
  const t = f32x4.sub(d3, d1);
  const tH = f32x4.sub(d3H, d1H);
  let o = out;
  v128.store(o, madd(f32x4.sub(v128.load(p), d2), two, t));
  v128.store(o, madd(f32x4.sub(v128.load(p, 16), d2H), two, tH), 16);
  o += step;
  v128.store(o, f32x4.sub(f32x4.sub(t, d1), d2));
  v128.store(o, f32x4.sub(f32x4.sub(tH, d1H), d2H), 16);
  o += step;
  v128.store(o, madd(f32x4.sub(d1, d2), three, t));
  v128.store(o, madd(f32x4.sub(d1H, d2H), three, tH), 16);
  o += step;
  v128.store(o, t);
  v128.store(o, tH, 16);
  o += step;
  v128.store(o, nmadd(t, two, f32x4.sub(v128.load(p4), d2)));
  v128.store(o, nmadd(tH, two, f32x4.sub(v128.load(p4, 16), d2H)), 16);
}

/** Copies four pairs. */
// @ts-ignore: decorator
@inline
function copyFour(p: usize, apart: usize, out: usize, step: usize): void {
  const end = out + 4 * step;
  while (out < end) {
    const low = v128.load(p);
    const high = v128.load(p, 16);
    v128.store(out, low);
    v128.store(out, high, 16);
    p += apart;
    out += step;
  }
}

/**
 * Points of every tile of a padded image [8 tilesHigh + 1, 8 tilesWide + 1, channels]: of its even rows and columns by
 *
 *     B' = 2 -1 -2  1  0
 *          0 -2 -1  1  0
 *          0  2 -3  1  0
 *          0 -1  0  1  0
 *          0  2 -1 -2  1
 */
export function transformInputs(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  first: i32,
  tiles: i32,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const three = f32x4.splat(3);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS * STRIDE + 1)) * pixel;
  const single = matrixBytes(tiles, 1, outRow);
  const four = matrixBytes(tiles, ODD, outRow);
  const matrixLine = (<usize>EVEN) * single + four;
  let tile = <usize>first;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner =
        image + (<usize>(tileY * OUTPUTS * STRIDE)) * line + (<usize>(tileX * OUTPUTS * STRIDE)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + POINTS * PAIR;
        while (z < lastColumn) {
          points(p, 2 * line, z, POINTS * PAIR, two, three);
          copyFour(p + line, 2 * line, z + EVEN * POINTS * PAIR, POINTS * PAIR);
          p += pixel;
          z += PAIR;
        }
        let o = out + tile * outRow + channel;
        let odd = out + 5 * single + 4 * tile * outRow + channel;
        z = middle;
        const lastEven = middle + EVEN * POINTS * PAIR;
        while (z < lastEven) {
          points(z, 2 * PAIR, o, single, two, three);
          copyFour(z + PAIR, 2 * PAIR, odd, outRow);
          z += POINTS * PAIR;
          o += matrixLine;
          odd += matrixLine;
        }
        o = out + 5 * matrixLine + 4 * tile * outRow + channel;
        odd = out + 5 * matrixLine + 5 * four + 16 * tile * outRow + channel;
        const lastOdd = middle + POINTS * POINTS * PAIR;
        while (z < lastOdd) {
          points(z, 2 * PAIR, o, four, two, three);
          copyFour(z + PAIR, 2 * PAIR, odd, outRow);
          z += POINTS * PAIR;
          o += outRow;
          odd += 4 * outRow;
        }
      }
      tile++;
    }
  }
}

/**
 * Points of every window of 5x5 of an image [4 tilesHigh + 1, 4 tilesWide + 1, channels]; the values under the middle
 * tap are four of the five, from `oddTop` and `oddLeft` (0 or 1) on.
 */
export function transformWindows(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  oddTop: i32,
  oddLeft: i32,
  out: usize,
  outRow: usize,
  first: i32,
  tiles: i32,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const three = f32x4.splat(3);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS + 1)) * pixel;
  const single = matrixBytes(tiles, 1, outRow);
  const four = matrixBytes(tiles, ODD, outRow);
  const matrixLine = (<usize>EVEN) * single + four;
  const top = (<usize>oddTop) * line;
  const left = (<usize>oddLeft) * PAIR;
  let tile = <usize>first;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + EVEN * PAIR;
        while (z < lastColumn) {
          points(p, line, z, EVEN * PAIR, two, three);
          copyFour(p + top, line, z + EVEN * EVEN * PAIR, EVEN * PAIR);
          p += pixel;
          z += PAIR;
        }
        let o = out + tile * outRow + channel;
        let odd = out + 5 * single + 4 * tile * outRow + channel;
        z = middle;
        const lastEven = middle + EVEN * EVEN * PAIR;
        while (z < lastEven) {
          points(z, PAIR, o, single, two, three);
          copyFour(z + left, PAIR, odd, outRow);
          z += EVEN * PAIR;
          o += matrixLine;
          odd += matrixLine;
        }
        o = out + 5 * matrixLine + 4 * tile * outRow + channel;
        odd = out + 5 * matrixLine + 5 * four + 16 * tile * outRow + channel;
        const lastOdd = middle + POINTS * EVEN * PAIR;
        while (z < lastOdd) {
          points(z, PAIR, o, four, two, three);
          copyFour(z + left, PAIR, odd, outRow);
          z += EVEN * PAIR;
          o += outRow;
          odd += 4 * outRow;
        }
      }
      tile++;
    }
  }
}

/** out[0, step, … 3 step] = A' m of five values, and four added to them; `odd` 0 adds nothing. */
// @ts-ignore: decorator
@inline
function outputs(
  m: usize, apart: usize, odd: usize, oddApart: usize, added: bool, out: usize, step: usize,
  two: v128, four: v128, eight: v128,
): void {
  const p1 = m + apart;
  const p2 = p1 + apart;
  const p3 = p2 + apart;
  const p4 = p3 + apart;
  const m1 = v128.load(p1);
  const m1H = v128.load(p1, 16);
  const m2 = v128.load(p2);
  const m2H = v128.load(p2, 16);
  const m3 = v128.load(p3);
  const m3H = v128.load(p3, 16);
  const s = f32x4.add(m1, m2);
  const sH = f32x4.add(m1H, m2H);
  const d = f32x4.sub(m1, m2);
  const dH = f32x4.sub(m1H, m2H);
  let y0 = f32x4.add(f32x4.add(v128.load(m), s), m3);
  let y0H = f32x4.add(f32x4.add(v128.load(m, 16), sH), m3H);
  let y1 = madd(m3, two, d);
  let y1H = madd(m3H, two, dH);
  let y2 = madd(m3, four, s);
  let y2H = madd(m3H, four, sH);
  let y3 = f32x4.add(madd(m3, eight, d), v128.load(p4));
  let y3H = f32x4.add(madd(m3H, eight, dH), v128.load(p4, 16));
  if (added) {
    const q1 = odd + oddApart;
    const q2 = q1 + oddApart;
    const q3 = q2 + oddApart;
    y0 = f32x4.add(y0, v128.load(odd));
    y0H = f32x4.add(y0H, v128.load(odd, 16));
    y1 = f32x4.add(y1, v128.load(q1));
    y1H = f32x4.add(y1H, v128.load(q1, 16));
    y2 = f32x4.add(y2, v128.load(q2));
    y2H = f32x4.add(y2H, v128.load(q2, 16));
    y3 = f32x4.add(y3, v128.load(q3));
    y3H = f32x4.add(y3H, v128.load(q3, 16));
  }
  let o = out;
  v128.store(o, y0);
  v128.store(o, y0H, 16);
  o += step;
  v128.store(o, y1);
  v128.store(o, y1H, 16);
  o += step;
  v128.store(o, y2);
  v128.store(o, y2H, 16);
  o += step;
  v128.store(o, y3);
  v128.store(o, y3H, 16);
}

/**
 * Outputs of every tile, to an image [4 tilesHigh, 4 tilesWide, channels]: what the odd points give is added to
 *
 *     A' = 1  1  1  1  0
 *          0  1 -1  2  0
 *          0  1  1  4  0
 *          0  1 -1  8  1
 */
export function transformOutputs(
  source: usize,
  sourceRow: usize,
  first: i32,
  tiles: i32,
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
  const single = matrixBytes(tiles, 1, sourceRow);
  const quadruple = matrixBytes(tiles, ODD, sourceRow);
  const matrixLine = (<usize>EVEN) * single + quadruple;
  let tile = <usize>first;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let q = source + tile * sourceRow + channel;
        let odd = source + 5 * single + 4 * tile * sourceRow + channel;
        let z = middle;
        const lastEven = middle + EVEN * OUTPUTS * PAIR;
        while (z < lastEven) {
          outputs(q, single, odd, sourceRow, true, z, PAIR, two, four, eight);
          q += matrixLine;
          odd += matrixLine;
          z += OUTPUTS * PAIR;
        }
        q = source + 5 * matrixLine + 4 * tile * sourceRow + channel;
        odd = source + 5 * matrixLine + 5 * quadruple + 16 * tile * sourceRow + channel;
        const lastOdd = middle + POINTS * OUTPUTS * PAIR;
        while (z < lastOdd) {
          outputs(q, quadruple, odd, sourceRow, true, z, PAIR, two, four, eight);
          q += sourceRow;
          odd += 4 * sourceRow;
          z += OUTPUTS * PAIR;
        }
        let o = corner + channel;
        z = middle;
        const lastColumn = middle + OUTPUTS * PAIR;
        while (z < lastColumn) {
          outputs(
            z, OUTPUTS * PAIR, z + EVEN * OUTPUTS * PAIR, OUTPUTS * PAIR, true, o, line, two, four, eight,
          );
          o += pixel;
          z += PAIR;
        }
      }
      tile++;
    }
  }
}

/**
 * Input gradients of every tile, to an image [8 tilesHigh, 8 tilesWide, channels]: what the odd points give lies between
 * what F(4, 2) gives, which begins at row `evenTop` and column `evenLeft` (0 or 1).
 */
export function transformWindowOutputs(
  source: usize,
  sourceRow: usize,
  first: i32,
  tiles: i32,
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  evenTop: i32,
  evenLeft: i32,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const eight = f32x4.splat(8);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS * STRIDE)) * pixel;
  const single = matrixBytes(tiles, 1, sourceRow);
  const quadruple = matrixBytes(tiles, ODD, sourceRow);
  const matrixLine = (<usize>EVEN) * single + quadruple;
  const even = (<usize>evenLeft) * PAIR;
  const uneven = (<usize>PAIR) - even;
  const evenRow = (<usize>evenTop) * line;
  const oddRow = line - evenRow;
  const width = OUTPUTS * STRIDE * PAIR;
  let tile = <usize>first;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner =
        image + (<usize>(tileY * OUTPUTS * STRIDE)) * line + (<usize>(tileX * OUTPUTS * STRIDE)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let q = source + tile * sourceRow + channel;
        let odd = source + 5 * single + 4 * tile * sourceRow + channel;
        let z = middle;
        const lastEven = middle + EVEN * width;
        while (z < lastEven) {
          outputs(q, single, 0, 0, false, z + even, 2 * PAIR, two, four, eight);
          copyFour(odd, sourceRow, z + uneven, 2 * PAIR);
          q += matrixLine;
          odd += matrixLine;
          z += width;
        }
        q = source + 5 * matrixLine + 4 * tile * sourceRow + channel;
        odd = source + 5 * matrixLine + 5 * quadruple + 16 * tile * sourceRow + channel;
        const lastOdd = middle + POINTS * width;
        while (z < lastOdd) {
          outputs(q, quadruple, 0, 0, false, z + even, 2 * PAIR, two, four, eight);
          copyFour(odd, sourceRow, z + uneven, 2 * PAIR);
          q += sourceRow;
          odd += 4 * sourceRow;
          z += width;
        }
        let o = corner + channel;
        z = middle;
        const lastColumn = middle + width;
        while (z < lastColumn) {
          outputs(z, width, 0, 0, false, o + evenRow, 2 * line, two, four, eight);
          copyFour(z + EVEN * width, width, o + oddRow, 2 * line);
          o += pixel;
          z += PAIR;
        }
      }
      tile++;
    }
  }
}

/** out[0, step, … 4 step] = A y of four values; A' is above. */
// @ts-ignore: decorator
@inline
function spread(y: usize, apart: usize, out: usize, step: usize, two: v128, four: v128): void {
  const p1 = y + apart;
  const p2 = p1 + apart;
  const p3 = p2 + apart;
  const y0 = v128.load(y);
  const y0H = v128.load(y, 16);
  const y1 = v128.load(p1);
  const y1H = v128.load(p1, 16);
  const y2 = v128.load(p2);
  const y2H = v128.load(p2, 16);
  const y3 = v128.load(p3);
  const y3H = v128.load(p3, 16);
  const even = f32x4.add(y0, y2);
  const evenH = f32x4.add(y0H, y2H);
  const odd = f32x4.add(y1, y3);
  const oddH = f32x4.add(y1H, y3H);
  let o = out;
  v128.store(o, y0);
  v128.store(o, y0H, 16);
  o += step;
  v128.store(o, f32x4.add(even, odd));
  v128.store(o, f32x4.add(evenH, oddH), 16);
  o += step;
  v128.store(o, f32x4.sub(even, odd));
  v128.store(o, f32x4.sub(evenH, oddH), 16);
  o += step;
  v128.store(o, madd(madd(y3, four, y1), two, madd(y2, four, y0)));
  v128.store(o, madd(madd(y3H, four, y1H), two, madd(y2H, four, y0H)), 16);
  o += step;
  v128.store(o, y3);
  v128.store(o, y3H, 16);
}

/** Points of every tile of output gradients [4 tilesHigh, 4 tilesWide, channels], by A; the odd ones as they are. */
export function transformGradients(
  image: usize,
  tilesHigh: i32,
  tilesWide: i32,
  channels: i32,
  out: usize,
  outRow: usize,
  first: i32,
  tiles: i32,
  middle: usize,
): void {
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const pixel = (<usize>channels) * 4;
  const line = (<usize>(tilesWide * OUTPUTS)) * pixel;
  const single = matrixBytes(tiles, 1, outRow);
  const quadruple = matrixBytes(tiles, ODD, outRow);
  const matrixLine = (<usize>EVEN) * single + quadruple;
  let tile = <usize>first;
  for (let tileY = 0; tileY < tilesHigh; tileY++) {
    for (let tileX = 0; tileX < tilesWide; tileX++) {
      const corner = image + (<usize>(tileY * OUTPUTS)) * line + (<usize>(tileX * OUTPUTS)) * pixel;
      for (let channel: usize = 0; channel < pixel; channel += PAIR) {
        let p = corner + channel;
        let z = middle;
        const lastColumn = middle + OUTPUTS * PAIR;
        while (z < lastColumn) {
          spread(p, line, z, OUTPUTS * PAIR, two, four);
          copyFour(p, line, z + EVEN * OUTPUTS * PAIR, OUTPUTS * PAIR);
          p += pixel;
          z += PAIR;
        }
        let o = out + tile * outRow + channel;
        let odd = out + 5 * single + 4 * tile * outRow + channel;
        z = middle;
        const lastEven = middle + EVEN * OUTPUTS * PAIR;
        while (z < lastEven) {
          spread(z, PAIR, o, single, two, four);
          copyFour(z, PAIR, odd, outRow);
          z += OUTPUTS * PAIR;
          o += matrixLine;
          odd += matrixLine;
        }
        o = out + 5 * matrixLine + 4 * tile * outRow + channel;
        odd = out + 5 * matrixLine + 5 * quadruple + 16 * tile * outRow + channel;
        const lastOdd = middle + POINTS * OUTPUTS * PAIR;
        while (z < lastOdd) {
          spread(z, PAIR, o, quadruple, two, four);
          copyFour(z, PAIR, odd, outRow);
          z += OUTPUTS * PAIR;
          o += outRow;
          odd += 4 * outRow;
        }
      }
      tile++;
    }
  }
}

/** out[0, step, … 5 step]: G of the outer two taps of three, then the middle one. */
// @ts-ignore: decorator
@inline
function filterValues(w: usize, apart: usize, out: usize, step: usize, half: v128, sixth: v128, two: v128): void {
  const p2 = w + 2 * apart;
  const w0 = v128.load(w);
  const w0H = v128.load(w, 16);
  const w1 = v128.load(w + apart);
  const w1H = v128.load(w + apart, 16);
  const w2 = v128.load(p2);
  const w2H = v128.load(p2, 16);
  const zero = f32x4.splat(0);
  let o = out;
  v128.store(o, f32x4.mul(w0, half));
  v128.store(o, f32x4.mul(w0H, half), 16);
  o += step;
  v128.store(o, nmadd(f32x4.add(w0, w2), half, zero));
  v128.store(o, nmadd(f32x4.add(w0H, w2H), half, zero), 16);
  o += step;
  v128.store(o, f32x4.mul(f32x4.sub(w2, w0), sixth));
  v128.store(o, f32x4.mul(f32x4.sub(w2H, w0H), sixth), 16);
  o += step;
  v128.store(o, f32x4.mul(madd(w2, two, w0), sixth));
  v128.store(o, f32x4.mul(madd(w2H, two, w0H), sixth), 16);
  o += step;
  v128.store(o, w2);
  v128.store(o, w2H, 16);
  o += step;
  v128.store(o, w1);
  v128.store(o, w1H, 16);
}

/**
 * The 36 matrices of a filter [3, 3, in, out], in panels of output channels (panels.ts).
 *
 *     G = 1/2    0
 *        -1/2 -1/2
 *        -1/6  1/6
 *         1/6  1/3
 *           0    1
 */
export function transformFilter(
  filter: usize,
  inChannels: i32,
  outChannels: i32,
  out: usize,
  outMatrix: usize,
  middle: usize,
): void {
  const half = f32x4.splat(0.5);
  const sixth = f32x4.splat(1.0 / 6.0);
  const two = f32x4.splat(2);
  const tap = (<usize>(inChannels * outChannels)) * 4;
  const panel = (<usize>inChannels) * (PANEL * 4);
  for (let row = 0; row < inChannels; row++) {
    for (let column = 0; column < outChannels; column += 8) {
      let p = filter + (<usize>(row * outChannels + column)) * 4;
      let z = middle;
      const lastColumn = middle + 3 * PAIR;
      while (z < lastColumn) {
        filterValues(p, 3 * tap, z, 3 * PAIR, half, sixth, two);
        p += tap;
        z += PAIR;
      }
      let o = out + (<usize>(column / PANEL)) * panel + (<usize>(row * PANEL + column % PANEL)) * 4;
      z = middle;
      const lastRow = middle + VALUES * 3 * PAIR;
      while (z < lastRow) {
        filterValues(z, PAIR, o, outMatrix, half, sixth, two);
        o += (<usize>VALUES) * outMatrix;
        z += 3 * PAIR;
      }
    }
  }
}

/** out[0, step, 2 step] of six values: G' of the first five, for the outer taps, and the last for the middle one. */
// @ts-ignore: decorator
@inline
function taps(m: usize, apart: usize, out: usize, step: usize, half: v128, sixth: v128, third: v128): void {
  const p1 = m + apart;
  const p2 = p1 + apart;
  const p3 = p2 + apart;
  const p4 = p3 + apart;
  const p5 = p4 + apart;
  const m1 = v128.load(p1);
  const m1H = v128.load(p1, 16);
  const m2 = v128.load(p2);
  const m2H = v128.load(p2, 16);
  const m3 = v128.load(p3);
  const m3H = v128.load(p3, 16);
  let o = out;
  v128.store(o, madd(f32x4.sub(v128.load(m), m1), half, f32x4.mul(f32x4.sub(m3, m2), sixth)));
  v128.store(o, madd(f32x4.sub(v128.load(m, 16), m1H), half, f32x4.mul(f32x4.sub(m3H, m2H), sixth)), 16);
  o += step;
  v128.store(o, v128.load(p5));
  v128.store(o, v128.load(p5, 16), 16);
  o += step;
  v128.store(o, madd(m2, sixth, madd(m3, third, nmadd(m1, half, v128.load(p4)))));
  v128.store(o, madd(m2H, sixth, madd(m3H, third, nmadd(m1H, half, v128.load(p4, 16)))), 16);
}

/** The filter's gradient [3, 3, length] of 36 rows of `length`. */
export function transformFilterGradient(
  source: usize,
  sourceMatrix: usize,
  length: i32,
  dFilter: usize,
  middle: usize,
): void {
  const half = f32x4.splat(0.5);
  const sixth = f32x4.splat(1.0 / 6.0);
  const third = f32x4.splat(1.0 / 3.0);
  const tap = (<usize>length) * 4;
  for (let offset: usize = 0; offset < tap; offset += PAIR) {
    let q = source + offset;
    let z = middle;
    const lastRow = middle + VALUES * 3 * PAIR;
    while (z < lastRow) {
      taps(q, sourceMatrix, z, PAIR, half, sixth, third);
      q += (<usize>VALUES) * sourceMatrix;
      z += 3 * PAIR;
    }
    let o = dFilter + offset;
    z = middle;
    const lastColumn = middle + 3 * PAIR;
    while (z < lastColumn) {
      taps(z, 3 * PAIR, o, 3 * tap, half, sixth, third);
      o += tap;
      z += PAIR;
    }
  }
}
