// What is said to the strangers' process, and what it answers.

import type { AttackOptions } from "./attack.ts";

export interface Order extends AttackOptions {
  /** Its name. */
  readonly abuse: string;
}

export interface Outcome {
  readonly endings: Readonly<Record<string, number>>;
  /** How long it lasted, without what the strangers waited for behind it. */
  readonly seconds: number;
}
