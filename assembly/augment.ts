// Augmentation of one picture: uint8 RGB -> crop by bilinear sampling -> colour -> blur -> float32, (p - 128) / 64.
// All arithmetic is on the scale 0 … 255, so that parameters that change nothing give exactly the normalised input.
//
// Work space (floats):   row      3 * width + 4       one source row, blended from two
//                        red      size * size + 4     the picture as planes: colour needs no shuffles there
//                        green, blue                  (each ends in 4 spare floats, for whole vectors)
//                        blurred  size * size + 4
//                        line     size + 2 * MAX_RADIUS + 4
import { madd, sumLanes } from './lib/vector';

// Parameter block: offsets in bytes, as src/kernels/augment.ts writes them.
const START_X: usize = 0; // f64: source column of output column 0
const STEP_X: usize = 8; // f64: source columns an output column; negative when flipped
const START_Y: usize = 16;
const STEP_Y: usize = 24;
const BRIGHTNESS: usize = 32; // f32 factor
const CONTRAST: usize = 36; // f32 factor towards the mean luminance
const COLOUR: usize = 40; // i32: 0 leaves the colours alone
const RADIUS: usize = 44; // i32: taps on either side of the blur's centre, 0 for no blur
const MATRIX: usize = 48; // 9 f32, row-major: saturation, hue and grayscale
const TAPS: usize = 96; // RADIUS + 1 f32: weight of the centre, then of each distance

const MAX_RADIUS: usize = 31;

/** Floats of work space that `augmentPicture` needs. */
export function augmentScratch(width: usize, size: usize): usize {
  return 3 * width + 4 + 4 * (size * size + 4) + size + 2 * MAX_RADIUS + 4;
}

/** Clamps a sampling coordinate to the picture, as border padding does. */
// @ts-ignore: decorator
@inline
function clamped(coordinate: f64, length: usize): f64 {
  return min<f64>(max<f64>(coordinate, 0), <f64>(length - 1));
}

/** row[i] = top[i] + weight * (bottom[i] - top[i]), from bytes to floats. */
function blendRows(top: usize, bottom: usize, weight: f32, row: usize, length: usize): void {
  const w = f32x4.splat(weight);
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) {
    const a = v128.load64_zero(top + i);
    const b = v128.load64_zero(bottom + i);
    const aWide = i16x8.extend_low_i8x16_u(a);
    const bWide = i16x8.extend_low_i8x16_u(b);
    const difference = i16x8.sub(bWide, aWide);
    const a0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(aWide));
    const a1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(aWide));
    const d0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(difference));
    const d1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(difference));
    v128.store(row + (i << 2), madd(w, d0, a0));
    v128.store(row + (i << 2), madd(w, d1, a1), 16);
  }
  for (; i < length; i++) {
    const a = <f32>load<u8>(top + i);
    const b = <f32>load<u8>(bottom + i);
    store<f32>(row + (i << 2), a + weight * (b - a));
  }
}

/** One sampled pixel: red, green, blue and a lane of no meaning. */
// @ts-ignore: decorator
@inline
function sample(row: usize, coordinate: f64): v128 {
  const left = <i32>coordinate; // never negative, so this is the floor
  const at = row + (<usize>left) * 12;
  const a = v128.load(at);
  // At the right edge the weight is 0 and the neighbour may be anything finite: the row ends in zeroes.
  const b = v128.load(at, 12);
  return madd(f32x4.splat(<f32>(coordinate - <f64>left)), f32x4.sub(b, a), a);
}

/** Crop, flip and resize: bytes [height, width, 3] to planes [size, size]. */
function crop(
  source: usize, height: usize, width: usize,
  red: usize, green: usize, blue: usize, size: usize,
  parameters: usize, row: usize,
): void {
  const startX = load<f64>(parameters, START_X);
  const stepX = load<f64>(parameters, STEP_X);
  const startY = load<f64>(parameters, START_Y);
  const stepY = load<f64>(parameters, STEP_Y);
  const line: usize = 3 * width;
  v128.store(row + (line << 2), f32x4.splat(0));
  let at: usize = 0;
  for (let i: usize = 0; i < size; i++) {
    const y = clamped(startY + stepY * <f64>i, height);
    const top = <usize>(<i32>y);
    const bottom = min<usize>(top + 1, height - 1);
    blendRows(source + top * line, source + bottom * line, <f32>(y - <f64>top), row, line);
    at = (i * size) << 2;
    // Four columns at a time; what the last group writes too much, the next row or nobody reads.
    for (let j: usize = 0; j < size; j += 4) {
      const p0 = sample(row, clamped(startX + stepX * <f64>j, width));
      const p1 = sample(row, clamped(startX + stepX * <f64>(j + 1), width));
      const p2 = sample(row, clamped(startX + stepX * <f64>(j + 2), width));
      const p3 = sample(row, clamped(startX + stepX * <f64>(j + 3), width));
      // r0 g0 b0 . | r1 g1 b1 . | r2 g2 b2 . | r3 g3 b3 .  ->  r0 r1 r2 r3 | g0 … | b0 …
      const rg01 = v128.shuffle<f32>(p0, p1, 0, 4, 1, 5);
      const rg23 = v128.shuffle<f32>(p2, p3, 0, 4, 1, 5);
      const b01 = v128.shuffle<f32>(p0, p1, 2, 6, 2, 6);
      const b23 = v128.shuffle<f32>(p2, p3, 2, 6, 2, 6);
      v128.store(red + at, v128.shuffle<f32>(rg01, rg23, 0, 1, 4, 5));
      v128.store(green + at, v128.shuffle<f32>(rg01, rg23, 2, 3, 6, 7));
      v128.store(blue + at, v128.shuffle<f32>(b01, b23, 0, 1, 4, 5));
      at += 16;
    }
  }
}

/** Brightness, contrast towards the mean luminance, then the colour matrix; clamped to 0 … 255 after each. */
function colour(red: usize, green: usize, blue: usize, count: usize, parameters: usize): void {
  const end = count << 2;
  const low = f32x4.splat(0);
  const high = f32x4.splat(255);
  // Zeroes after the last pixel stay zero in the first pass and so add nothing to the mean.
  v128.store(red + end, low);
  v128.store(green + end, low);
  v128.store(blue + end, low);
  const brightness = f32x4.splat(load<f32>(parameters, BRIGHTNESS));
  const lumaRed = f32x4.splat(0.299);
  const lumaGreen = f32x4.splat(0.587);
  const lumaBlue = f32x4.splat(0.114);
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < end; at += 16) {
    const r = f32x4.min(f32x4.max(f32x4.mul(v128.load(red + at), brightness), low), high);
    const g = f32x4.min(f32x4.max(f32x4.mul(v128.load(green + at), brightness), low), high);
    const b = f32x4.min(f32x4.max(f32x4.mul(v128.load(blue + at), brightness), low), high);
    v128.store(red + at, r);
    v128.store(green + at, g);
    v128.store(blue + at, b);
    total = madd(r, lumaRed, total);
    total = madd(g, lumaGreen, total);
    total = madd(b, lumaBlue, total);
  }
  const factor = load<f32>(parameters, CONTRAST);
  const mean = sumLanes(total) / <f32>count;
  const contrast = f32x4.splat(factor);
  const offset = f32x4.splat(mean * (1 - factor));
  const m00 = v128.load32_splat(parameters, MATRIX);
  const m01 = v128.load32_splat(parameters, MATRIX + 4);
  const m02 = v128.load32_splat(parameters, MATRIX + 8);
  const m10 = v128.load32_splat(parameters, MATRIX + 12);
  const m11 = v128.load32_splat(parameters, MATRIX + 16);
  const m12 = v128.load32_splat(parameters, MATRIX + 20);
  const m20 = v128.load32_splat(parameters, MATRIX + 24);
  const m21 = v128.load32_splat(parameters, MATRIX + 28);
  const m22 = v128.load32_splat(parameters, MATRIX + 32);
  for (let at: usize = 0; at < end; at += 16) {
    const r = f32x4.min(f32x4.max(madd(v128.load(red + at), contrast, offset), low), high);
    const g = f32x4.min(f32x4.max(madd(v128.load(green + at), contrast, offset), low), high);
    const b = f32x4.min(f32x4.max(madd(v128.load(blue + at), contrast, offset), low), high);
    const r2 = madd(b, m02, madd(g, m01, f32x4.mul(r, m00)));
    const g2 = madd(b, m12, madd(g, m11, f32x4.mul(r, m10)));
    const b2 = madd(b, m22, madd(g, m21, f32x4.mul(r, m20)));
    v128.store(red + at, f32x4.min(f32x4.max(r2, low), high));
    v128.store(green + at, f32x4.min(f32x4.max(g2, low), high));
    v128.store(blue + at, f32x4.min(f32x4.max(b2, low), high));
  }
}

/** Gaussian blur of one plane in place, rows then columns; the border repeats. */
function blur(plane: usize, size: usize, taps: usize, radius: usize, blurred: usize, line: usize): void {
  const bytes = size << 2;
  const margin = radius << 2;
  for (let i: usize = 0; i < size; i++) {
    const from = plane + i * bytes;
    const first = load<f32>(from);
    const last = load<f32>(from + bytes - 4);
    for (let t: usize = 0; t < margin; t += 4) {
      store<f32>(line + t, first);
      store<f32>(line + margin + bytes + t, last);
    }
    memory.copy(line + margin, from, bytes);
    for (let j: usize = 0; j < bytes; j += 16) {
      const centre = line + margin + j;
      let sum = f32x4.mul(v128.load(centre), v128.load32_splat(taps));
      for (let t: usize = 4; t <= margin; t += 4) {
        const both = f32x4.add(v128.load(centre - t), v128.load(centre + t));
        sum = madd(both, v128.load32_splat(taps + t), sum);
      }
      v128.store(blurred + i * bytes + j, sum);
    }
  }
  const bottom = size - 1;
  for (let i: usize = 0; i < size; i++) {
    for (let j: usize = 0; j < bytes; j += 16) {
      let sum = f32x4.mul(v128.load(blurred + i * bytes + j), v128.load32_splat(taps));
      for (let t: usize = 1; t <= radius; t++) {
        const above = i > t ? i - t : 0;
        const below = min<usize>(i + t, bottom);
        const both = f32x4.add(v128.load(blurred + above * bytes + j), v128.load(blurred + below * bytes + j));
        sum = madd(both, v128.load32_splat(taps + (t << 2)), sum);
      }
      v128.store(plane + i * bytes + j, sum);
    }
  }
}

/** Planes to float32 [count, 3], (p - 128) / 64. */
function interleave(red: usize, green: usize, blue: usize, output: usize, count: usize): void {
  const middle = f32x4.splat(128);
  const scale = f32x4.splat(0.015625);
  let at: usize = 0;
  let to = output;
  let i: usize = 0;
  for (; i + 4 <= count; i += 4) {
    const r = f32x4.mul(f32x4.sub(v128.load(red + at), middle), scale);
    const g = f32x4.mul(f32x4.sub(v128.load(green + at), middle), scale);
    const b = f32x4.mul(f32x4.sub(v128.load(blue + at), middle), scale);
    const rg = v128.shuffle<f32>(r, g, 0, 4, 1, 5); // r0 g0 r1 g1
    const rgHigh = v128.shuffle<f32>(r, g, 2, 6, 3, 7); // r2 g2 r3 g3
    // r0 g0 b0 r1 | g1 b1 r2 g2 | b2 r3 g3 b3
    v128.store(to, v128.shuffle<f32>(rg, b, 0, 1, 4, 2));
    v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(rg, b, 3, 5, 3, 5), rgHigh, 0, 1, 4, 5), 16);
    v128.store(to, v128.shuffle<f32>(v128.shuffle<f32>(rgHigh, b, 6, 2, 3, 7), rgHigh, 0, 1, 2, 3), 32);
    at += 16;
    to += 48;
  }
  for (; i < count; i++) {
    store<f32>(to, (load<f32>(red + at) - 128) * 0.015625);
    store<f32>(to, (load<f32>(green + at) - 128) * 0.015625, 4);
    store<f32>(to, (load<f32>(blue + at) - 128) * 0.015625, 8);
    at += 4;
    to += 12;
  }
}

/**
 * Augments one picture.
 * source: u8 [height, width, 3]; output: f32 [size, size, 3]; parameters: see above; scratch: `augmentScratch` floats.
 */
export function augmentPicture(
  source: usize, height: usize, width: usize,
  output: usize, size: usize,
  parameters: usize, scratch: usize,
): void {
  const count = size * size;
  const plane = (count + 4) << 2;
  const row = scratch;
  const red = row + ((3 * width + 4) << 2);
  const green = red + plane;
  const blue = green + plane;
  crop(source, height, width, red, green, blue, size, parameters, row);
  if (load<i32>(parameters, COLOUR) != 0) colour(red, green, blue, count, parameters);
  const radius = <usize>load<i32>(parameters, RADIUS);
  if (radius > 0) {
    const blurred = blue + plane;
    const line = blurred + plane;
    const taps = parameters + TAPS;
    blur(red, size, taps, radius, blurred, line);
    blur(green, size, taps, radius, blurred, line);
    blur(blue, size, taps, radius, blurred, line);
  }
  interleave(red, green, blue, output, count);
}

/** output[i] = (source[i] - 128) / 64, exact. */
export function normalisePixels(source: usize, output: usize, count: usize): void {
  const middle = i16x8.splat(128);
  const scale = f32x4.splat(0.015625);
  let i: usize = 0;
  let to = output;
  for (; i + 8 <= count; i += 8) {
    const wide = i16x8.sub(i16x8.extend_low_i8x16_u(v128.load64_zero(source + i)), middle);
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide)), scale));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide)), scale), 16);
    to += 32;
  }
  for (; i < count; i++) {
    store<f32>(to, (<f32>load<u8>(source + i) - 128) * 0.015625);
    to += 4;
  }
}
