// Entry of the retrieval module: small, owns its memory.
export { probeMadd } from './lib/probe';
