import { afterEach, expect, test } from "vitest";
import { onSignals } from "./signals.ts";

let forget: () => void = () => undefined;

afterEach(() => forget());

test("a signal that comes again at once is the same one; one that comes later is a repeat", () => {
  const taken: string[] = [];
  let nowMs = 1_000;
  forget = onSignals((signal, isRepeated) => taken.push(`${signal} ${isRepeated}`), { now: () => nowMs });
  for (const atMs of [1_000, 1_003, 1_999, 2_000, 2_010, 9_000]) {
    nowMs = atMs;
    process.emit("SIGINT", "SIGINT");
  }
  expect(taken).toEqual(["SIGINT false", "SIGINT true", "SIGINT true"]);
});

test("a closed terminal's SIGHUP, which npm passes on as another signal, is one", () => {
  const taken: string[] = [];
  forget = onSignals((signal, isRepeated) => taken.push(`${signal} ${isRepeated}`), { now: () => 0 });
  for (const signal of ["SIGHUP", "SIGTERM"] as const) process.emit(signal, signal);
  expect(taken).toEqual(["SIGHUP false"]);
});

test("what was taken back hears nothing more", () => {
  const before = process.listenerCount("SIGHUP");
  onSignals(() => undefined)();
  expect(process.listenerCount("SIGHUP")).toBe(before);
});
