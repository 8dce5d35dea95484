// One row of the table: connections under load, a fault that strikes again and again, and what became of every message.

import { setTimeout as pause } from "node:timers/promises";
import type { Installation } from "../testbed/installation.ts";
import type { Client } from "./client.ts";
import { Journal } from "./connection-journal.ts";
import type { Fault } from "./faults/fault.ts";
import { wrongHistory } from "./history.ts";
import type { LibraryFigures } from "./library-record.ts";
import { LibraryWatch } from "./library-watch.ts";
import { Load } from "./load.ts";
import { LockWatch } from "./lock-watch.ts";
import { wrongMembers } from "./presence.ts";
import { type Tally, tally } from "./tally.ts";
import { TaskWatch } from "./task-watch.ts";

export interface RowOptions {
  readonly times: number;
  readonly rate: number;
  readonly connections: number;
  readonly random: () => number;
  /** What is being done now. */
  readonly onStep: (text: string) => void;
}

export interface Row extends Tally {
  readonly fault: string;
  readonly title: string;
  readonly times: number;
  /** Whom the fault closes by its nature. */
  readonly closes: string | null;
  /** For how long nats-server was away, at most; 0 where it was not. */
  readonly awayMs: number;
  readonly goalMs: number | null;
  /** Clients from npm. */
  readonly libraries: readonly LibraryFigures[];
}

/** Between two strikes, so that the next one meets a steady system. */
const steadyMs = 500;

export async function runRow(installation: Installation, fault: Fault, options: RowOptions): Promise<Row> {
  const journal = await Journal.listen(installation.url);
  const task = await TaskWatch.listen(installation.url);
  const load = await Load.open({ url: installation.url, connections: options.connections, rate: options.rate });
  const lock = new LockWatch(installation.url);
  const libraries = await LibraryWatch.open(installation.url, await gatewaysOf(installation));
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
      await task.runs();
      await lock.passes();
      await libraries.passes(await gatewaysOf(installation));
    }
  } catch (error) {
    broken.push(`strike ${times + 1}: ${(error as Error).message}`);
  }
  load.stop();
  options.onStep("counting");
  broken.push(...(await lock.close()));
  const figures = await libraries.rest();
  broken.push(...libraries.close());
  await load.settle();
  await load.beats().catch((error: Error) => broken.push(error.message));
  broken.push(...(await wrongMembers(installation.url, idsOf(load.clients.filter(({ isOpen }) => isOpen)))));
  broken.push(
    ...(await wrongHistory(
      installation.url,
      load.clients.filter(({ isOpen }) => isOpen),
    )),
  );
  broken.push(...task.verdict());
  await task.close();
  const messages = tally(load, condemned);
  const ids = idsOf(load.clients);
  try {
    await load.close();
  } catch (error) {
    broken.push((error as Error).message);
  }
  await journal.settle(ids);
  broken.push(...(await wrongMembers(installation.url, [])));
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
    libraries: figures,
    broken: [...broken, ...messages.broken],
  };
}

async function gatewaysOf(installation: Installation): Promise<string[]> {
  return (await installation.status()).gateways.map(({ id }) => id);
}

function idsOf(clients: readonly Client[]): string[] {
  return clients.map(({ id }) => id).filter((id) => id !== "");
}

/** Whether everything is zero that has to be. */
export function isClean(row: Row): boolean {
  return row.lost + row.doubled + row.reordered + row.disconnected + row.broken.length === 0;
}
