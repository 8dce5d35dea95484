// Why no release was made.

export interface ReleaseProblem {
  /** Relative to the clone. */
  readonly file: string;
  readonly line?: number;
  readonly text: string;
}

export class ReleaseError extends Error {
  readonly problems: readonly ReleaseProblem[];

  constructor(problems: readonly ReleaseProblem[]) {
    super(problems.map(({ file, line, text }) => `${line === undefined ? file : `${file}:${line}`}: ${text}`).join("\n"));
    this.name = "ReleaseError";
    this.problems = problems;
  }
}
