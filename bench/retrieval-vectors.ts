import { readFileSync } from 'node:fs';

/** Float32 rows of a .npy file or of the only (or first) matrix of a .safetensors file. */
export function readVectors(path: string): { readonly rows: Float32Array; readonly dim: number } {
  const bytes = readFileSync(path);
  const floats = (start: number, count: number): Float32Array =>
    new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + start + count * 4));
  if (path.endsWith('.safetensors')) {
    const size = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + size)) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
      if (name === '__metadata__' || dtype !== 'F32' || shape.length !== 2) continue;
      return { rows: floats(8 + size + offsets[0], shape[0]! * shape[1]!), dim: shape[1]! };
    }
    throw new Error(`${path}: no float32 matrix`);
  }
  const size = bytes[6] === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const start = (bytes[6] === 1 ? 10 : 12) + size;
  const header = bytes.toString('latin1', 0, start);
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
  if (!shape || !header.includes("'<f4'") || header.includes("'fortran_order': True")) {
    throw new Error(`${path}: not a float32 matrix in C order`);
  }
  const dim = Number(shape[2]);
  return { rows: floats(start, Number(shape[1]) * dim), dim };
}
