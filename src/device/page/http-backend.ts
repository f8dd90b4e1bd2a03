import type { Metric } from '../../retrieve/vectors.js';
import type { Answer, BackendInfo, Question, SearchBackend } from './backend.js';
import { type Failure, fromFailure } from './protocol.js';
import { titleOf } from './title.js';

/** What `POST v1/search` answers. */
interface SearchAnswer {
  readonly hits: readonly {
    readonly id: string;
    readonly score: number;
    readonly metadata?: Record<string, unknown>;
  }[];
  readonly ms?: { readonly embed?: number; readonly search?: number };
}

/** Asks the server that the page came from (the paths are in backend.ts). */
export class HttpBackend implements SearchBackend {
  async open(): Promise<BackendInfo> {
    return (await ask('v1/info')) as { items: number; model: string; metric: Metric };
  }

  async search(question: Question, k: number): Promise<Answer> {
    const start = performance.now();
    const own = 'id' in question ? question.id : undefined;
    // An item finds itself, which is not shown.
    const url = `v1/search?k=${own === undefined ? k : k + 1}`;
    const answer = (await ask(
      url,
      'picture' in question
        ? { type: question.picture.type || 'application/octet-stream', body: question.picture }
        : { type: 'application/json', body: JSON.stringify({ id: question.id }) },
    )) as SearchAnswer;
    const hits = answer.hits
      .filter(({ id }) => id !== own)
      .slice(0, k)
      .map(({ id, score, metadata }) => ({
        id,
        score,
        title: titleOf(id, metadata),
        picture: `v1/items/${encodeURIComponent(id)}/thumbnail`,
        own: false,
      }));
    return { hits, ...answer.ms, total: performance.now() - start };
  }
}

async function ask(path: string, post?: { readonly type: string; readonly body: BodyInit }): Promise<unknown> {
  const options = post && { method: 'POST', headers: { 'content-type': post.type }, body: post.body };
  const response = await fetch(path, options).catch((cause: unknown) => {
    throw new Error('The server cannot be reached.', { cause });
  });
  if (response.ok) return response.json();
  const failure = (await response.json().catch(() => undefined)) as { error?: Failure } | undefined;
  throw fromFailure(failure?.error ?? { message: `The server answered ${response.status} ${response.statusText}` });
}
