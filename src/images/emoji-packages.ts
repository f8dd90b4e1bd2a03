import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NearmissError } from '../errors.js';
import type { SourceItem } from './source-item.js';

/** The two packages that the default data comes from: Noto (Apache-2.0) and Twemoji (CC-BY 4.0). */
export const EMOJI_PACKAGES = ['emoji-datasource-google', 'emoji-datasource-twitter'] as const;

/** Where the packages are: the folder of the list, and those of the 64x64 pictures. */
export interface EmojiFolders {
  readonly list: string;
  readonly noto: string;
  readonly twemoji: string;
}

/** What nearmiss uses of an entry of emoji.json. */
export interface EmojiEntry {
  readonly unified: string;
  readonly short_name: string;
  readonly category: string;
  readonly image: string;
  readonly has_img_google: boolean;
  readonly has_img_twitter: boolean;
}

/**
 * Finds the packages from the caller's project, then from nearmiss' own place.
 *
 * @param from a folder of the caller's project
 * @throws `NM_EMOJI_MISSING`
 */
export function emojiPackages(from: string, own: string = import.meta.url): EmojiFolders {
  const bases = [pathToFileURL(join(from, 'package.json')), own];
  const [google, twitter] = EMOJI_PACKAGES.map((name) => {
    for (const base of bases) {
      try {
        return dirname(createRequire(base).resolve(`${name}/package.json`));
      } catch {
        // Not installed there: the next place, then the error below.
      }
    }
    throw new NearmissError(
      'NM_EMOJI_MISSING',
      `the emoji pictures come from two packages, and ${name} is not installed: npm install ${EMOJI_PACKAGES.join(' ')}`,
    );
  }) as [string, string];
  return { list: google, noto: join(google, 'img/google/64'), twemoji: join(twitter, 'img/twitter/64') };
}

/** Base emoji that both vendors drew, sorted by `unified`. */
export async function emojiEntries({ list }: EmojiFolders): Promise<EmojiEntry[]> {
  const entries = JSON.parse(await readFile(join(list, 'emoji.json'), 'utf8')) as EmojiEntry[];
  return entries
    .filter((entry) => entry.has_img_google && entry.has_img_twitter)
    .sort((a, b) => (a.unified < b.unified ? -1 : 1));
}

/** The pictures of one vendor, in the order of the entries. */
export async function* emojiItems(folder: string, entries: readonly EmojiEntry[]): AsyncGenerator<SourceItem> {
  for (const { image } of entries) {
    // The size is checked again when the bytes are there; these files are a few KB.
    yield { kind: 'file', name: image, size: 0, read: () => readFile(join(folder, image)) };
  }
}
