import type { Metric } from '../../retrieve/vectors.js';
import type { Answer, BackendInfo, PageHit, PageItem } from './backend.js';
import { byId, element } from './element.js';

/** What a person can do with an item. */
export interface ItemActions {
  readonly like: (item: PageItem) => void;
  readonly remove: (item: PageItem) => void;
}

const number = (value: number): string => value.toLocaleString('en');
const counted = (count: number, one: string, many: string): string => `${number(count)} ${count === 1 ? one : many}`;

/** `0.31 ms`, `3.1 ms`, `12 ms`, `1.2 s`. */
function duration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds.toFixed(milliseconds < 1 ? 2 : milliseconds < 10 ? 1 : 0)} ms`;
}

export function showProgress(done: number, total: number | undefined): void {
  const progress = byId<HTMLProgressElement>('progress');
  if (total !== undefined && total > 0) progress.value = Math.min(1, done / total);
  byId('about').textContent = `Loading… ${(done / 1e6).toFixed(1)} MB`;
}

export function showInfo({ items, model }: BackendInfo): void {
  byId('progress').hidden = true;
  byId('about').textContent = `${counted(items, 'item', 'items')} · ${model}`;
}

/** Errors as what happened and what to do. */
export function showProblem(error: unknown): void {
  const { message, hint } = error as { readonly message?: string; readonly hint?: string };
  const problem = byId('problem');
  problem.textContent = `${sentence(message ?? String(error))}${hint === undefined ? '' : ` ${hint}`}`;
  problem.hidden = false;
}

export function hideProblem(): void {
  byId('problem').hidden = true;
}

/** A message as it reads on its own: with a capital letter, unless it begins with a file's name, and a full stop. */
function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.replace(/^[a-z](?=[a-z]*[\s:])/, (letter) => letter.toUpperCase());
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}

export function showAnswer(answer: Answer, info: BackendInfo, actions: ItemActions, asked: string): void {
  const { hits, embed, search, total } = answer;
  const all = info.items + (info.own?.count ?? 0);
  const steps = [
    ...(embed === undefined ? [] : [`Embedded in ${duration(embed)}`]),
    ...(search === undefined ? [] : [`searched ${counted(all, 'item', 'items')} in ${duration(search)}`]),
    `${duration(total)} in all`,
  ];
  const times = steps.join(' · ').replace(/^s/, 'S');
  byId('answers-heading').hidden = false;
  byId('answers-heading').textContent = asked;
  byId('times').textContent = times;
  byId('hits').replaceChildren(...hits.map((hit) => card(hit, actions, scoreOf(hit, info.metric))));
  const [best] = hits;
  byId('status').textContent = best
    ? `${counted(hits.length, 'item', 'items')}, the nearest: ${best.title}, ${scoreOf(best, info.metric).text}. ${times}.`
    : 'Nothing was found.';
}

export function showOwnItems(items: readonly PageItem[], unusable: number, actions: ItemActions): void {
  const details = byId('own');
  details.hidden = items.length + unusable === 0;
  const rest = unusable > 0 ? `; ${unusable} of an older encoder cannot be searched` : '';
  details.querySelector('summary')!.textContent = `${counted(items.length, 'picture', 'pictures')} of yours${rest}`;
  byId('own-items').replaceChildren(...items.map((item) => card(item, actions)));
}

interface Score {
  readonly text: string;
  /** Share of the bar, where the metric has an end. */
  readonly share?: number;
}

function scoreOf({ score }: PageHit, metric: Metric): Score {
  const text = score.toFixed(metric === 'cosine' ? 3 : 2);
  return metric === 'cosine' ? { text, share: Math.max(0, Math.min(1, score)) } : { text };
}

function card(item: PageItem, actions: ItemActions, score?: Score): HTMLLIElement {
  const { title, picture, own, id } = item;
  const shown =
    picture === undefined
      ? element('div', { className: 'picture' }, 'no picture')
      : element('div', { className: 'picture' }, image(picture));
  const parts: Node[] = [shown];
  if (score?.share !== undefined) {
    const filled = element('div');
    filled.style.width = `${100 * score.share}%`;
    parts.push(element('div', { className: 'bar' }, filled));
  }
  parts.push(
    element(
      'div',
      { className: 'words' },
      element('div', { className: 'name', title: id }, title),
      ...(score ? [element('div', { className: 'score' }, score.text)] : []),
    ),
  );
  if (own) parts.push(element('span', { className: 'badge' }, 'yours'));
  parts.push(action('More like this', `More like ${title}`, () => actions.like(item)));
  if (own) parts.push(action('Remove', `Remove ${title}`, () => actions.remove(item)));
  return element('li', {}, ...parts);
}

/** The title beside it names the item, so the picture itself says nothing more. */
function image(picture: string): HTMLImageElement {
  const made = element('img', { alt: '', loading: 'lazy', src: picture });
  made.addEventListener('error', () => made.replaceWith('no picture'));
  return made;
}

function action(text: string, label: string, act: () => void): HTMLButtonElement {
  const button = element('button', { type: 'button', ariaLabel: label }, text);
  button.addEventListener('click', act);
  return button;
}
