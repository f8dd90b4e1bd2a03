import { deflateSync, gzipSync } from 'node:zlib';
import { pngChunk, pngClaiming, quarters } from '../../images/files.js';

/** A file that is no picture a server should take, with the type that is claimed for it. */
export interface BadPicture {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function pngHeader(
  width: number,
  height: number,
  depth: number,
  colour: number,
  interlace = 0,
  compression = 0,
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, compression, 0, interlace], 8);
  return pngChunk('IHDR', header);
}

const png = (...chunks: Buffer[]): Buffer => Buffer.concat([SIGNATURE, ...chunks, pngChunk('IEND', Buffer.alloc(0))]);
const data = (bytes: Uint8Array): Buffer => pngChunk('IDAT', deflateSync(bytes));

/** PNGs whose parts contradict each other. */
function lyingPngs(): (readonly [string, Buffer])[] {
  const header = pngHeader(8, 8, 8, 2);
  const rows = data(Buffer.alloc(8 * 25));
  const whole = png(header, rows);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(whole);
    copy[at] = value;
    return copy;
  };
  const badFilter = Buffer.alloc(8 * 25);
  badFilter[0] = 9;
  return [
    ['a signature alone', SIGNATURE],
    ['a broken signature', changed(1, 0x51)],
    ['no header', png(rows)],
    ['no pixels', png(header)],
    ['empty pixels', png(header, pngChunk('IDAT', Buffer.alloc(0)))],
    ['pixels that are no zlib', png(header, pngChunk('IDAT', Buffer.alloc(100, 0x41)))],
    ['pixels of half a picture', png(header, data(Buffer.alloc(4 * 25)))],
    ['pixels cut within zlib', png(header, pngChunk('IDAT', deflateSync(Buffer.from(quartersNoise)).subarray(0, 40)))],
    ['an unknown row filter', png(header, data(badFilter))],
    ['width 0', png(pngHeader(0, 8, 8, 2), rows)],
    ['height 0', png(pngHeader(8, 0, 8, 2), rows)],
    ['width 2^31 - 1', png(pngHeader(2 ** 31 - 1, 1, 8, 2), rows)],
    ['width 2^32 - 1', png(pngHeader(2 ** 32 - 1, 2 ** 32 - 1, 8, 2), rows)],
    ['depth 3', png(pngHeader(8, 8, 3, 2), rows)],
    ['depth 0', png(pngHeader(8, 8, 0, 2), rows)],
    ['depth 16 of a palette', png(pngHeader(8, 8, 16, 3), rows)],
    ['colour type 7', png(pngHeader(8, 8, 8, 7), rows)],
    ['compression 9', png(pngHeader(8, 8, 8, 2, 0, 9), rows)],
    ['interlace 9', png(pngHeader(8, 8, 8, 2, 9), rows)],
    ['a palette picture without a palette', png(pngHeader(8, 8, 8, 3), data(Buffer.alloc(8 * 9)))],
    ['a header of another checksum', changed(32, whole[32]! ^ 1)],
    ['a header shorter than its length', Buffer.concat([SIGNATURE, Buffer.from([0, 0, 0, 13]), Buffer.from('IHDR')])],
    [
      'a chunk of 4 GB',
      Buffer.concat([SIGNATURE, header, Buffer.from([255, 255, 255, 255]), Buffer.from('IDAT'), rows]),
    ],
  ];
}

const quartersNoise = Uint8Array.from({ length: 8 * 25 }, (_, i) => (i % 25 === 0 ? 0 : (i * 7919) & 255));

/** Small files that would become large. */
function bombs(): (readonly [string, Buffer])[] {
  const zeros = (width: number, height: number): Buffer =>
    png(
      pngHeader(width, height, 1, 0),
      pngChunk('IDAT', deflateSync(Buffer.alloc((1 + Math.ceil(width / 8)) * height))),
    );
  return [
    ['60,000 x 60,000 claimed', pngClaiming(60_000, 60_000)],
    ['1 x 2,000,000,000 claimed', pngClaiming(1, 2_000_000_000)],
    ['100,000 x 5,000 claimed', pngClaiming(100_000, 5_000)],
    ['20,000 x 20,000 that is there', zeros(20_000, 20_000)],
  ];
}

/** Other files, most of which some picture library would open. */
function otherFiles(): (readonly [string, Buffer])[] {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
  const text = (value: string): Buffer => Buffer.from(value);
  return [
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([0x89])],
    ['zeros', Buffer.alloc(4096)],
    ['text', text('this is no picture\n')],
    ['HTML', text('<!doctype html><script>alert(1)</script>')],
    ['an SVG', text(svg)],
    ['an SVG after white space', text(`\ufeff \n\t<!-- x -->${svg}`)],
    ['an SVG in gzip', gzipSync(svg)],
    [
      'an SVG that reads a file',
      text(
        `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>${svg.replace('<rect', '<text>&x;</text><rect')}`,
      ),
    ],
    ['an SVG that asks another server', text(svg.replace('<rect', '<image href="http://169.254.169.254/"/><rect'))],
    ['an SVG of a billion laughs', text(`<!DOCTYPE svg [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>${svg}`)],
    [
      'a drawing of ImageMagick',
      text('push graphic-context\nviewbox 0 0 9 9\nfill \'url(https://example.test/"|id")\'\npop graphic-context'),
    ],
    ['PostScript', text('%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n')],
    ['a PDF', text('%PDF-1.7\n1 0 obj\n<<>>\nendobj\n')],
    ['a TIFF', Buffer.from('49492a0008000000000000000000', 'hex')],
    ['a BMP', Buffer.from(`424d3a0000000000000036000000280000000100000001000000010018${'00'.repeat(29)}`, 'hex')],
    ['an ICO', Buffer.from('000001000100101000000100200068040000160000', 'hex')],
    ['a PSD', text('8BPS\0\x01\0\0\0\0\0\0')],
    ['a PPM', text('P6\n1 1\n255\nabc')],
    ['an OpenEXR', Buffer.from('762f310102000000', 'hex')],
    ['a Radiance picture', text('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd')],
    ['a FITS picture', text('SIMPLE  =                    T'.padEnd(2880))],
    ['a JPEG 2000', Buffer.from('0000000c6a5020200d0a870a', 'hex')],
    ['a JPEG XL', Buffer.from('ff0a0000', 'hex')],
    ['a HEIC', Buffer.from('0000001866747970686569630000000068656963', 'hex')],
    ['a film', Buffer.from('00000018667479706973366d0000000069736f6d', 'hex')],
    ['a zip', Buffer.from('504b0304140000000000', 'hex')],
    ['a program', Buffer.from('7f454c4602010100', 'hex')],
    ['a JSON', text('{"picture":"iVBORw0KGgo="}')],
    ['a name of a file', text('/etc/passwd')],
    ['an address', text('http://169.254.169.254/latest/meta-data/')],
    [
      'a JPEG that claims 65,535 x 65,535',
      Buffer.from('ffd8ffc0001108ffffffff03012200021101031101ffda000c03010002110311003f00', 'hex'),
    ],
    ['a JPEG without a frame', Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex')],
    ['a JPEG with a segment of length 0', Buffer.from('ffd8ffe00000ffd9', 'hex')],
    ['a JPEG of its first bytes', Buffer.from('ffd8ff', 'hex')],
    [
      'a GIF that claims 65,535 x 65,535',
      Buffer.from('474946383961ffffffff800000000000ffffff2c00000000ffffffff0002024401003b', 'hex'),
    ],
    ['a GIF without a frame', Buffer.from('47494638396108000800800000000000ffffff3b', 'hex')],
    [
      'a GIF of a wrong code size',
      Buffer.from('47494638396108000800800000000000ffffff2c00000000080008000020024401003b', 'hex'),
    ],
    ['a GIF of 0 x 0', Buffer.from('47494638396100000000800000000000ffffff3b', 'hex')],
    [
      'a WebP of which the length lies',
      Buffer.concat([text('RIFF'), Buffer.from([255, 255, 255, 127]), text('WEBPVP8 ')]),
    ],
    [
      'a WebP of 16,384 x 16,384',
      Buffer.concat([
        text('RIFF'),
        Buffer.from([22, 0, 0, 0]),
        text('WEBPVP8X'),
        Buffer.from([10, 0, 0, 0, 0, 0, 0, 0, 255, 63, 0, 255, 63, 0]),
      ]),
    ],
    ['a WebP without a picture', Buffer.concat([text('RIFF'), Buffer.from([4, 0, 0, 0]), text('WEBP')])],
    ['an AVIF of its first box', Buffer.from('0000001c6674797061766966000000006176696d6966316d696166', 'hex')],
    [
      'an AVIF of an endless box',
      Buffer.from('0000001c667479706176696600000000617669666d6966316d696166ffffffff6d657461', 'hex'),
    ],
  ];
}

/** Files that a server should refuse, whatever way they come. */
export async function badPictures(): Promise<BadPicture[]> {
  const kinds = [
    ['image/png', await quarters(64).png({ compressionLevel: 0 }).toBuffer()],
    ['image/jpeg', await quarters(64).jpeg().toBuffer()],
    ['image/webp', await quarters(64).webp({ lossless: true }).toBuffer()],
    ['image/gif', await quarters(64).gif().toBuffer()],
    ['image/avif', await quarters(64).avif().toBuffer()],
  ] as const;
  const cut = kinds.flatMap(([type, bytes]) =>
    [0.1, 0.5, 0.7].map((part) => ({
      name: `${type} cut to ${part * 100} %`,
      type,
      bytes: bytes.subarray(0, Math.floor(bytes.length * part)),
    })),
  );
  const named = (kind: string, files: readonly (readonly [string, Buffer])[]): BadPicture[] =>
    files.map(([name, bytes]) => ({ name: `${kind}: ${name}`, type: 'image/png', bytes }));
  return [...cut, ...named('lie', lyingPngs()), ...named('bomb', bombs()), ...named('other', otherFiles())];
}
