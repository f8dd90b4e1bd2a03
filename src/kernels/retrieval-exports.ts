import type { EncodeExports } from './encode.js';
import type { ListsExports } from './lists.js';
import type { PrepareExports } from './prepare.js';
import type { RotateExports } from './rotate.js';
import type { ScanCodesExports } from './scan-codes.js';
import type { ScanFloatsExports } from './scan-floats.js';

/** What the retrieval module exports; each kernel's file declares its part. */
export interface RetrievalExports
  extends EncodeExports,
    ListsExports,
    PrepareExports,
    RotateExports,
    ScanCodesExports,
    ScanFloatsExports {
  readonly memory: WebAssembly.Memory;
  probeMadd(a: number, b: number, c: number): number;
}
