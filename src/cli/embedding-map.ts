import { applyReadOut, type ReadOut } from '../encoders/index.js';
import { LEAST_MAPPED, mapEmbeddings } from '../evaluate/index.js';
import { resizeArea } from '../images/index.js';
import type { EmbeddingMap } from '../report/index.js';
import { gatherPictures, type TrainerEncoder, type TrainingData } from '../train/index.js';
import { titleOf } from './titles.js';

/** Pictures on the map, an even sample of more; laying it out takes about 2 ms a picture. */
const MOST_MAPPED = 800;
const THUMBNAIL = 32;
/** Colours that are still told apart. */
const MOST_GROUPS = 10;

/** The embeddings of the first source's pictures in two dimensions, coloured by class where there are few classes. */
export async function embeddingMap(
  data: TrainingData,
  encoder: TrainerEncoder,
  readOut: ReadOut,
  channels: number,
  seed: number,
): Promise<EmbeddingMap | undefined> {
  const [pictures] = data.sources;
  const { count, labels, classes } = pictures;
  const mapped = Math.min(count, MOST_MAPPED);
  if (mapped < LEAST_MAPPED) return undefined;
  const rows = Int32Array.from({ length: mapped }, (_, i) => Math.floor(((i + 0.5) * count) / mapped));
  const width = readOut.pool * readOut.pool * channels;
  const embeddings = applyReadOut(await encoder.features(gatherPictures(pictures, rows)), width, readOut);
  const map = await mapEmbeddings(embeddings, readOut.whitening?.dimensions ?? width, { seed });
  const groups = labels && classes && classes.length <= MOST_GROUPS ? classes : undefined;
  const what = data.paired ? 'pictures of the first source' : 'pictures';
  return {
    points: Array.from(rows, (row, i) => ({
      x: map[2 * i]!,
      y: map[2 * i + 1]!,
      picture: { size: THUMBNAIL, data: thumbnail(gatherPictures(pictures, [row]), pictures.size) },
      name: titleOf(data, row),
      ...(groups ? { group: labels![row]! } : {}),
    })),
    ...(groups ? { groups } : {}),
    note: `${mapped < count ? `${mapped} of ${count}` : count} ${what}.`,
  };
}

function thumbnail(data: Uint8Array, size: number): Uint8Array {
  return size <= THUMBNAIL ? data : resizeArea({ data, width: size, height: size, channels: 3 }, THUMBNAIL);
}
