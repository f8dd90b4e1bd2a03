import { NearmissError } from '../../errors.js';
import type { DeviceConfig } from '../device-config.js';
import type { Question } from './backend.js';
import { toFailure, type WorkerMessage, type WorkerRequest } from './protocol.js';
import { DeviceSession } from './session.js';

const post = (message: WorkerMessage): void => postMessage(message);
let session: DeviceSession | undefined;
/** Calls are answered one after another: an answer is about the last question. */
let turn: Promise<void> = Promise.resolve();

async function answer({ call, args }: WorkerRequest): Promise<unknown> {
  if (call === 'open') {
    session = await DeviceSession.open(args[0] as DeviceConfig, (...progress) => post({ progress }));
    return session.info;
  }
  if (!session) throw new NearmissError('NM_INDEX_INVALID', 'the index has not been loaded');
  if (call === 'search') return session.search(args[0] as Question, args[1] as number);
  if (call === 'list') return session.list();
  return call === 'add' ? session.add(args[0] as string) : session.remove(args[0] as string);
}

addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => {
  const { number } = data;
  turn = turn.then(async () => {
    try {
      post({ number, value: await answer(data) });
    } catch (error) {
      post({ number, failure: toFailure(error) });
    }
  });
});
