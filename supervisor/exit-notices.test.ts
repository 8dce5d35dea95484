import { expect, test } from "vitest";
import { worker } from "../test/hellos.ts";
import { ExitNotices } from "./exit-notices.ts";

const exited = { kind: "gone", id: "w1", reason: "exited" } as const;

/** One that has heard the worker. */
function heard(): ExitNotices {
  const exitNotices = new ExitNotices("here");
  exitNotices.hear(worker);
  return exitNotices;
}

test("what a process was is known at its end, once, but not where another machine has one of that number", () => {
  const exitNotices = heard();
  exitNotices.hear({ ...worker, id: "w2", pid: 9, host: "elsewhere" });
  expect(exitNotices.ended(9)).toBeUndefined();
  expect(exitNotices.ended(7)).toEqual(exited);
  expect(exitNotices.ended(7)).toBeUndefined();
});

test("a process that ends before its hello is not taken for the one that had its id before", () => {
  const exitNotices = heard();
  exitNotices.started(7);
  expect(exitNotices.ended(7)).toBeUndefined();
});

test("nor is it where that one's last hello comes after its end", () => {
  const exitNotices = heard();
  exitNotices.ended(7);
  exitNotices.started(7);
  exitNotices.hear(worker);
  expect(exitNotices.ended(7)).toBeUndefined();
});

test("an end is repeated with ten heartbeats, and from the first again after NATS was away", () => {
  const exitNotices = heard();
  exitNotices.ended(7);
  const said = Array.from({ length: 9 }, () => exitNotices.repeat());
  expect(said).toEqual(Array.from({ length: 9 }, () => [exited]));
  exitNotices.reconnected();
  for (let time = 1; time <= 10; time++) expect(exitNotices.repeat()).toEqual([exited]);
  expect(exitNotices.repeat()).toEqual([]);
  exitNotices.reconnected();
  expect(exitNotices.repeat()).toEqual([]);
});

test("of more than a hundred ends the last hundred are repeated", () => {
  const exitNotices = new ExitNotices("here");
  for (let pid = 1; pid <= 101; pid++) {
    exitNotices.hear({ ...worker, id: `w${pid}`, pid });
    exitNotices.ended(pid);
  }
  const ids = exitNotices.repeat().map(({ id }) => id);
  expect(ids).toHaveLength(100);
  expect(ids[0]).toBe("w2");
});

test("who said goodbye has not died: its end is told in its own words", () => {
  const exitNotices = heard();
  const bye = { kind: "gone", id: "w1", reason: "bye" } as const;
  exitNotices.hear(bye);
  expect(exitNotices.ended(7)).toEqual(bye);
  expect(exitNotices.repeat()).toEqual([bye]);
});

test("what another supervisor has seen end is forgotten", () => {
  const exitNotices = heard();
  exitNotices.hear(exited);
  expect(exitNotices.ended(7)).toBeUndefined();
});
