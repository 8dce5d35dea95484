// One row of the table: connections under load, a fault that strikes again and again, and what became of every message.

import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "./client.ts";
import type { Fault } from "./faults/fault.ts";
import type { Installation } from "./installation.ts";
import { Journal } from "./journal.ts";
import { Load } from "./load.ts";

export interface RowOptions {
  readonly times: number;
  readonly rate: number;
  readonly connections: number;
  readonly random: () => number;
  /** What is being done now. */
  readonly onStep: (text: string) => void;
}

export interface Row {
  readonly fault: string;
  readonly title: string;
  readonly times: number;
  readonly messages: number;
  readonly redelivered: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Without those that the fault closes by its nature. */
  readonly disconnected: number;
  /** Those. */
  readonly closed: number;
  readonly closes: string | null;
  readonly longestSilenceMs: number;
  /** For how long nats-server was away, at most; 0 where it was not. */
  readonly awayMs: number;
  readonly goalMs: number | null;
  /** In words, what broke. */
  readonly broken: readonly string[];
}

/** Between two strikes, so that the next one meets a steady system. */
const steadyMs = 500;

export async function runRow(installation: Installation, fault: Fault, options: RowOptions): Promise<Row> {
  const journal = await Journal.listen(installation.url);
  const load = await Load.open({ url: installation.url, connections: options.connections, rate: options.rate });
  const condemned = new Set<Client>();
  const broken: string[] = [];
  let times = 0;
  let awayMs = 0;
  load.begin();
  try {
    for (; times < options.times; times++) {
      options.onStep(`${times + 1} of ${options.times}`);
      await pause(steadyMs);
      await load.flows();
      const time = times;
      const { random } = options;
      await fault.strike({
        installation,
        load,
        journal,
        random,
        time,
        condemn: (client) => condemned.add(client),
        away: (ms) => {
          awayMs = Math.max(awayMs, ms);
        },
      });
      await installation.isWhole();
      await load.flows();
    }
  } catch (error) {
    broken.push(`strike ${times + 1}: ${(error as Error).message}`);
  }
  load.stop();
  options.onStep("counting");
  await load.settle();
  const messages = tally(load, condemned);
  const ids = load.clients.map(({ id }) => id).filter((id) => id !== "");
  try {
    await load.close();
  } catch (error) {
    broken.push((error as Error).message);
  }
  await journal.settle(ids);
  const closes = journal.verdict(ids);
  if (journal.isDisconnected) broken.push("the journal was disconnected");
  if (closes.missing.length > 0) broken.push(`onOpen or onClose of ${closes.missing.length} connections: ${closes.missing.slice(0, 3)}`);
  if (closes.doubled.length > 0)
    broken.push(`onOpen or onClose twice of ${closes.doubled.length} connections: ${closes.doubled.slice(0, 3)}`);
  if (installation.complaints.length > 0) broken.push(`in the log: ${installation.complaints.splice(0).join("\n")}`);
  journal.end();
  return {
    fault: fault.name,
    title: fault.title,
    times,
    ...messages,
    lost: messages.lost + closes.missing.length,
    doubled: messages.doubled + closes.doubled.length,
    closes: fault.closes ?? null,
    awayMs,
    goalMs: fault.goalMs ?? null,
    broken: [...broken, ...messages.broken],
  };
}

/** Whether everything is zero that has to be. */
export function isClean(row: Row): boolean {
  return row.lost + row.doubled + row.reordered + row.disconnected + row.broken.length === 0;
}

/** What became of the messages, and of the publishes. */
function tally(load: Load, condemned: ReadonlySet<Client>) {
  const broken: string[] = [];
  const sums = { messages: load.sent, redelivered: load.redelivered, lost: 0, doubled: 0, reordered: 0, disconnected: 0, closed: 0 };
  let longestSilenceMs = 0;
  for (const client of load.clients) {
    const { answers, heard } = client;
    const isCondemned = condemned.has(client);
    const lostAnswers = isCondemned ? answers.lost() : answers.lost(client.sent);
    const lostPublishes = load.lostPublishes(client);
    sums.lost += lostAnswers + lostPublishes;
    for (const sequence of [answers, ...heard.values()]) {
      sums.doubled += sequence.doubled;
      sums.reordered += sequence.reordered;
    }
    // A count that is not the message's number: a turn's state was kept twice, or not at all.
    sums.doubled += client.wrongCounts;
    if (isCondemned) sums.closed++;
    else {
      longestSilenceMs = Math.max(longestSilenceMs, client.silenceMs);
      if (client.isDisconnected) sums.disconnected++;
    }
    const name = client.id || "a connection that never opened";
    if (lostAnswers > 0) broken.push(`${name}: ${lostAnswers} answers of ${client.sent} are lost`);
    if (lostPublishes > 0) broken.push(`${name}: ${lostPublishes} publishes are lost`);
    if (answers.doubled + answers.reordered > 0) broken.push(`${name}: ${answers.doubled} answers doubled, ${answers.reordered} reordered`);
    for (const [publisher, { doubled, reordered }] of heard) {
      if (doubled + reordered > 0) broken.push(`${name}: of ${publisher}, ${doubled} publishes doubled, ${reordered} reordered`);
    }
    if (client.wrongCounts > 0) broken.push(`${name}: ${client.wrongCounts} wrong counts in the state`);
    if (client.isDisconnected && !isCondemned) broken.push(`${name}: closed with ${client.closed?.code} ${client.closed?.reason}`);
  }
  const shown = broken.length > 10 ? [...broken.slice(0, 10), `and ${broken.length - 10} more`] : broken;
  return { ...sums, longestSilenceMs, broken: shown };
}
