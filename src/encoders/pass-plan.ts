import type { EncoderGraph, EncoderNode } from './graph.js';

export type ConvNode = Extract<EncoderNode, { op: 'conv' }>;
export type NormNode = Extract<EncoderNode, { op: 'norm' }>;
export type AddNode = Extract<EncoderNode, { op: 'add' }>;

/** A convolution with the batch norm of its output. */
export interface ConvStep {
  readonly op: 'conv';
  readonly conv: ConvNode;
  readonly norm: NormNode;
}
export interface AddStep {
  readonly op: 'add';
  readonly add: AddNode;
}
export type Step = ConvStep | AddStep;

/**
 * The order of a training pass. A norm needs its convolution's output of the whole batch, and a convolution's backward
 * pass the sums of its norm's gradient; between two such points (a stage) the batch is worked on part by part.
 */
export interface PassPlan {
  readonly forward: readonly (readonly Step[])[];
  readonly backward: readonly (readonly Step[])[];
  /** Height and width, in pixels, and channels of every node's output. */
  readonly places: ReadonlyMap<string, Place>;
  /** The norm or join that is the feature map. */
  readonly last: NormNode | AddNode;
  readonly norms: readonly ConvStep[];
}

export interface Place {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * Plans training passes over pictures of `height` x `width`; undefined for a graph with other nodes than convolutions,
 * each with a norm behind it, and joins, or whose joins meet in other joins only.
 */
export function planPass(graph: EncoderGraph, height: number, width: number): PassPlan | undefined {
  const steps = stepsOf(graph);
  const last = graph.nodes[graph.nodes.length - 1];
  if (!steps || !last || last.op === 'conv' || last.op === 'lab' || last.op === 'concat') return undefined;
  const norms = steps.flatMap((step) => (step.op === 'conv' ? [step] : []));
  const places = placesOf(graph, height, width);
  // Joins run over eight channels at a time.
  const joined = steps.flatMap((step) => (step.op === 'add' ? [places.get(step.add.name)!.channels] : []));
  if (joined.some((channels) => channels % 8 !== 0)) return undefined;
  const forward = forwardStages(steps);
  const backward = backwardStages(steps, last.name);
  return backward && { forward, backward, places, last, norms };
}

function stepsOf(graph: EncoderGraph): Step[] | undefined {
  const uses = new Map<string, number>();
  for (const node of graph.nodes) {
    if (node.op === 'lab' || node.op === 'concat') return undefined;
    for (const input of node.op === 'add' ? node.inputs : [node.input]) uses.set(input, (uses.get(input) ?? 0) + 1);
  }
  const convs = new Set(graph.nodes.filter((node) => node.op === 'conv').map((node) => node.name));
  const steps: Step[] = [];
  for (const node of graph.nodes) {
    if (node.op === 'add') {
      if (node.inputs.some((input) => convs.has(input) || input === 'image')) return undefined;
      steps.push({ op: 'add', add: node });
    } else if (node.op === 'conv') {
      const norm = graph.nodes.find((other): other is NormNode => other.op === 'norm' && other.input === node.name);
      if (!norm || uses.get(node.name) !== 1 || convs.has(node.input)) return undefined;
      steps.push({ op: 'conv', conv: node, norm });
    } else if (node.op === 'norm' && !convs.has(node.input)) {
      return undefined;
    }
  }
  const end = graph.nodes[graph.nodes.length - 1]?.name;
  const unread = graph.nodes.some((node) => !uses.has(node.name) && node.name !== end);
  return unread ? undefined : steps;
}

function placesOf(graph: EncoderGraph, height: number, width: number): Map<string, Place> {
  const places = new Map<string, Place>([['image', { height, width, channels: 3 }]]);
  for (const node of graph.nodes) {
    if (node.op === 'lab' || node.op === 'concat') continue;
    const from = places.get(node.op === 'add' ? node.inputs[0] : node.input)!;
    const out =
      node.op === 'conv'
        ? {
            height: Math.floor((from.height - 1) / node.stride) + 1,
            width: Math.floor((from.width - 1) / node.stride) + 1,
            channels: node.outputChannels,
          }
        : from;
    places.set(node.name, out);
  }
  return places;
}

/** Values that a step reads. */
export function inputsOf(step: Step): readonly string[] {
  return step.op === 'add' ? step.add.inputs : [step.conv.input];
}

/** The value that others read of a step. */
export function outputOf(step: Step): string {
  return step.op === 'add' ? step.add.name : step.norm.name;
}

function forwardStages(steps: readonly Step[]): Step[][] {
  const stages: Step[][] = [];
  let stage: Step[] = [];
  /** Norms whose statistics come together in this stage. */
  let open = new Set<string>();
  for (const step of steps) {
    if (inputsOf(step).some((input) => open.has(input))) {
      stages.push(stage);
      stage = [];
      open = new Set();
    }
    stage.push(step);
    if (step.op === 'conv') open.add(step.norm.name);
  }
  stages.push(stage);
  return stages;
}

function backwardStages(steps: readonly Step[], last: string): Step[][] | undefined {
  const left = new Map<string, number>();
  const convReaders = new Map<string, number>();
  for (const step of steps) {
    for (const input of inputsOf(step)) {
      left.set(input, (left.get(input) ?? 0) + 1);
      if (step.op === 'conv') convReaders.set(input, (convReaders.get(input) ?? 0) + 1);
    }
  }
  // A value read by several joins and no convolution has nowhere to sum their gradients.
  for (const [value, readers] of left)
    if (value !== 'image' && readers > 1 && !convReaders.has(value)) return undefined;
  const stages: Step[][] = [];
  let stage: Step[] = [];
  /** Norms whose gradient sums come together in this stage; that of the feature map before the first. */
  let open = new Set<string>();
  const waiting = new Map<string, ConvStep[]>();
  const place = (convs: readonly ConvStep[]): void => {
    if (convs.some(({ norm }) => open.has(norm.name))) {
      stages.push(stage);
      stage = [];
      open = new Set();
    }
    stage.push(...convs);
  };
  const isJoin = new Set(steps.flatMap((step) => (step.op === 'add' ? [step.add.name] : [])));
  /** One reader of a value has given its gradient. */
  const give = (value: string): void => {
    const readers = left.get(value)! - 1;
    left.set(value, readers);
    if (readers > 0) return;
    place(waiting.get(value) ?? []);
    if (!isJoin.has(value)) open.add(value);
  };
  for (const step of [...steps].reverse()) {
    if (step.op === 'add') {
      stage.push(step);
      for (const input of step.add.inputs) give(input);
    } else if (step.conv.input === 'image') {
      place([step]);
    } else {
      // A convolution that is not the last to give its input's gradient waits for that one, to add up in the cache.
      const value = step.conv.input;
      waiting.set(value, [...(waiting.get(value) ?? []), step]);
      give(value);
    }
  }
  stages.push(stage);
  return left.has(last) ? undefined : stages;
}
