// What became of every message and of every publish.

import type { Client } from "./client.ts";
import type { Load } from "./load.ts";

export interface Tally {
  readonly messages: number;
  readonly redelivered: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Without those that were condemned. */
  readonly disconnected: number;
  /** Those. */
  readonly closed: number;
  readonly longestSilenceMs: number;
  /** In words, what broke. */
  readonly broken: readonly string[];
}

const shownLines = 10;

/** @param condemned Whom a fault closes by its nature: what they had in hand may be lost. */
export function tally(load: Load, condemned: ReadonlySet<Client>): Tally {
  const broken: string[] = [];
  const sums = { lost: 0, doubled: 0, reordered: 0, disconnected: 0, longestSilenceMs: 0 };
  for (const client of load.clients) {
    const isCondemned = condemned.has(client);
    const lostAnswers = client.answers.lost(isCondemned ? undefined : client.sent);
    const lostPublishes = load.lostPublishes(client);
    sums.lost += lostAnswers + lostPublishes + client.beats.lost();
    for (const sequence of [client.answers, client.beats, ...client.heard.values()]) {
      sums.doubled += sequence.doubled;
      sums.reordered += sequence.reordered;
    }
    // A count that is not the message's number: a turn's state was kept twice, or not at all.
    sums.doubled += client.wrongCounts;
    if (!isCondemned && client.isDisconnected) sums.disconnected++;
    if (!isCondemned) sums.longestSilenceMs = Math.max(sums.longestSilenceMs, client.silenceMs);
    broken.push(...complaints(client, { lostAnswers, lostPublishes, isCondemned }));
  }
  const shown = broken.length > shownLines ? [...broken.slice(0, shownLines), `and ${broken.length - shownLines} more`] : broken;
  return { ...sums, messages: load.sent, redelivered: load.redelivered, closed: condemned.size, broken: shown };
}

interface Found {
  readonly lostAnswers: number;
  readonly lostPublishes: number;
  readonly isCondemned: boolean;
}

function complaints(client: Client, { lostAnswers, lostPublishes, isCondemned }: Found): string[] {
  const { answers, beats, heard, wrongCounts, sent, closed } = client;
  const found: string[] = [];
  if (lostAnswers > 0) found.push(`${lostAnswers} answers of ${sent} are lost`);
  if (lostPublishes > 0) found.push(`${lostPublishes} publishes are lost`);
  if (answers.doubled + answers.reordered > 0) found.push(`${answers.doubled} answers doubled, ${answers.reordered} reordered`);
  if (beats.lost() > 0) found.push(`${beats.lost()} turns of its timer are lost`);
  if (beats.doubled + beats.reordered > 0) found.push(`${beats.doubled} turns of its timer doubled, ${beats.reordered} reordered`);
  for (const [publisher, { doubled, reordered }] of heard) {
    if (doubled + reordered > 0) found.push(`of ${publisher}, ${doubled} publishes doubled, ${reordered} reordered`);
  }
  if (wrongCounts > 0) found.push(`${wrongCounts} wrong counts in the state`);
  if (client.isDisconnected && !isCondemned) found.push(`closed with ${closed?.code} ${closed?.reason}`);
  return found.map((what) => `${client.id || "a connection that never opened"}: ${what}`);
}
