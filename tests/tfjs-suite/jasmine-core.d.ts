// jasmine-core 3.99 ships no types; this is what suite.ts uses.
declare module 'jasmine-core/lib/jasmine-core/jasmine.js' {
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
  interface Jasmine {
    getEnv(options: { suppressLoadErrors: boolean }): Environment;
  }
  const jasmineRequire: {
    core(own: unknown): Jasmine;
    /** The functions that specs call: describe, it, expect, … */
    interface(jasmine: Jasmine, environment: Environment): object;
  };
  export default jasmineRequire;
}
