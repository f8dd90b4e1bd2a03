/** A method or baseline in the measure that a study compares. All numbers are in the unit of the axis. */
export interface StudyReportRow {
  readonly name: string;
  readonly kind: 'method' | 'baseline';
  readonly note?: string;
  readonly reference: boolean;
  /** One a seed. */
  readonly values: readonly number[];
  readonly mean: number;
  /** Texts of the table: `41.1 ± 0.5`, each seed's, and the difference from the reference. */
  readonly spread: string;
  readonly bySeed: string;
  readonly difference?: {
    readonly text: string;
    readonly interval: string;
    readonly overQueries: string;
    readonly verdict: 'larger' | 'within' | 'unknown';
    readonly better: boolean;
  };
}

/** Other figures of the study: a row a method, a column a measure, as texts. */
export interface StudyReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[]; readonly baseline: boolean }[];
}

/** What the page of a study shows. */
export interface StudyReportData {
  readonly title: string;
  readonly summary: string;
  /** Of the comparison: `held-out pictures, recall@1`. */
  readonly measure: string;
  readonly unit: string;
  readonly seeds: readonly number[];
  readonly reference: string;
  readonly rows: readonly StudyReportRow[];
  /** What the figures say, a sentence each. */
  readonly findings: readonly string[];
  readonly tables: readonly StudyReportTable[];
  readonly settings: Readonly<Record<string, string | number>>;
  readonly environment: Readonly<Record<string, string | number>>;
  readonly reproduce: readonly string[];
}
