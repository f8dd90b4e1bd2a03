/** What a command works with: where to write, whether to stop. */
export interface Console {
  /** True when stdout gets one JSON object and nothing else. */
  readonly json: boolean;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** A line for the person watching (stderr). */
  log(line: string): void;
  /** The present state of long work (stderr): rewritten in place on a terminal, now and then a line elsewhere. */
  progress(line: string): void;
  /** Takes the progress line off a terminal. */
  clear(): void;
  /** Result text (stdout), left out with --json. */
  print(text: string): void;
}

/** Seconds between progress lines where stderr is not a terminal. */
const QUIET_SECONDS = 5;

export function openConsole(json: boolean, signal: AbortSignal): Console {
  const terminal = process.stderr.isTTY === true;
  let width = 0;
  let last = Number.NEGATIVE_INFINITY;
  const clear = (): void => {
    if (terminal && width > 0) process.stderr.write(`\r${' '.repeat(width)}\r`);
    width = 0;
  };
  return {
    json,
    signal,
    clear,
    log(line) {
      clear();
      // What comes after a line is new work: its first progress is shown at once.
      last = Number.NEGATIVE_INFINITY;
      process.stderr.write(`${line}\n`);
    },
    progress(line) {
      if (terminal) {
        const shown = line.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1));
        process.stderr.write(`\r${shown.padEnd(width)}`);
        width = shown.length;
        return;
      }
      const now = performance.now() / 1000;
      if (now - last < QUIET_SECONDS) return;
      last = now;
      process.stderr.write(`${line}\n`);
    },
    print(text) {
      clear();
      if (!json) process.stdout.write(`${text}\n`);
    },
  };
}

/** Columns lined up: text to the left, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const numeric = header.map((_, column) => rows.every((row) => /^-?[\d.,%]*$/.test(String(row[column] ?? ''))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (numeric[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.slice(1).map(line)].join('\n');
}

/** `12s`, `3m 05s`, `1h 02m`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const two = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

export function percent(share: number): string {
  return (100 * share).toFixed(1);
}
