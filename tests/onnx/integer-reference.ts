import { onnx } from 'onnx-proto';

/** A tensor, row-major; integers are kept as the float64 numbers that they are. */
interface Tensor {
  readonly dims: readonly number[];
  readonly data: Float64Array;
  /** Lowest and highest integer of the type; none for floats. */
  readonly integers?: readonly [number, number];
}

type Attributes = ReadonlyMap<string, number | readonly number[]>;

const size = (dims: readonly number[]): number => dims.reduce((product, length) => product * length, 1);

/** The ONNX specification's "round half to even". */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function initialiser(tensor: onnx.ITensorProto): Tensor {
  const dims = (tensor.dims ?? []).map(Number);
  const raw = new Uint8Array(tensor.rawData!).buffer;
  if (tensor.dataType === 1) return { dims, data: Float64Array.from(new Float32Array(raw)) };
  if (tensor.dataType === 2) return { dims, data: Float64Array.from(new Uint8Array(raw)), integers: [0, 255] };
  if (tensor.dataType === 3) return { dims, data: Float64Array.from(new Int8Array(raw)), integers: [-128, 127] };
  if (tensor.dataType === 6) return { dims, data: Float64Array.from(new Int32Array(raw)) };
  throw new Error(`data type ${tensor.dataType}`);
}

/** Numpy's broadcasting of two tensors. */
function elementwise(a: Tensor, b: Tensor, apply: (x: number, y: number) => number): Tensor {
  const rank = Math.max(a.dims.length, b.dims.length);
  const padded = ({ dims }: Tensor): number[] => [...new Array(rank - dims.length).fill(1), ...dims];
  const [left, right] = [padded(a), padded(b)];
  const dims = left.map((length, axis) => Math.max(length, right[axis]!));
  const at = (own: readonly number[], index: number): number => {
    let place = 0;
    let rest = index;
    let stride = 1;
    for (let axis = rank - 1; axis >= 0; axis--) {
      if (own[axis]! > 1) place += (rest % dims[axis]!) * stride;
      rest = Math.floor(rest / dims[axis]!);
      stride *= own[axis]!;
    }
    return place;
  };
  const data = Float64Array.from({ length: size(dims) }, (_, i) => apply(a.data[at(left, i)]!, b.data[at(right, i)]!));
  return { dims, data };
}

function map({ dims, data }: Tensor, apply: (value: number, index: number) => number): Tensor {
  return { dims, data: data.map(apply) };
}

function transpose({ dims, data, integers }: Tensor, perm: readonly number[]): Tensor {
  const to = perm.map((axis) => dims[axis]!);
  const strides = dims.map((_, axis) => size(dims.slice(axis + 1)));
  const moved = Float64Array.from({ length: data.length }, (_, index) => {
    let rest = index;
    let from = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += (rest % to[axis]!) * strides[perm[axis]!]!;
      rest = Math.floor(rest / to[axis]!);
    }
    return data[from]!;
  });
  return { dims: to, data: moved, ...(integers && { integers }) };
}

function convolve(x: Tensor, w: Tensor, bias: Tensor | undefined, attributes: Attributes): Tensor {
  const [batch, channels, height, width] = x.dims as [number, number, number, number];
  const [outputs, perGroup, kernel] = w.dims as [number, number, number];
  const [stride] = (attributes.get('strides') ?? [1]) as [number];
  const [pad] = (attributes.get('pads') ?? [0]) as [number];
  const groups = (attributes.get('group') ?? 1) as number;
  const side = (length: number): number => Math.floor((length + 2 * pad - kernel) / stride) + 1;
  const dims = [batch, outputs, side(height), side(width)];
  const data = new Float64Array(size(dims));
  let to = 0;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor((o * groups) / outputs) * perGroup;
      for (let oy = 0; oy < dims[2]!; oy++) {
        for (let ox = 0; ox < dims[3]!; ox++) {
          let sum = bias?.data[o] ?? 0;
          for (let c = 0; c < perGroup; c++) {
            for (let ky = 0; ky < kernel; ky++) {
              const iy = oy * stride + ky - pad;
              if (iy < 0 || iy >= height) continue;
              const row = ((n * channels + first + c) * height + iy) * width + ox * stride - pad;
              const weights = ((o * perGroup + c) * kernel + ky) * kernel;
              for (let kx = 0; kx < kernel; kx++) {
                const ix = ox * stride + kx - pad;
                if (ix >= 0 && ix < width) sum += x.data[row + kx]! * w.data[weights + kx]!;
              }
            }
          }
          data[to++] = sum;
        }
      }
    }
  }
  return { dims, data };
}

function averagePool(x: Tensor, kernel: number, stride: number): Tensor {
  const [batch, channels, height, width] = x.dims as [number, number, number, number];
  const flat = { dims: [batch * channels, 1, height, width], data: x.data };
  const w = { dims: [1, 1, kernel, kernel], data: new Float64Array(kernel * kernel).fill(1 / (kernel * kernel)) };
  const { dims, data } = convolve(flat, w, undefined, new Map([['strides', [stride, stride]]]));
  return { dims: [batch, channels, dims[2]!, dims[3]!], data };
}

function concatenate(a: Tensor, b: Tensor): Tensor {
  const [batch, left, height, width] = a.dims as [number, number, number, number];
  const right = b.dims[1]!;
  const area = height * width;
  const data = new Float64Array(a.data.length + b.data.length);
  for (let n = 0; n < batch; n++) {
    data.set(a.data.subarray(n * left * area, (n + 1) * left * area), n * (left + right) * area);
    data.set(b.data.subarray(n * right * area, (n + 1) * right * area), (n * (left + right) + left) * area);
  }
  return { dims: [batch, left + right, height, width], data };
}

function gemm(x: Tensor, w: Tensor, bias: Tensor): Tensor {
  const [rows, inner] = x.dims as [number, number];
  const columns = w.dims[1]!;
  const data = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = bias.data[column]!;
      for (let k = 0; k < inner; k++) sum += x.data[row * inner + k]! * w.data[k * columns + column]!;
      data[row * columns + column] = sum;
    }
  }
  return { dims: [rows, columns], data };
}

/** Integers of values: saturate(round(x / scale) + zero), of the zero point's type. */
function quantise(x: Tensor, scale: Tensor, zero: Tensor): Tensor {
  const [lowest, highest] = zero.integers!;
  const data = x.data.map((value) =>
    Math.max(lowest, Math.min(highest, roundHalfEven(value / scale.data[0]!) + zero.data[0]!)),
  );
  return { dims: x.dims, data, integers: [lowest, highest] };
}

/** Values of integers: (q - zero) · scale, with one scale in all or one for each place of the first axis. */
function dequantise(q: Tensor, scale: Tensor, zero: Tensor): Tensor {
  const per = q.data.length / scale.data.length;
  return map(q, (value, i) => (value - zero.data[Math.floor(i / per)]!) * scale.data[Math.floor(i / per)]!);
}

function compute(op: string, x: readonly Tensor[], attributes: Attributes): Tensor {
  const [a, b, c] = x as [Tensor, Tensor, Tensor];
  switch (op) {
    case 'Transpose':
      return transpose(a, attributes.get('perm') as readonly number[]);
    case 'QuantizeLinear':
      return quantise(a, b, c);
    case 'DequantizeLinear':
      return dequantise(a, b, c);
    case 'Cast':
      return { dims: a.dims, data: a.data };
    case 'Conv':
      return convolve(a, b, c, attributes);
    case 'Relu':
      return map(a, (value) => Math.max(0, value));
    case 'Add':
      return elementwise(a, b, (p, q) => p + q);
    case 'Mul':
      return elementwise(a, b, (p, q) => p * q);
    case 'Div':
      return elementwise(a, b, (p, q) => p / q);
    case 'Max':
      return elementwise(a, b, Math.max);
    case 'Pow':
      return elementwise(a, b, (p, q) => p ** q);
    case 'Greater':
      return elementwise(a, b, (p, q) => Number(p > q));
    case 'Where':
      return map(a, (value, i) => (value === 0 ? c : b).data[i]!);
    case 'Concat':
      return concatenate(a, b);
    case 'GlobalAveragePool':
      return averagePool(a, a.dims[2]!, 1);
    case 'AveragePool':
      return averagePool(
        a,
        (attributes.get('kernel_shape') as readonly number[])[0]!,
        (attributes.get('strides') as readonly number[])[0]!,
      );
    case 'Flatten':
      return { dims: [a.dims[0]!, a.data.length / a.dims[0]!], data: a.data };
    case 'Gemm':
      return gemm(a, attributes.get('transB') === 1 ? transpose(b, [1, 0]) : b, c);
    case 'ReduceL2': {
      const [rows, width] = a.dims as [number, number];
      const length = (_: unknown, row: number): number =>
        Math.hypot(...a.data.subarray(row * width, (row + 1) * width));
      return { dims: [rows, 1], data: Float64Array.from({ length: rows }, length) };
    }
    default:
      throw new Error(`operator ${op}`);
  }
}

/**
 * What an exported graph computes by the definitions of ONNX's operators, in float64: read by another decoder than ours,
 * node by node, nothing fused. Gives every tensor by name.
 */
export function runGraph(file: Uint8Array, pictures: Uint8Array, side: number): ReadonlyMap<string, Tensor> {
  const graph = onnx.ModelProto.decode(file).graph!;
  const tensors = new Map<string, Tensor>(graph.initializer!.map((one) => [one.name!, initialiser(one)]));
  const dims = [pictures.length / (side * side * 3), side, side, 3];
  tensors.set('image', { dims, data: Float64Array.from(pictures), integers: [0, 255] });
  for (const node of graph.node!) {
    const inputs = node.input!.map((name) => {
      const found = tensors.get(name);
      if (!found) throw new Error(`'${name}' is read before it is there`);
      return found;
    });
    const attributes = new Map(
      node.attribute!.map((one) => [one.name!, one.ints!.length > 0 ? one.ints!.map(Number) : Number(one.i)] as const),
    );
    tensors.set(node.output![0]!, compute(node.opType!, inputs, attributes));
  }
  return tensors;
}
