// Gives back the locks of connections whose gateway has ended without a word, so that those who wait for them get them.

import type { Logger } from "pino";
import type { Bus } from "../../protocol/bus.ts";
import { gatewayOf } from "../../protocol/connection-id.ts";
import { type Entry, SilentStoreError } from "../../protocol/key-value.ts";
import { type LockValue, nextLine } from "../../protocol/lock-value.ts";
import type { LockEntries } from "./lock-entries.ts";

/** Of a store that refuses: JetStream may be off, and then there are no locks. One that is only silent is asked until it answers. */
const attempts = 20;
const pauseMs = 500;
/** Between two questions, when so many have failed. */
const longPauseMs = 10_000;

export interface LostLocksOptions {
  readonly gateway: string;
  readonly entries: LockEntries;
  readonly bus: Pick<Bus, "whenConnected">;
  /** It may turn out to be there. */
  readonly isWanted: () => boolean;
  readonly log: Pick<Logger, "info" | "warn">;
}

/** Resolves when it is done, or nothing more can be done. */
export async function freeLostLocks({ gateway, entries, bus, isWanted, log }: LostLocksOptions): Promise<void> {
  for (let attempt = 1; isWanted(); attempt++) {
    try {
      await bus.whenConnected();
      const locks = await freeLocksOf(gateway, entries, isWanted);
      if (locks > 0) log.info({ lost: gateway, locks }, "locks of a gateway that crashed were given back");
      return;
    } catch (error) {
      const isSilent = error instanceof SilentStoreError;
      if (attempt >= attempts && !isSilent) {
        log.warn({ lost: gateway, err: error }, "cannot give back the locks of a gateway that crashed");
        return;
      }
      if (attempt === attempts) log.warn({ lost: gateway, err: error }, "locks of a gateway that crashed wait for the store to answer");
      await new Promise((resolve) => setTimeout(resolve, attempt < attempts ? pauseMs : longPauseMs));
    }
  }
}

/** @returns of how many locks. @throws {CodedError} "store.unavailable" */
export async function freeLocksOf(gateway: string, entries: LockEntries, isWanted = () => true): Promise<number> {
  let freed = 0;
  await entries.store.each(async (key, found) => {
    if (!isWanted()) return;
    let entry: Entry<LockValue> = found;
    for (let gone = lineOf(entry, gateway); gone.length > 0; gone = lineOf(entry, gateway)) {
      const claims = gone.map((connection) => ({ connection, wants: "over" as const }));
      const next = nextLine(entry.value, await entries.fenceOf(entry), claims);
      if ((await entries.replace(key, entry, next)) !== undefined) {
        freed++;
        return;
      }
      entry = await entries.store.get(key);
    }
  });
  return freed;
}

function lineOf({ value }: Entry<LockValue>, gateway: string): string[] {
  return (value?.line ?? []).filter((connection) => gatewayOf(connection) === gateway);
}
