/** out = max(a + b, 0) over `length` floats. */
export function addRelu(a: usize, b: usize, out: usize, length: i32): void {
  const zero = f32x4.splat(0);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = f32x4.max(f32x4.add(v128.load(a), v128.load(b)), zero);
    const high = f32x4.max(f32x4.add(v128.load(a, 16), v128.load(b, 16)), zero);
    v128.store(out, low);
    v128.store(out, high, 16);
    a += 32;
    b += 32;
    out += 32;
  }
  for (let i = 0; i < (length & 7); i++) {
    store<f32>(out, max<f32>(load<f32>(a) + load<f32>(b), 0));
    a += 4;
    b += 4;
    out += 4;
  }
}

/** out = dy where y > 0, else 0, over `length` floats. */
export function reluGradient(dy: usize, y: usize, out: usize, length: i32): void {
  const zero = f32x4.splat(0);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero));
    const high = v128.and(v128.load(dy, 16), f32x4.gt(v128.load(y, 16), zero));
    v128.store(out, low);
    v128.store(out, high, 16);
    dy += 32;
    y += 32;
    out += 32;
  }
  for (let i = 0; i < (length & 7); i++) {
    store<f32>(out, load<f32>(y) > 0 ? load<f32>(dy) : 0);
    dy += 4;
    y += 4;
    out += 4;
  }
}

/** out = x kept within low … high over `length` floats; NaN stays NaN. */
export function clip(x: usize, out: usize, length: i32, low: f32, high: f32): void {
  const least = f32x4.splat(low);
  const most = f32x4.splat(high);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = f32x4.min(f32x4.max(v128.load(x), least), most);
    const high = f32x4.min(f32x4.max(v128.load(x, 16), least), most);
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let i = 0; i < (length & 7); i++) {
    store<f32>(out, min<f32>(max<f32>(load<f32>(x), low), high));
    x += 4;
    out += 4;
  }
}
