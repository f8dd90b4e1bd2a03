// Built by `npm run build:gradients`; registers gradients as it loads and exports nothing.
declare module '*/tfjs-core-gradients.js' {}
