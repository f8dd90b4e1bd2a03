import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NearmissError } from '../errors.js';
import { emojiEntries, emojiPackages } from '../images/emoji-packages.js';
import { readModel } from '../onnx/file.js';
import { fingerprint } from '../onnx/seal.js';
import { type JsonObject, type Store, type VectorKind, writeDeviceIndex } from '../retrieve/index.js';
import { writeThumbnails } from './bundle-thumbnails.js';
import { type BundleContent, type BundleFile, type DeviceConfig, STARTING_FILES } from './device-config.js';
import { openDeviceEncoder } from './encoder.js';

export interface BundleOptions {
  /** The model that filled the store. Default: where the store says it lies. */
  readonly model?: string;
  /** What embeds in the page: our own engine (default), or onnxruntime-web, 14 MB more, for graphs that ours does not run. */
  readonly engine?: 'own' | 'ort';
  /** How the index keeps its vectors. Default `float32`: the same scores as the store's. */
  readonly vectors?: VectorKind;
  /** Heading of the page. Default `nearmiss`. */
  readonly title?: string;
  /** Longer side of a thumbnail in pixels, 0 … 512; 0 for none. Default 128. */
  readonly thumbnails?: number;
  /** Where the pictures are, where they are no longer where they were when they were indexed. */
  readonly pictures?: string;
  readonly signal?: AbortSignal;
  /** Told of what is being done, in words. */
  readonly onProgress?: (line: string) => void;
}

export interface Bundle {
  readonly items: number;
  /** Items with a thumbnail. */
  readonly pictures: number;
  readonly files: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Names the content: equal content, equal version. */
  readonly version: string;
}

const PAGE = fileURLToPath(new URL('../../dist/device/page/', import.meta.url));
const WASM = fileURLToPath(new URL('../../dist/wasm/', import.meta.url));
const PAGE_FILES = ['app.js', 'worker.js', 'style.css', 'icon.svg', 'icon-192.png', 'icon-512.png'];
const RETRIEVAL_WASM = ['retrieval-plain.wasm', 'retrieval-relaxed.wasm'];
const DEVICE_WASM = ['device-plain.wasm', 'device-relaxed.wasm'];
const ORT_FILES = ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];
/** The service worker asks for the page by its folder, as browsers do. */
const INDEX_ADDRESS = './';

/**
 * Writes a folder that any web server can serve: the page of `nearmiss/device`, the model, the index file and thumbnails.
 * Where `out` holds an earlier bundle, the new one takes its place. The folder appears whole, or not at all.
 *
 * @throws `NM_BUNDLE_EXISTS` where `out` is anything but a bundle, `NM_MODEL_MISSING`, `NM_ENCODER_MISMATCH`,
 *   `NM_OPTION_INVALID`, `NM_ONNXRUNTIME_MISSING`; as `openDeviceEncoder`, `writeDeviceIndex` and `writeThumbnails`; the
 *   signal's reason
 */
export async function writeBundle(store: Store, out: string, options: BundleOptions = {}): Promise<Bundle> {
  const { engine = 'own', vectors = 'float32', title = 'nearmiss', thumbnails = 128, signal, onProgress } = options;
  if (!Number.isInteger(thumbnails) || thumbnails < 0 || thumbnails > 512) {
    throw new NearmissError('NM_OPTION_INVALID', `thumbnails: found ${thumbnails}, allowed: 0 to 512 pixels`);
  }
  const target = resolve(out);
  await checkTarget(target);
  const model = await checkedModel(store, engine, options.model);
  const folder = join(dirname(target), `.${basename(target)}.${process.pid}.${Date.now()}.tmp`);
  const watched = { ...(signal && { signal }) };
  try {
    await mkdir(folder, { recursive: true });
    await copyParts(folder, engine);
    await writeFile(join(folder, 'encoder.onnx'), model);
    const { items } = await writeDeviceIndex(store, join(folder, 'index.nmi'), {
      ...watched,
      vectors,
      metadata: await shownMetadata(store),
      onProgress: (done) => onProgress?.(`wrote ${done} items`),
    });
    const { pictures } = await writeThumbnails(store, folder, {
      ...watched,
      side: thumbnails,
      ...(options.pictures === undefined ? {} : { source: options.pictures }),
      onProgress: (done) => onProgress?.(`made ${done} thumbnails`),
    });
    await writeManifest(folder, title);
    const version = await seal(folder, { title, engine });
    signal?.throwIfAborted();
    await replaceFolder(folder, target);
    return { items, pictures, version, ...(await sizeOf(target)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws unless a place is free or holds a bundle, which is replaced. */
async function checkTarget(target: string): Promise<void> {
  if (!existsSync(target)) return;
  const names = await readdir(target).catch(() => ['']);
  if (names.length === 0 || (names.includes('config.json') && names.includes('index.nmi'))) return;
  throw new NearmissError(
    'NM_BUNDLE_EXISTS',
    `${target}: found something else there, allowed: an earlier bundle, or nothing`,
  );
}

async function checkedModel(store: Store, engine: 'own' | 'ort', path: string | undefined): Promise<Uint8Array> {
  const place = path ?? store.info.modelPath;
  if (place === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', 'model: the store does not say where its model is; name it');
  }
  const model = await readModel(place).catch((error: unknown) => {
    if (!(error instanceof NearmissError) || path !== undefined) throw error;
    const hint = 'The store names the model that filled it; where it has moved to, say with --model.';
    throw new NearmissError(error.code, error.message, { hint, cause: error });
  });
  store.checkEncoder(fingerprint(model));
  // What the page could not run is said now.
  if (engine === 'own') await openDeviceEncoder(model, { name: place });
  return model;
}

async function copyParts(folder: string, engine: 'own' | 'ort'): Promise<void> {
  const parts: [from: string, names: readonly string[], to: string][] = [
    [PAGE, [...PAGE_FILES, 'index.html'], folder],
    [WASM, engine === 'own' ? [...RETRIEVAL_WASM, ...DEVICE_WASM] : RETRIEVAL_WASM, folder],
  ];
  if (engine === 'ort') parts.push([ortFolder(), ORT_FILES, join(folder, 'ort')]);
  for (const [from, names, to] of parts) {
    await mkdir(to, { recursive: true });
    for (const name of names) {
      await copyFile(join(from, name), join(to, name)).catch((cause: unknown) => {
        throw new NearmissError('NM_KERNELS_MISSING', `${join(from, name)}: ${(cause as Error).message}`, { cause });
      });
    }
  }
}

function ortFolder(): string {
  for (const base of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return dirname(createRequire(base).resolve('onnxruntime-web'));
    } catch {
      // Not installed there: the next place, then the error below.
    }
  }
  throw new NearmissError('NM_ONNXRUNTIME_MISSING', '--engine ort: onnxruntime-web is not installed', {
    hint: 'Run `npm install onnxruntime-web`, or use the own engine.',
  });
}

/** What of an item's metadata is published: not where it lies on this machine. Emoji get their names. */
async function shownMetadata(store: Store): Promise<(id: string, metadata: JsonObject) => JsonObject> {
  const [first] = await store.items({ limit: 1 });
  const emoji = first?.metadata['source'] === 'emoji';
  const entries = emoji ? await emojiEntries(emojiPackages(process.cwd())) : [];
  const names = new Map(entries.map(({ image, short_name }) => [image, short_name.replaceAll(/[_-]+/g, ' ')]));
  return (id, { source: _, ...rest }) => {
    const title = names.get(id);
    return title === undefined ? rest : { title, ...rest };
  };
}

async function writeManifest(folder: string, title: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(PAGE, 'manifest.webmanifest'), 'utf8')) as JsonObject;
  const named = { ...manifest, name: title, short_name: title.slice(0, 12) };
  await writeFile(join(folder, 'manifest.webmanifest'), `${JSON.stringify(named, null, 2)}\n`);
}

/** Writes config.json and, last, the service worker, which knows the hash of every other file; returns the version. */
async function seal(
  folder: string,
  about: { readonly title: string; readonly engine: 'own' | 'ort' },
): Promise<string> {
  const files = await hashed(folder);
  const version = createHash('sha256')
    .update(JSON.stringify([files, about]))
    .digest('hex')
    .slice(0, 16);
  const sizes = await Promise.all(STARTING_FILES.map(async (name) => [name, (await stat(join(folder, name))).size]));
  const bytes = Object.fromEntries(sizes) as DeviceConfig['bytes'];
  const config: DeviceConfig = { backend: 'device', version, ...about, bytes };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const content: BundleContent = { version, files: await hashed(folder) };
  const worker = await readFile(join(PAGE, 'sw.js'), 'utf8');
  await writeFile(join(folder, 'sw.js'), `self.nearmissBundle = ${JSON.stringify(content)};\n${worker}`);
  return version;
}

async function hashed(folder: string): Promise<BundleFile[]> {
  const names = await fileNames(folder);
  return Promise.all(
    names.map(async (name) => {
      const hash = createHash('sha256');
      for await (const piece of createReadStream(join(folder, name))) hash.update(piece as Buffer);
      const path = name === 'index.html' ? INDEX_ADDRESS : name;
      return { path, integrity: `sha256-${hash.digest('base64')}` };
    }),
  );
}

/** All files below a folder, with forward slashes, sorted. */
async function fileNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
}

/** Puts a folder under a name; what was there is kept until then, and removed after. */
async function replaceFolder(folder: string, target: string): Promise<void> {
  const old = `${folder}.old`;
  const present = existsSync(target);
  if (present) await rename(target, old);
  try {
    await rename(folder, target);
  } catch (error) {
    if (present) await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

async function sizeOf(folder: string): Promise<{ files: number; bytes: number }> {
  const names = await fileNames(folder);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return { files: names.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
