import type { DeviceConfig } from '../device-config.js';
import type { Answer, BackendInfo, PageConfig, PageItem, Question, SearchBackend } from './backend.js';
import { Camera } from './camera.js';
import { DeviceBackend } from './device-backend.js';
import { byId } from './element.js';
import { HttpBackend } from './http-backend.js';
import { keepOffline } from './offline.js';
import { firstFile, onFiles } from './picture-input.js';
import { hideProblem, showAnswer, showInfo, showOwnItems, showProblem, showProgress } from './view.js';

/** Hits at first, how many more at a time, and at most. */
const [FEW, MORE, MOST] = [12, 24, 108];

/** The page: what was asked, and what was answered. */
class App {
  readonly #backend: SearchBackend;
  #info: BackendInfo;
  #question: { readonly about: Question; readonly words: string } | undefined;
  #k = FEW;
  /** Numbers questions: an answer to an older one is not shown. */
  #asked = 0;

  constructor(backend: SearchBackend, info: BackendInfo) {
    this.#backend = backend;
    this.#info = info;
  }

  async askPicture(picture: Blob): Promise<void> {
    this.#showQuery(URL.createObjectURL(picture));
    if (await this.#ask({ picture }, 'Nearest items')) byId('add').hidden = !this.#backend.own || !this.#info.own;
  }

  async askLike(item: PageItem): Promise<void> {
    if (item.picture !== undefined) this.#showQuery(item.picture);
    byId('add').hidden = true;
    if (await this.#ask({ id: item.id }, `More like ${item.title}`)) byId('answers-heading').focus();
  }

  async askMore(): Promise<void> {
    const { about, words } = this.#question!;
    await this.#ask(about, words, Math.min(MOST, this.#k + MORE));
  }

  async add(title: string): Promise<void> {
    const own = await this.#backend.own!.add(title);
    this.#info = { ...this.#info, own };
    byId('add').hidden = true;
    await this.showOwn();
    await this.#again();
  }

  async remove(item: PageItem): Promise<void> {
    const own = await this.#backend.own!.remove(item.id);
    this.#info = { ...this.#info, own };
    await this.showOwn();
    const about = this.#question?.about;
    if (about && 'id' in about && about.id === item.id) return; // there is nothing to compare with any more
    await this.#again();
  }

  async showOwn(): Promise<void> {
    const { own } = this.#info;
    if (own && this.#backend.own) showOwnItems(await this.#backend.own.list(), own.unusable, this.#actions);
  }

  readonly #actions = {
    like: (item: PageItem): void => attempt(() => this.askLike(item)),
    remove: (item: PageItem): void => attempt(() => this.remove(item)),
  };

  async #again(): Promise<void> {
    if (this.#question) await this.#ask(this.#question.about, this.#question.words, this.#k);
  }

  /** False where a newer question has come meanwhile. */
  async #ask(about: Question, words: string, k: number = FEW): Promise<boolean> {
    const number = ++this.#asked;
    const answers = byId('answers');
    answers.ariaBusy = 'true';
    hideProblem();
    try {
      const answer = await this.#backend.search(about, k);
      if (number !== this.#asked) return false;
      this.#question = { about, words };
      this.#k = k;
      this.#show(answer, words);
      return true;
    } catch (error) {
      if (number !== this.#asked) return false;
      throw error;
    } finally {
      if (number === this.#asked) answers.ariaBusy = 'false';
    }
  }

  #show(answer: Answer, words: string): void {
    showAnswer(answer, this.#info, this.#actions, words);
    const all = this.#info.items + (this.#info.own?.count ?? 0);
    byId('more').hidden = answer.hits.length < this.#k || this.#k >= Math.min(MOST, all);
  }

  #showQuery(address: string): void {
    const query = byId<HTMLImageElement>('query');
    if (query.src.startsWith('blob:')) URL.revokeObjectURL(query.src);
    query.src = address;
    query.hidden = false;
    byId('invitation').hidden = true;
  }
}

/** Does something for the person, who is told where it fails. */
function attempt(work: () => Promise<void> | void): void {
  Promise.resolve().then(work).catch(showProblem);
}

function listen(app: App): void {
  const file = byId<HTMLInputElement>('file');
  const camera = new Camera(byId<HTMLDialogElement>('camera'), byId<HTMLVideoElement>('viewfinder'));
  const click = (id: string, work: () => Promise<void> | void): void => {
    const button = byId<HTMLButtonElement>(id);
    button.disabled = false;
    button.addEventListener('click', () => attempt(work));
  };
  click('choose', () => file.click());
  click('open-camera', () => camera.open());
  click('take', async () => app.askPicture(await camera.take()));
  click('close-camera', () => camera.close());
  click('more', () => app.askMore());
  file.addEventListener('change', () => {
    const chosen = firstFile(file.files);
    file.value = ''; // so that the same file can be chosen again
    if (chosen) attempt(() => app.askPicture(chosen));
  });
  onFiles((dropped) => attempt(() => app.askPicture(dropped)), showProblem);
  const title = byId<HTMLInputElement>('add-title');
  byId('add').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(async () => {
      await app.add(title.value.trim() || 'my picture');
      title.value = '';
      // Without it a browser short of space may throw them away.
      await navigator.storage?.persist?.();
    });
  });
}

const PRIVACY = {
  device: 'Your pictures stay on this device: nothing is sent anywhere.',
  http: 'Your pictures are sent to the server of this page, and nowhere else.',
} as const;

function listenForUpdates(version: string): Promise<void> {
  return keepOffline(version, {
    onStored: () => {
      const about = byId('about');
      about.textContent = `${about.textContent} · works offline`;
    },
    onUpdate: (use) => {
      byId('update').hidden = false;
      byId('use-update').addEventListener('click', use, { once: true });
    },
  });
}

async function start(): Promise<void> {
  const response = await fetch('config.json');
  if (!response.ok) throw new Error(`config.json could not be loaded: the server answered ${response.status}`);
  const config = (await response.json()) as PageConfig;
  if (config.title !== undefined) {
    byId('title').textContent = config.title;
    document.title = config.title;
  }
  const backend = config.backend === 'http' ? new HttpBackend() : new DeviceBackend(config as DeviceConfig);
  const info = await backend.open(showProgress);
  showInfo(info);
  byId('privacy').textContent = PRIVACY[config.backend] + (info.ownFault === undefined ? '' : ` ${info.ownFault}`);
  const app = new App(backend, info);
  listen(app);
  await app.showOwn();
  if (config.backend === 'device') await listenForUpdates((config as DeviceConfig).version);
}

start().catch((error: unknown) => {
  byId('progress').hidden = true;
  byId('about').textContent = 'This page could not be opened.';
  showProblem(error);
});
