import pino from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CodedError } from "../../protocol/errors.ts";
import { SilentStoreError } from "../../protocol/key-value.ts";
import { LockEntries, type LockStore } from "./lock-entries.ts";
import { freeLostLocks } from "./lost-locks.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** @returns how often a store was asked that fails like this, and whether that was the end, after so much time. */
async function ask(failure: () => CodedError | undefined, ms: number): Promise<{ asked: number; isOver: boolean }> {
  const seen = { asked: 0, isOver: false };
  const each = async () => {
    seen.asked++;
    const error = failure();
    if (error !== undefined) throw error;
  };
  let isWanted = true;
  const freeing = freeLostLocks({
    gateway: "ga",
    entries: new LockEntries({ each } as Partial<LockStore> as LockStore),
    bus: { whenConnected: () => Promise.resolve() },
    isWanted: () => isWanted,
    log: pino({ enabled: false }),
  }).then(() => {
    seen.isOver = true;
  });
  await vi.advanceTimersByTimeAsync(ms);
  const result = { ...seen };
  isWanted = false;
  await vi.runAllTimersAsync();
  await freeing;
  return result;
}

test("a store that is silent for minutes is asked until it answers: nobody else gives those locks back", async () => {
  const silent = () => new SilentStoreError("store.unavailable", "no answer");
  expect(await ask(silent, 300_000)).toMatchObject({ isOver: false });
  const until = Date.now() + 300_000;
  expect(await ask(() => (Date.now() < until ? silent() : undefined), 320_000)).toMatchObject({ isOver: true });
});

test("where JetStream is off there are no locks: it is asked for some seconds", async () => {
  expect(await ask(() => new CodedError("store.unavailable", "off"), 60_000)).toEqual({ asked: 20, isOver: true });
});
