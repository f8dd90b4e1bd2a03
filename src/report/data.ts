/** Pixels [size, size, 3], RGB. */
export interface ReportPicture {
  readonly data: Uint8Array;
  readonly size: number;
}

/** A value at a training step. */
export type StepValue = readonly [step: number, value: number];

/** Figures of one model on one gallery, each in [0, 1]. */
export interface ModelFigures {
  readonly recallAt1: number;
  readonly recallAt5: number;
  readonly mrr: number;
}

/** A table of models on one gallery, best practice first or in any other order of the caller's. */
export interface ResultTable {
  /** What is searched: `Held-out gallery`, for instance. */
  readonly title: string;
  /** Queries and gallery in words: `417 queries, 417 pictures`. */
  readonly detail?: string;
  readonly rows: readonly ResultRow[];
}

export interface ResultRow extends ModelFigures {
  readonly name: string;
  /** What it is, or that it was recorded and not run now. */
  readonly note?: string;
  /** The model that this report is about. */
  readonly own?: boolean;
}

/** Some anchors' negatives as the loss saw them (`rankNegatives`), and how the objective weighs them. */
export interface NegativeSimilarities {
  readonly anchors: readonly {
    /** Similarity to the positive. */
    readonly positive: number;
    /** Similarities to the negatives, hardest first. */
    readonly similarities: ArrayLike<number>;
    /** Ranks [start, end) that the objective selects. */
    readonly selected: readonly [start: number, end: number];
  }[];
  /** Importance weights e^(β s / τ) on the selected; 0 for none. */
  readonly beta: number;
  readonly temperature: number;
}

/** One training item and augmented views of it. */
export interface ViewedItem {
  readonly name: string;
  readonly originals: readonly ReportPicture[];
  readonly views: readonly ReportPicture[];
}

export interface Hit {
  readonly picture: ReportPicture;
  readonly name: string;
  /** Cosine similarity to the query. */
  readonly score: number;
  /** Whether it is a right answer; absent where nobody knows which is. */
  readonly right?: boolean;
}

/** A query and what it finds, best first. */
export interface SearchedQuery {
  readonly picture: ReportPicture;
  readonly name: string;
  /** What each encoder finds, in the order of `Neighbours.encoders`, with the rank of the right answer (1 for the best). */
  readonly found: readonly { readonly hits: readonly Hit[]; readonly rank?: number }[];
}

export interface Neighbours {
  /** `Before training`, `After training`. */
  readonly encoders: readonly string[];
  /** What the queries are, one sentence: that training never saw them, for instance. */
  readonly note?: string;
  readonly queries: readonly SearchedQuery[];
}

/** An anchor with the negatives that training pushes away hardest. */
export interface NearMiss {
  readonly picture: ReportPicture;
  readonly name: string;
  readonly positive?: { readonly picture: ReportPicture; readonly similarity: number };
  readonly negatives: readonly {
    readonly picture: ReportPicture;
    readonly name: string;
    readonly similarity: number;
  }[];
}

/** Two training items that a model holds similar though a loss without labels pushes them apart. */
export interface SuspectPair {
  /** Cosine of their embeddings. */
  readonly similarity: number;
  /** What is known of the two: `same file`, `same class`, for instance; `unknown` is not shown. */
  readonly relation: string;
  readonly pictures: readonly [
    { readonly picture: ReportPicture; readonly name: string },
    { readonly picture: ReportPicture; readonly name: string },
  ];
}

/** The most similar pairs of items that count as negatives: false negatives, where they show the same thing. */
export interface FalseNegatives {
  readonly pairs: readonly SuspectPair[];
  /** Items that were compared with each other, of so many. */
  readonly compared: number;
  readonly items: number;
}

/** Embeddings in two dimensions (`mapEmbeddings`). */
export interface EmbeddingMap {
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly picture: ReportPicture;
    readonly name: string;
    /** Number of its group, in `groups`. */
    readonly group?: number;
  }[];
  /** Names of the groups, ten at most, classes for instance. */
  readonly groups?: readonly string[];
  /** What is shown, one sentence. */
  readonly note?: string;
}

/** All that a report may show. What is left out, or empty, is left out of the page. */
export interface ReportData {
  readonly title: string;
  /** One or two sentences: what was trained on what, and what came out. */
  readonly summary?: string;
  readonly results?: readonly ResultTable[];
  /** What the figures do not say: recorded rows, how many seeds. */
  readonly resultsNote?: string;
  /** Training loss of each step. */
  readonly loss?: readonly StepValue[];
  /** Shares in [0, 1] measured while training: recall@1 and recall@5, for instance. */
  readonly quality?: readonly { readonly name: string; readonly points: readonly StepValue[] }[];
  readonly negatives?: NegativeSimilarities;
  readonly nearMisses?: readonly NearMiss[];
  readonly neighbours?: Neighbours;
  readonly views?: readonly ViewedItem[];
  readonly map?: EmbeddingMap;
  readonly falseNegatives?: FalseNegatives;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly environment?: Readonly<Record<string, string | number>>;
  /** Commands that give the same run again, one a line. */
  readonly reproduce?: readonly string[];
  /** Whose pictures these are, and under which licence. */
  readonly credits?: readonly string[];
}
