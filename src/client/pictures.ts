/** An encoded picture (PNG, JPEG, WebP, AVIF, GIF): a file of a form, or its bytes. */
export type Picture = Blob | ArrayBuffer | Uint8Array;

/** Bytes that String.fromCharCode takes as arguments at once. */
const PIECE = 0x8000;

/** A picture as a body; the service looks at the bytes and not at a type. */
export function asBlob(picture: Picture): Blob {
  if (picture instanceof Blob) return picture;
  // A copy of a view: it may lie on shared memory, which a Blob refuses, and may change while it is sent.
  return new Blob([picture instanceof ArrayBuffer ? picture : Uint8Array.from(picture)]);
}

/** A picture as text in JSON. */
export async function asBase64(picture: Picture): Promise<string> {
  const bytes = new Uint8Array(picture instanceof Blob ? await picture.arrayBuffer() : picture);
  let binary = '';
  for (let at = 0; at < bytes.length; at += PIECE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(binary);
}
