// What an abuse is: what strangers do, and how it has to end.

import type { Attack } from "./attack.ts";

export interface Abuse {
  /** For --only. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  /** Settings in which its installation differs from the usual one. */
  readonly env?: Readonly<Record<string, string>>;
  /** How many files each process of its installation may have open; undefined: what ours may. */
  readonly openFiles?: number;
  /** What its settings let all strangers have in the gateway at a time, in bytes; undefined: what the totals allow. */
  readonly heldBytes?: number;
  /** What the log may grow by. */
  readonly logBytes?: number;
  /** How a connection has to end at least once: it goes on until then, however busy the machine is. */
  readonly shows?: readonly string[];
  /** Runs in a process of its own. When it resolves, the strangers have given up; what they still hold is closed then. */
  readonly strike: (attack: Attack) => Promise<void>;
  /** @returns in words, which of this abuse's own bounds was passed. */
  readonly faults: (seen: Seen) => string[];
}

/** What was seen of an abuse from outside. */
export interface Seen {
  /** How often each: "404", "1008", "open" (see attack.ts). */
  readonly endings: Endings;
  /** How long the abuse lasted, longer than it was told where the machine was busy. */
  readonly seconds: number;
  /** Topics that the gateway had subscribers for, at most. */
  readonly topics: number;
  /** Files that the gateway had open at most, more than before; 0 where the system does not tell. */
  readonly openFiles: number;
  /** What the gateway has used of one core, of 1. */
  readonly gatewayCpu: number;
}

export type Endings = Readonly<Record<string, number>>;

/** How often one of these. */
export function times(endings: Endings, ...names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (endings[name] ?? 0), 0);
}

/** @returns the endings that are none of these, as a fault in words; none where there are none. */
export function onlyThese(endings: Endings, ...names: readonly string[]): string[] {
  const others = Object.entries(endings).filter(([name]) => !names.includes(name));
  return others.map(([name, count]) => `${count} × ${name}, instead of ${names.join(" or ")}`);
}
