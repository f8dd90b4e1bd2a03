/** Eight tables of 256: eight bytes a step ("slicing by 8"), of the polynomial that zip and PNG use. */
let tables: Uint32Array | undefined;

function makeTables(): Uint32Array {
  const made = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    made[byte] = value;
  }
  for (let i = 256; i < made.length; i++) made[i] = (made[i - 256]! >>> 8) ^ made[made[i - 256]! & 255]!;
  return made;
}

/** CRC-32 of bytes that come piece by piece. */
export class Crc32 {
  #state = 0xffffffff;

  /** The checksum so far, 0 … 2^32 - 1. */
  get value(): number {
    return (this.#state ^ 0xffffffff) >>> 0;
  }

  update(bytes: Uint8Array): this {
    tables ??= makeTables();
    const t = tables;
    let crc = this.#state;
    let i = 0;
    for (const end = bytes.length - 7; i < end; i += 8) {
      crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
      crc =
        t[1792 + (crc & 255)]! ^
        t[1536 + ((crc >>> 8) & 255)]! ^
        t[1280 + ((crc >>> 16) & 255)]! ^
        t[1024 + (crc >>> 24)]! ^
        t[768 + bytes[i + 4]!]! ^
        t[512 + bytes[i + 5]!]! ^
        t[256 + bytes[i + 6]!]! ^
        t[bytes[i + 7]!]!;
    }
    for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
    this.#state = crc;
    return this;
  }
}
