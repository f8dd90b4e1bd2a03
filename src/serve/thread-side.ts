import type { MessagePort } from 'node:worker_threads';
import { END, sentError, type ThreadMessage } from './service-thread.js';

/** What a service thread does, once it has started. */
export interface ThreadWork<Ready, Message, Answer> {
  readonly ready: Ready;
  /** One message's answer, and which of its buffers move to the asker. Messages are not queued: calls may overlap. */
  readonly answer: (
    message: Message,
  ) => Promise<{ readonly answer: Answer; readonly transfer: readonly ArrayBuffer[] }>;
  readonly close: () => Promise<void>;
}

/** The thread's side of `ServiceThread`: starts, says so, answers messages until it is told to end. */
export async function answerWith<Ready, Message, Answer>(
  port: MessagePort,
  start: () => Promise<ThreadWork<Ready, Message, Answer>>,
): Promise<void> {
  const post = (message: ThreadMessage<Ready, Answer>, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(message, transfer);
  };
  let work: ThreadWork<Ready, Message, Answer>;
  try {
    work = await start();
  } catch (error) {
    post({ type: 'failed', error: sentError(error) });
    port.close();
    return;
  }
  port.on('message', async (message: (Message & { readonly id: number }) | typeof END) => {
    if (message === END) {
      await work.close();
      port.close();
      return;
    }
    const { id } = message;
    try {
      const { answer, transfer } = await work.answer(message);
      post({ type: 'answer', id, answer }, transfer);
    } catch (error) {
      post({ type: 'refused', id, error: sentError(error) });
    }
  });
  post({ type: 'ready', value: work.ready });
}
