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

  add(name: string, a: string, b: string, relu: boolean): void {
    this.nodes.push({ op: 'add', name, inputs: [a, b], relu });
    this.last = name;
  }
}

/**
 * `tiny-resnet`: 3x3 stem of 32 with stride 2, basic residual blocks 32→32, 32→64 and 64→128 (both stride 2; He et al.
 * 2016, option B short cuts), 332,128 parameters with its head.
 */
export function tinyResnet(): EncoderGraph {
  const net = new Builder();
  net.convNorm('stem', 3, 32, 3, 2, true);
  const widths = [32, 32, 64, 128];
  for (let block = 1; block < widths.length; block++) {
    const from = widths[block - 1]!;
    const to = widths[block]!;
    const stride = from === to ? 1 : 2;
    const input = net.last;
    net.convNorm(`block${block}.conv1`, from, to, 3, stride, true);
    const inner = net.convNorm(`block${block}.conv2`, to, to, 3, 1, false);
    const shortcut = stride === 1 ? input : net.convNorm(`block${block}.shortcut`, from, to, 1, stride, false, input);
    net.add(`block${block}`, inner, shortcut, true);
  }
  return { name: 'tiny-resnet', nodes: net.nodes, featureChannels: 128, downsampling: 8, head: [128, 128, 64] };
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
