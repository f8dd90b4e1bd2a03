import { NearmissError } from '../errors.js';
import type { EncoderGraph, EncoderNode } from './graph.js';

/** Nodes under construction; `last` names the newest output. */
class Builder {
  readonly nodes: EncoderNode[] = [];
  last = 'image';

  convNorm(
    name: string,
    from: number,
    to: number,
    kernel: 1 | 3,
    stride: 1 | 2,
    relu: boolean,
    input = this.last,
  ): string {
    this.nodes.push({ op: 'conv', name, input, kernel, stride, inputChannels: from, outputChannels: to });
    this.nodes.push({ op: 'norm', name: `${name}.norm`, input: name, channels: to, relu });
    this.last = `${name}.norm`;
    return this.last;
  }

  depthwiseNorm(name: string, channels: number, stride: 1 | 2): void {
    const shape = { inputChannels: channels, outputChannels: channels, depthwise: true };
    this.nodes.push({ op: 'conv', name, input: this.last, kernel: 3, stride, ...shape });
    this.nodes.push({ op: 'norm', name: `${name}.norm`, input: name, channels, relu: true });
    this.last = `${name}.norm`;
  }

  lab(name: string, channels: 'l' | 'ab'): void {
    this.nodes.push({ op: 'lab', name, input: 'image', channels });
    this.last = name;
  }

  concat(name: string, a: string, b: string): void {
    this.nodes.push({ op: 'concat', name, inputs: [a, b] });
    this.last = name;
  }

  add(name: string, a: string, b: string, relu: boolean): void {
    this.nodes.push({ op: 'add', name, inputs: [a, b], relu });
    this.last = name;
  }
}

/** Stem and residual blocks of `tinyResnet` on `input`; the width of each is `narrower` times less. */
function addResnet(net: Builder, prefix: string, input: string, channels: number, narrower: number): string {
  const widths = [32, 32, 64, 128].map((width) => width / narrower);
  net.convNorm(`${prefix}stem`, channels, widths[0]!, 3, 2, true, input);
  for (let index = 1; index < widths.length; index++) {
    const block = `${prefix}block${index}`;
    const from = widths[index - 1]!;
    const to = widths[index]!;
    const stride = from === to ? 1 : 2;
    const start = net.last;
    net.convNorm(`${block}.conv1`, from, to, 3, stride, true);
    const inner = net.convNorm(`${block}.conv2`, to, to, 3, 1, false);
    const shortcut = stride === 1 ? start : net.convNorm(`${block}.shortcut`, from, to, 1, stride, false, start);
    net.add(block, inner, shortcut, true);
  }
  return net.last;
}

/**
 * `tiny-resnet`: 3x3 stem of 32 with stride 2, basic residual blocks 32→32, 32→64 and 64→128 (both stride 2; He et al.
 * 2016, option B short cuts), 332,128 parameters with its head.
 */
export function tinyResnet(): EncoderGraph {
  const net = new Builder();
  addResnet(net, '', 'image', 3, 1);
  return { name: 'tiny-resnet', nodes: net.nodes, featureChannels: 128, downsampling: 8, head: [128, 128, 64] };
}

/**
 * `tiny-resnet-lab`: two `tiny-resnet`s of half the width that never meet, one on the lightness of the picture and one
 * on its colours (CMC, Tian et al. 2019); the feature map is the channels of both. 195,696 parameters with both heads.
 */
export function tinyResnetLab(): EncoderGraph {
  const net = new Builder();
  const halves = (['l', 'ab'] as const).map((channels) => {
    net.lab(`${channels}.lab`, channels);
    return addResnet(net, `${channels}.`, `${channels}.lab`, channels === 'l' ? 1 : 2, 2);
  });
  net.concat('both', halves[0]!, halves[1]!);
  return {
    name: 'tiny-resnet-lab',
    nodes: net.nodes,
    featureChannels: 128,
    downsampling: 8,
    head: [64, 128, 64],
    parts: ['l', 'ab'],
  };
}

/**
 * `tiny-mobile`: depthwise separable blocks (MobileNet, Howard et al. 2017) with residuals where the shape stays;
 * about 150,000 parameters with its head.
 */
export function tinyMobile(): EncoderGraph {
  const net = new Builder();
  net.convNorm('stem', 3, 32, 3, 2, true);
  const blocks: readonly (readonly [number, number, 1 | 2])[] = [
    [32, 64, 1],
    [64, 64, 1],
    [64, 128, 2],
    [128, 128, 1],
    [128, 216, 2],
    [216, 216, 1],
  ];
  blocks.forEach(([from, to, stride], index) => {
    const name = `block${index + 1}`;
    const input = net.last;
    net.depthwiseNorm(`${name}.depthwise`, from, stride);
    const residual = stride === 1 && from === to;
    const output = net.convNorm(`${name}.pointwise`, from, to, 1, 1, !residual);
    if (residual) net.add(name, output, input, true);
  });
  return { name: 'tiny-mobile', nodes: net.nodes, featureChannels: 216, downsampling: 8, head: [216, 128, 64] };
}

const NETWORKS: Readonly<Record<string, () => EncoderGraph>> = {
  'tiny-resnet': tinyResnet,
  'tiny-mobile': tinyMobile,
  'tiny-resnet-lab': tinyResnetLab,
};

export const ENCODER_NAMES: readonly string[] = Object.keys(NETWORKS);

/** The encoder of that name; `NM_OPTION_INVALID` otherwise. */
export function encoderByName(name: string): EncoderGraph {
  const make = Object.hasOwn(NETWORKS, name) ? NETWORKS[name] : undefined;
  if (!make) {
    throw new NearmissError('NM_OPTION_INVALID', `encoder: found '${name}', allowed: ${ENCODER_NAMES.join(', ')}`);
  }
  return make();
}
