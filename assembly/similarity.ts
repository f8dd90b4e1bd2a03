// Similarities of anchors and candidates by tiles, and the products that carry their gradient back.
//
// Rows are packed twice, padded with zeros to multiples of 8, so that no kernel has an edge case:
//
//   panels  [rows/8][dim][8]   8 rows side by side: what a tile of dot products reads, k after k
//   slices  [dim/8][rows][8]   8 dimensions side by side: what a weighted sum of rows reads, row after row
//
// Accumulators of gradients are slices too, so that a tile of 4 rows x 8 dimensions is 128 contiguous bytes.
import { madd, sumLanes } from './lib/vector';

/** Packs rows [count, dim] into panels [ceil(count/8)][dim][8]. */
export function packPanels(rows: usize, count: i32, dim: i32, panels: usize): void {
  const stride = <usize>dim * 4;
  for (let first = 0; first < count; first += 8) {
    const present = min<i32>(8, count - first);
    const source = rows + <usize>first * stride;
    const panel = panels + <usize>first * stride;
    for (let lane = 0; lane < 8; lane++) {
      let to = panel + ((<usize>lane) << 2);
      if (lane < present) {
        let from = source + <usize>lane * stride;
        const end = from + stride;
        for (; from < end; from += 4, to += 32) store<f32>(to, load<f32>(from));
      } else {
        const end = to + stride * 8;
        for (; to < end; to += 32) store<f32>(to, 0);
      }
    }
  }
}

/** Packs rows [count, dim] into slices [ceil(dim/8)][padded][8]; `padded` is count rounded up to a multiple of 8. */
export function packSlices(rows: usize, count: i32, dim: i32, padded: i32, slices: usize): void {
  const stride = <usize>dim * 4;
  for (let first = 0; first < dim; first += 8) {
    const present = min<i32>(8, dim - first);
    let from = rows + ((<usize>first) << 2);
    let to = slices + <usize>first * <usize>padded * 4;
    for (let row = 0; row < count; row++, from += stride, to += 32) {
      if (present == 8) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      } else {
        for (let lane = 0; lane < 8; lane++) {
          store<f32>(to + ((<usize>lane) << 2), lane < present ? load<f32>(from + ((<usize>lane) << 2)) : 0);
        }
      }
    }
    memory.fill(to, 0, ((<usize>(padded - count)) << 5));
  }
}

/** rows [count, dim] += slices. */
export function addSlices(slices: usize, count: i32, dim: i32, padded: i32, rows: usize): void {
  const stride = <usize>dim * 4;
  for (let first = 0; first < dim; first += 8) {
    const present = min<i32>(8, dim - first);
    let to = rows + ((<usize>first) << 2);
    let from = slices + <usize>first * <usize>padded * 4;
    for (let row = 0; row < count; row++, from += 32, to += stride) {
      if (present == 8) {
        v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
        v128.store(to, f32x4.add(v128.load(to, 16), v128.load(from, 16)), 16);
      } else {
        for (let lane = 0; lane < present; lane++) {
          const at = (<usize>lane) << 2;
          store<f32>(to + at, load<f32>(to + at) + load<f32>(from + at));
        }
      }
    }
  }
}

/** out[i] = a_i . b_i for rows [count, dim]. */
export function rowDots(a: usize, b: usize, count: i32, dim: i32, out: usize): void {
  const whole = <usize>(dim & ~3) * 4;
  const stride = <usize>dim * 4;
  for (let i = 0; i < count; i++, a += stride, b += stride) {
    let sum = f32x4.splat(0);
    let k: usize = 0;
    for (; k < whole; k += 16) sum = madd(v128.load(a + k), v128.load(b + k), sum);
    let total = sumLanes(sum);
    for (; k < stride; k += 4) total += load<f32>(a + k) * load<f32>(b + k);
    store<f32>(out + ((<usize>i) << 2), total);
  }
}

/** out_i += scales[i] * row_i for rows [count, dim]. */
export function addScaledRows(scales: usize, rows: usize, count: i32, dim: i32, out: usize): void {
  const whole = <usize>(dim & ~3) * 4;
  const stride = <usize>dim * 4;
  for (let i = 0; i < count; i++, rows += stride, out += stride) {
    const scale = load<f32>(scales + ((<usize>i) << 2));
    const factor = f32x4.splat(scale);
    let k: usize = 0;
    for (; k < whole; k += 16) v128.store(out + k, madd(factor, v128.load(rows + k), v128.load(out + k)));
    for (; k < stride; k += 4) store<f32>(out + k, load<f32>(out + k) + scale * load<f32>(rows + k));
  }
}

/**
 * out[i][j] = a_i . b_j for `rows` anchors and `columns` candidates, both multiples of 8, from panels; `stride` is the
 * bytes between rows of out. Every dot product adds its terms in the order of the dimensions, so a_i . b_j has the
 * same bits as b_j . a_i in whichever tile it is computed.
 *
 *              b 0-3   b 4-7         one panel of b stays in L1 while the anchors pass;
 *       a 0   [ s00 ] [ s01 ]        a step k broadcasts 4 anchors and loads 8 candidates:
 *       a 1   [ s10 ] [ s11 ]        8 multiply-adds for 6 loads
 *       a 2   [ s20 ] [ s21 ]
 *       a 3   [ s30 ] [ s31 ]
 */
export function similarityTile(
  a: usize,
  rows: i32,
  b: usize,
  columns: i32,
  dim: i32,
  out: usize,
  stride: usize,
): void {
  const panel = <usize>dim * 32;
  for (let column = 0; column < columns; column += 8, b += panel, out += 32) {
    let at = out;
    let anchors = a;
    for (let row = 0; row < rows; row += 4) {
      let pa = anchors;
      let pb = b;
      const end = b + panel;
      let s00 = f32x4.splat(0);
      let s01 = f32x4.splat(0);
      let s10 = f32x4.splat(0);
      let s11 = f32x4.splat(0);
      let s20 = f32x4.splat(0);
      let s21 = f32x4.splat(0);
      let s30 = f32x4.splat(0);
      let s31 = f32x4.splat(0);
      while (pb < end) {
        const b0 = v128.load(pb);
        const b1 = v128.load(pb, 16);
        const a0 = v128.load32_splat(pa);
        s00 = madd(a0, b0, s00);
        s01 = madd(a0, b1, s01);
        const a1 = v128.load32_splat(pa, 4);
        s10 = madd(a1, b0, s10);
        s11 = madd(a1, b1, s11);
        const a2 = v128.load32_splat(pa, 8);
        s20 = madd(a2, b0, s20);
        s21 = madd(a2, b1, s21);
        const a3 = v128.load32_splat(pa, 12);
        s30 = madd(a3, b0, s30);
        s31 = madd(a3, b1, s31);
        pa += 32;
        pb += 32;
      }
      v128.store(at, s00);
      v128.store(at, s01, 16);
      at += stride;
      v128.store(at, s10);
      v128.store(at, s11, 16);
      at += stride;
      v128.store(at, s20);
      v128.store(at, s21, 16);
      at += stride;
      v128.store(at, s30);
      v128.store(at, s31, 16);
      at += stride;
      // The second half of an anchor panel, then the next panel.
      anchors += row & 4 ? panel - 16 : 16;
    }
  }
}

/** The transpose of a tile: out[j][i] = tile[i][j]; rows and columns are multiples of 4, strides in bytes. */
export function transposeTile(
  tile: usize,
  stride: usize,
  rows: i32,
  columns: i32,
  out: usize,
  outStride: usize,
): void {
  for (let row = 0; row < rows; row += 4, tile += stride << 2, out += 16) {
    let from = tile;
    let to = out;
    for (let column = 0; column < columns; column += 4, from += 16) {
      const r0 = v128.load(from);
      const r1 = v128.load(from + stride);
      const r2 = v128.load(from + (stride << 1));
      const r3 = v128.load(from + (stride << 1) + stride);
      const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      to += outStride;
      v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
      to += outStride;
      v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
      to += outStride;
      v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
      to += outStride;
    }
  }
}

/**
 * sums_i += sum over j of weights[i][j] * z_j: `rows` sums (a multiple of 4), `depth` rows z. `z` and `sums` point at
 * the first row's place in their first slice; `slices` counts slices, `zSlice` and `sumSlice` are the bytes between them.
 */
export function addWeightedRows(
  weights: usize,
  stride: usize,
  rows: i32,
  depth: i32,
  z: usize,
  zSlice: usize,
  sums: usize,
  sumSlice: usize,
  slices: i32,
): void {
  const length = (<usize>depth) << 5;
  for (; slices > 0; slices--, z += zSlice, sums += sumSlice) {
    const end = z + length;
    let w0 = weights;
    let at = sums;
    for (let row = 0; row < rows; row += 4, at += 128) {
      let c00 = v128.load(at);
      let c01 = v128.load(at, 16);
      let c10 = v128.load(at, 32);
      let c11 = v128.load(at, 48);
      let c20 = v128.load(at, 64);
      let c21 = v128.load(at, 80);
      let c30 = v128.load(at, 96);
      let c31 = v128.load(at, 112);
      let w1 = w0 + stride;
      let w2 = w1 + stride;
      let w3 = w2 + stride;
      const next = w3 + stride;
      let p = z;
      while (p < end) {
        const z0 = v128.load(p);
        const z1 = v128.load(p, 16);
        const a0 = v128.load32_splat(w0);
        c00 = madd(a0, z0, c00);
        c01 = madd(a0, z1, c01);
        const a1 = v128.load32_splat(w1);
        c10 = madd(a1, z0, c10);
        c11 = madd(a1, z1, c11);
        const a2 = v128.load32_splat(w2);
        c20 = madd(a2, z0, c20);
        c21 = madd(a2, z1, c21);
        const a3 = v128.load32_splat(w3);
        c30 = madd(a3, z0, c30);
        c31 = madd(a3, z1, c31);
        p += 32;
        w0 += 4;
        w1 += 4;
        w2 += 4;
        w3 += 4;
      }
      v128.store(at, c00);
      v128.store(at, c01, 16);
      v128.store(at, c10, 32);
      v128.store(at, c11, 48);
      v128.store(at, c20, 64);
      v128.store(at, c21, 80);
      v128.store(at, c30, 96);
      v128.store(at, c31, 112);
      w0 = next;
    }
  }
}

/** sums_j += sum over i of weights[i][j] * z_i: as `addWeightedRows` with the weights read down their columns. */
export function addWeightedColumns(
  weights: usize,
  stride: usize,
  columns: i32,
  depth: i32,
  z: usize,
  zSlice: usize,
  sums: usize,
  sumSlice: usize,
  slices: i32,
): void {
  const length = (<usize>depth) << 5;
  for (; slices > 0; slices--, z += zSlice, sums += sumSlice) {
    const end = z + length;
    let first = weights;
    let at = sums;
    for (let column = 0; column < columns; column += 4, at += 128, first += 16) {
      let c00 = v128.load(at);
      let c01 = v128.load(at, 16);
      let c10 = v128.load(at, 32);
      let c11 = v128.load(at, 48);
      let c20 = v128.load(at, 64);
      let c21 = v128.load(at, 80);
      let c30 = v128.load(at, 96);
      let c31 = v128.load(at, 112);
      let w = first;
      let p = z;
      while (p < end) {
        const z0 = v128.load(p);
        const z1 = v128.load(p, 16);
        const a0 = v128.load32_splat(w);
        c00 = madd(a0, z0, c00);
        c01 = madd(a0, z1, c01);
        const a1 = v128.load32_splat(w, 4);
        c10 = madd(a1, z0, c10);
        c11 = madd(a1, z1, c11);
        const a2 = v128.load32_splat(w, 8);
        c20 = madd(a2, z0, c20);
        c21 = madd(a2, z1, c21);
        const a3 = v128.load32_splat(w, 12);
        c30 = madd(a3, z0, c30);
        c31 = madd(a3, z1, c31);
        p += 32;
        w += stride;
      }
      v128.store(at, c00);
      v128.store(at, c01, 16);
      v128.store(at, c10, 32);
      v128.store(at, c11, 48);
      v128.store(at, c20, 64);
      v128.store(at, c21, 80);
      v128.store(at, c30, 96);
      v128.store(at, c31, 112);
    }
  }
}
