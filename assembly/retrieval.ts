// Entry of the retrieval module: small, owns its memory; no data segment, so all of it is the caller's to lay out.
export { probeMadd } from './lib/probe';
export { clearTop, scanPanel, scanRows, sortTop } from './scan';
