// Imports point down this list only (ARCHITECTURE.md). A folder may import itself and anything below it.
const layers = [
  ['cli'],
  ['report', 'device', 'serve', 'client'],
  ['retrieve', 'onnx', 'evaluate', 'train'],
  ['methods'],
  ['negatives'],
  ['encoders', 'images'],
  ['tfjs'],
  ['kernels'],
];
const below = (index) => layers.slice(index + 1).flat();
/** Beside what is below: the client takes its types from the service. */
const beside = { client: ['serve'] };
const forbidden = layers.flatMap((folders, index) =>
  folders.map((folder) => {
    const allowed = [folder, ...(beside[folder] ?? []), ...below(index)].join('|');
    return {
      name: `${folder}-imports-down-only`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/[^/]+/', pathNot: `^src/(${allowed})/` },
    };
  }),
);
module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'client-imports-types-only',
      comment: 'the client runs in browsers; what it knows of the service are the shapes of its messages',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { path: '^src/[^/]+/', pathNot: '^src/client/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'retrieve-without-tfjs',
      comment: 'an edge service must not load a training library',
      severity: 'error',
      from: { path: '^src/(retrieve|serve)/' },
      to: { path: '(^src/tfjs/|@tensorflow)', reachable: true },
    },
    {
      name: 'no-undeclared',
      severity: 'error',
      from: { path: '^src/' },
      // dist/ is what the build makes; it is not there on a clean clone.
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'npm-dev'], pathNot: 'dist/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // Packages that are modules only are found under the condition `import`.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    doNotFollow: { path: 'node_modules' },
  },
};
