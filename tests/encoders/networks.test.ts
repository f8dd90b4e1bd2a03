import { describe, expect, it } from 'vitest';
import { type EncoderGraph, headNames, parameterCount } from '../../src/encoders/graph.js';
import { ENCODER_NAMES, encoderByName, tinyMobile, tinyResnet } from '../../src/encoders/networks.js';
import { NearmissError } from '../../src/errors.js';

interface MapShape {
  readonly channels: number;
  /** Picture size divided by the map's. */
  readonly shrink: number;
}

/** Walks a network as a reader of the list would, and checks that each node fits its inputs. */
function shapes(graph: EncoderGraph): Map<string, MapShape> {
  const known = new Map<string, MapShape>([['image', { channels: 3, shrink: 1 }]]);
  const of = (name: string): MapShape => {
    const shape = known.get(name);
    if (!shape) throw new Error(`${graph.name}: '${name}' is used before it is made`);
    return shape;
  };
  for (const node of graph.nodes) {
    expect(known.has(node.name), `${node.name} is made once`).toBe(false);
    if (node.op === 'add') {
      const [a, b] = node.inputs.map(of);
      expect(a, node.name).toEqual(b);
      known.set(node.name, a!);
    } else if (node.op === 'norm') {
      expect(node.channels, node.name).toBe(of(node.input).channels);
      known.set(node.name, of(node.input));
    } else if (node.op === 'lab') {
      known.set(node.name, { channels: node.channels === 'l' ? 1 : 2, shrink: 1 });
    } else if (node.op === 'concat') {
      const [a, b] = node.inputs.map(of);
      expect(a!.shrink, node.name).toBe(b!.shrink);
      known.set(node.name, { channels: a!.channels + b!.channels, shrink: a!.shrink });
    } else {
      const { channels, shrink } = of(node.input);
      expect(node.inputChannels, node.name).toBe(channels);
      if (node.depthwise) expect(node.outputChannels, node.name).toBe(channels);
      known.set(node.name, { channels: node.outputChannels, shrink: shrink * node.stride });
    }
  }
  return known;
}

describe.each(ENCODER_NAMES)('%s', (name) => {
  const graph = encoderByName(name);

  it('is found by its name', () => {
    expect(graph.name).toBe(name);
  });

  it('fits together, down to the feature map and head that it states', () => {
    const last = shapes(graph).get(graph.nodes.at(-1)!.name);
    expect(last).toEqual({ channels: graph.featureChannels, shrink: graph.downsampling });
    expect(graph.head[0] * headNames(graph).length).toBe(graph.featureChannels);
  });

  it('follows each convolution by its batch norm', () => {
    graph.nodes.forEach((node, i) => {
      if (node.op === 'conv') expect(graph.nodes[i + 1]).toMatchObject({ op: 'norm', input: node.name });
    });
  });

  it('ends in a rectified map, so that its average tells where features are', () => {
    const last = graph.nodes.at(-1)!;
    const ends = last.op === 'concat' ? last.inputs : [last.name];
    for (const end of ends) expect(graph.nodes.find(({ name }) => name === end)).toMatchObject({ relu: true });
  });

  it('divides every picture size that training allows', () => {
    for (const size of [32, 48, 64, 96]) expect(size % graph.downsampling).toBe(0);
  });
});

describe('parameters', () => {
  it('of tiny-resnet are 332,128 with its head', () => {
    // Stem 864, blocks 18,432 + 57,344 + 229,376, batch norms 1,344, head 24,768.
    expect(parameterCount(tinyResnet())).toBe(332_128);
  });

  it('of tiny-mobile are about 150,000, most of them in pointwise convolutions', () => {
    const graph = tinyMobile();
    expect(parameterCount(graph)).toBeGreaterThan(145_000);
    expect(parameterCount(graph)).toBeLessThan(155_000);
    expect(graph.nodes.filter((node) => node.op === 'conv' && node.depthwise)).toHaveLength(6);
  });
});

describe('encoderByName', () => {
  it.each(['resnet50', '', 'constructor', '__proto__'])("refuses '%s' and lists what there is", (name) => {
    const refused = (): unknown => encoderByName(name);
    expect(refused).toThrow(NearmissError);
    expect(refused).toThrow(`encoder: found '${name}', allowed: tiny-resnet, tiny-mobile`);
  });
});
