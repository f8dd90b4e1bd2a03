// Entry of the retrieval module: small, owns its memory; no data segment, so all of it is the caller's to lay out.
export { encodeRows, packCodes, unpackCodes } from './encode';
export { clearHits, sortHits } from './lib/hits';
export { probeMadd } from './lib/probe';
export { setThreshold } from './lib/verdict';
export { assignRows, decodeRows, scoreRows } from './lists';
export { prepareQuery } from './prepare';
export { rotate } from './rotate';
export { coarseDot, scanCoarse, scanFine } from './scan-codes';
export { scanFloats, scanPanel } from './scan-floats';
