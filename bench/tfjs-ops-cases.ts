// What tfjs-ops.ts measures: ops as a training user calls them, with inputs of a batch in size.
import * as tf from '@tensorflow/tfjs-core';

export interface Op {
  readonly name: string;
  /** Float inputs of uniform numbers; other inputs are made inside `run`. */
  inputs(seed: number): tf.Tensor[];
  run(...inputs: tf.Tensor[]): tf.Tensor;
  /** False where tfjs defines no gradient. */
  readonly gradient?: false;
  /** Its gradient takes the cpu backend a minute or more, and gigabytes. */
  readonly slowOnCpu?: true;
}

const floats =
  (...shapes: number[][]) =>
  (seed: number): tf.Tensor[] =>
    shapes.map((shape, i) => tf.randomUniform(shape, -1, 1, 'float32', seed + i));

const positive =
  (...shapes: number[][]) =>
  (seed: number): tf.Tensor[] =>
    shapes.map((shape, i) => tf.randomUniform(shape, 0.5, 1.5, 'float32', seed + i));

const unary = (name: string, run: (x: tf.Tensor) => tf.Tensor, inputs = floats([1024, 1024])): Op => ({
  name: `${name} [1024, 1024]`,
  inputs,
  run: (x) => run(x!),
});

type Image = tf.Tensor4D;
const PICTURES = [32, 32, 32, 32];
const image = (name: string, run: (x: Image) => tf.Tensor, shape = PICTURES): Op => ({
  name: `${name} [${shape}]`,
  inputs: floats(shape),
  run: (x) => run(x as Image),
});

const oneHot = (rows: number, classes: number): tf.Tensor2D =>
  tf.oneHot(
    tf.tensor1d(
      Int32Array.from({ length: rows }, (_, i) => (7 * i) % classes),
      'int32',
    ),
    classes,
  ) as tf.Tensor2D;

const ids = (count: number, of: number): tf.Tensor1D =>
  tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => (i * 7919) % of),
    'int32',
  );

function layerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), gamma), beta);
}

/** One update of each optimiser on two variables; made new for each run. */
const optimiser = (name: string, make: () => tf.Optimizer): Op => ({
  name: `${name}, a step of 1M`,
  inputs: floats([1024, 1024]),
  gradient: false,
  run(x) {
    const variable = tf.variable(x!);
    const own = make();
    for (let i = 0; i < 3; i++) own.applyGradients({ [variable.name]: tf.clone(x!) });
    const result = tf.clone(variable as unknown as tf.Tensor);
    own.dispose();
    variable.dispose();
    return result;
  },
});

export const OPS: readonly Op[] = [
  // convolutions
  {
    slowOnCpu: true,
    name: 'conv2d 3x3 [32, 32, 32, 32] → 32',
    inputs: floats(PICTURES, [3, 3, 32, 32]),
    run: (x, f) => tf.conv2d(x as Image, f as Image, 1, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'conv2d 3x3 stride 2 [32, 32, 32, 32] → 64',
    inputs: floats(PICTURES, [3, 3, 32, 64]),
    run: (x, f) => tf.conv2d(x as Image, f as Image, 2, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'conv2d 1x1 [32, 16, 16, 64] → 128',
    inputs: floats([32, 16, 16, 64], [1, 1, 64, 128]),
    run: (x, f) => tf.conv2d(x as Image, f as Image, 1, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'depthwise 3x3 [32, 32, 32, 32]',
    inputs: floats(PICTURES, [3, 3, 32, 1]),
    run: (x, f) => tf.depthwiseConv2d(x as Image, f as Image, 1, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'separable 3x3 [32, 16, 16, 64]',
    inputs: floats([32, 16, 16, 64], [3, 3, 64, 1], [1, 1, 64, 64]),
    run: (x, d, p) => tf.separableConv2d(x as Image, d as Image, p as Image, 1, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'conv1d 5 [32, 128, 64] → 64',
    inputs: floats([32, 128, 64], [5, 64, 64]),
    run: (x, f) => tf.conv1d(x as tf.Tensor3D, f as tf.Tensor3D, 1, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'conv2dTranspose 3x3 stride 2 [32, 8, 8, 64] → 32',
    inputs: floats([32, 8, 8, 64], [3, 3, 32, 64]),
    run: (x, f) => tf.conv2dTranspose(x as Image, f as Image, [32, 16, 16, 32], 2, 'same'),
  },
  {
    slowOnCpu: true,
    name: 'conv3d 3x3x3 [2, 8, 16, 16, 16] → 16',
    inputs: floats([2, 8, 16, 16, 16], [3, 3, 3, 16, 16]),
    run: (x, f) => tf.conv3d(x as tf.Tensor5D, f as tf.Tensor5D, 1, 'same'),
  },
  // pooling
  image('maxPool 2x2', (x) => tf.maxPool(x, 2, 2, 'valid')),
  image('maxPool 3x3 stride 2', (x) => tf.maxPool(x, 3, 2, 'same')),
  image('avgPool 2x2', (x) => tf.avgPool(x, 2, 2, 'valid')),
  image('avgPool 3x3 stride 1', (x) => tf.avgPool(x, 3, 1, 'same')),
  image('global average', (x) => tf.mean(x, [1, 2])),
  image('global max', (x) => tf.max(x, [1, 2])),
  // pictures
  image('resizeBilinear to 64x64', (x) => tf.image.resizeBilinear(x, [64, 64]), [8, 32, 32, 32]),
  image('resizeNearestNeighbor to 64x64', (x) => tf.image.resizeNearestNeighbor(x, [64, 64]), [8, 32, 32, 32]),
  image('localResponseNormalization', (x) => tf.localResponseNormalization(x)),
  image('pad 1', (x) =>
    tf.pad(x, [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]),
  ),
  image('mirrorPad 1', (x) =>
    tf.mirrorPad(
      x,
      [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
      'reflect',
    ),
  ),
  // products
  ...[
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ].map(
    ([ta, tb]): Op => ({
      name: `matMul 256${ta ? ', A transposed' : ''}${tb ? ', B transposed' : ''}`,
      inputs: floats([256, 256], [256, 256]),
      run: (a, b) => tf.matMul(a!, b!, ta, tb),
    }),
  ),
  {
    name: 'matMul attention [64, 64, 32] · [64, 32, 64]',
    inputs: floats([64, 64, 32], [64, 32, 64]),
    run: (a, b) => tf.matMul(a!, b!),
  },
  {
    name: 'einsum bhqd,bhkd->bhqk [8, 8, 64, 32]',
    inputs: floats([8, 8, 64, 32], [8, 8, 64, 32]),
    run: (a, b) => tf.einsum('bhqd,bhkd->bhqk', a!, b!),
  },
  { name: 'dot [4096]', inputs: floats([4096], [4096]), run: (a, b) => tf.dot(a!, b!) },
  // norms
  {
    name: 'batchNorm [32, 32, 32, 32]',
    inputs: positive(PICTURES, [32], [32], [32], [32]),
    run: (x, m, v, b, s) =>
      tf.batchNorm(x as Image, m as tf.Tensor1D, v as tf.Tensor1D, b as tf.Tensor1D, s as tf.Tensor1D),
  },
  {
    name: 'moments over [0, 1, 2] of [32, 32, 32, 32]',
    inputs: floats(PICTURES),
    run: (x) => {
      const { mean, variance } = tf.moments(x!, [0, 1, 2]);
      return tf.add(mean, variance);
    },
  },
  {
    name: 'layer norm [1024, 1024]',
    inputs: floats([1024, 1024], [1024], [1024]),
    run: (x, g, b) => layerNorm(x!, g!, b!),
  },
  // reductions
  ...(
    [
      ['rows', 1],
      ['columns', 0],
      ['all', undefined],
    ] as const
  ).flatMap(([of, axis]) => [
    unary(`sum of ${of}`, (x) => tf.sum(x, axis)),
    unary(`mean of ${of}`, (x) => tf.mean(x, axis)),
    unary(`max of ${of}`, (x) => tf.max(x, axis)),
    unary(`min of ${of}`, (x) => tf.min(x, axis)),
  ]),
  unary('prod of rows', (x) => tf.prod(x, 1), positive([1024, 1024])),
  unary('cumsum of rows', (x) => tf.cumsum(x, 1)),
  unary('cumsum of columns', (x) => tf.cumsum(x, 0)),
  { ...unary('argMax of rows', (x) => tf.argMax(x, 1)), gradient: false },
  unary('logSumExp of rows', (x) => tf.logSumExp(x, 1)),
  unary('softmax', (x) => tf.softmax(x)),
  unary('logSoftmax', (x) => tf.logSoftmax(x)),
  unary('norm of rows', (x) => tf.norm(x, 2, 1)),
  // element by element
  ...(
    [
      'relu',
      'relu6',
      'elu',
      'selu',
      'leakyRelu',
      'sigmoid',
      'tanh',
      'softplus',
      'exp',
      'expm1',
      'square',
      'abs',
      'neg',
      'erf',
      'sin',
      'cos',
      'floor',
      'sign',
      'step',
      'logSigmoid',
    ] as const
  ).map((name) => unary(name, (x) => tf[name](x))),
  ...(['log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal'] as const).map((name) =>
    unary(name, (x) => tf[name](x), positive([1024, 1024])),
  ),
  unary('gelu', (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1))),
  unary('swish', (x) => tf.mul(x, tf.sigmoid(x))),
  unary('clipByValue', (x) => tf.clipByValue(x, -0.5, 0.5)),
  unary('dropout', (x) => tf.dropout(x, 0.5)),
  ...(['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'squaredDifference'] as const).flatMap((name): Op[] => [
    {
      name: `${name} [1024, 1024] and the same`,
      inputs: positive([1024, 1024], [1024, 1024]),
      run: (a, b) => tf[name](a!, b!),
    },
    {
      name: `${name} [1024, 1024] and [1024]`,
      inputs: positive([1024, 1024], [1024]),
      run: (a, b) => tf[name](a!, b!),
    },
  ]),
  { name: 'add [1024, 1024] and [1024, 1]', inputs: positive([1024, 1024], [1024, 1]), run: (a, b) => tf.add(a!, b!) },
  { name: 'add [1024, 1024] and a number', inputs: positive([1024, 1024]), run: (a) => tf.add(a!, 2) },
  { name: 'mul [1024, 1024] and a number', inputs: positive([1024, 1024]), run: (a) => tf.mul(a!, 2) },
  unary('pow 3', (x) => tf.pow(x, 3), positive([1024, 1024])),
  { name: 'prelu [1024, 1024] with [1024]', inputs: floats([1024, 1024], [1024]), run: (x, a) => tf.prelu(x!, a!) },
  {
    name: 'where [1024, 1024]',
    inputs: floats([1024, 1024]),
    run: (x) => tf.where(tf.less(tf.range(0, 1024), 512), x!, tf.mul(x!, 2)),
  },
  unary('addN of 3', (x) => tf.addN([x, x, x])),
  // moving
  unary('transpose', (x) => tf.transpose(x)),
  image('transpose to NCHW', (x) => tf.transpose(x, [0, 3, 1, 2])),
  unary('concat twice', (x) => tf.concat([x, x], 1)),
  unary('split in 4', (x) => tf.addN(tf.split(x, 4, 1))),
  unary('stack and unstack', (x) => tf.addN(tf.unstack(tf.stack([x, x])))),
  unary('slice', (x) => tf.slice(x, [0, 256], [1024, 512])),
  { ...unary('stridedSlice', (x) => tf.stridedSlice(x, [0, 0], [1024, 1024], [1, 2])), gradient: false },
  unary('tile twice', (x) => tf.tile(x, [1, 2])),
  unary('reverse', (x) => tf.reverse(x, 1)),
  { ...unary('gather rows', (x) => tf.gather(x, ids(4096, 1024))), slowOnCpu: true },
  { ...unary('gather columns', (x) => tf.gather(x, ids(1024, 1024), 1)), slowOnCpu: true },
  {
    name: 'embedding of 10,000 x 64, 4,096 ids',
    inputs: floats([10_000, 64]),
    run: (x) => tf.gather(x!, ids(4096, 10_000)),
  },
  { ...unary('topk 5', (x) => tf.topk(x, 5).values), gradient: false },
  { name: 'oneHot 4096 of 1000', inputs: floats([1]), run: () => oneHot(4096, 1000), gradient: false },
  unary('broadcastTo from [1024, 1]', (x) => tf.broadcastTo(x, [1024, 1024]), floats([1024, 1])),
  // losses
  {
    name: 'softmaxCrossEntropy [1024, 1000]',
    inputs: floats([1024, 1000]),
    run: (x) => tf.losses.softmaxCrossEntropy(oneHot(1024, 1000), x!),
  },
  {
    name: 'sigmoidCrossEntropy [1024, 1000]',
    inputs: floats([1024, 1000]),
    run: (x) => tf.losses.sigmoidCrossEntropy(oneHot(1024, 1000), x!),
  },
  {
    name: 'meanSquaredError [1024, 1000]',
    inputs: floats([1024, 1000]),
    run: (x) => tf.losses.meanSquaredError(tf.zeros([1024, 1000]), x!),
  },
  {
    name: 'huberLoss [1024, 1000]',
    inputs: floats([1024, 1000]),
    run: (x) => tf.losses.huberLoss(tf.zeros([1024, 1000]), x!),
  },
  // recurrent
  {
    name: 'LSTM cell 64 x 128',
    inputs: floats([1], [256, 512], [512], [64, 128], [64, 128], [64, 128]),
    run: (forget, kernel, bias, data, c, h) =>
      tf.add(
        ...(tf.basicLSTMCell(
          forget as unknown as tf.Scalar,
          kernel as tf.Tensor2D,
          bias as tf.Tensor1D,
          data as tf.Tensor2D,
          c as tf.Tensor2D,
          h as tf.Tensor2D,
        ) as [tf.Tensor, tf.Tensor]),
      ),
  },
  // optimisers
  optimiser('sgd', () => tf.train.sgd(0.1)),
  optimiser('momentum', () => tf.train.momentum(0.1, 0.9)),
  optimiser('adagrad', () => tf.train.adagrad(0.1)),
  optimiser('adadelta', () => tf.train.adadelta()),
  optimiser('adam', () => tf.train.adam()),
  optimiser('adamax', () => tf.train.adamax()),
  optimiser('rmsprop', () => tf.train.rmsprop(0.1)),
];
