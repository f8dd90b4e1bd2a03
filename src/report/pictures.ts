import { loadSharp } from '../images/decode.js';
import type { ReportPicture } from './data.js';
import { type Html, html } from './html.js';

/** Turns pictures into `img` elements; the same pixels are compressed once. */
export interface PictureElements {
  (picture: ReportPicture, name: string): Html;
  /** The picture alone, a PNG data URI. */
  uri(picture: ReportPicture): string;
}

/** Compresses all pictures to PNG data URIs. Throws as sharp does where data and size disagree. */
export async function encodePictures(pictures: Iterable<ReportPicture>): Promise<PictureElements> {
  const sharp = await loadSharp();
  const uris = new Map<Uint8Array, string>();
  for (const { data, size } of pictures) {
    if (uris.has(data)) continue;
    const raw = { width: size, height: size, channels: 3 } as const;
    const png = await sharp(data, { raw }).png({ compressionLevel: 9 }).toBuffer();
    uris.set(data, `data:image/png;base64,${png.toString('base64')}`);
  }
  const element = ({ data, size }: ReportPicture, name: string): Html =>
    html`<img src="${uris.get(data)}" width="${size}" height="${size}" alt="${name}" title="${name}">`;
  return Object.assign(element, { uri: ({ data }: ReportPicture) => uris.get(data) ?? '' });
}
