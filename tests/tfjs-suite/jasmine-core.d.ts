// jasmine-core 3.99 ships no types; this is what suite.ts uses.
declare module 'jasmine-core' {
  interface Expectation {
    readonly message: string;
  }
  interface Environment {
    configure(options: { random: boolean }): void;
    clearReporters(): void;
    addReporter(reporter: {
      specStarted(): void;
      specDone(spec: {
        readonly fullName: string;
        readonly status: 'passed' | 'failed' | 'pending' | 'excluded';
        readonly failedExpectations: readonly Expectation[];
      }): void;
      jasmineDone(whole: { readonly failedExpectations: readonly Expectation[] }): void;
    }): void;
    execute(): void;
  }
  const jasmineRequire: { boot(own: unknown): { getEnv(): Environment } };
  export default jasmineRequire;
}
