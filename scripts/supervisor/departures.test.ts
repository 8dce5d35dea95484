import { expect, test } from "vitest";
import { worker } from "../../test/hellos.ts";
import { Departures } from "./departures.ts";

const exited = { kind: "gone", id: "w1", reason: "exited" } as const;

/** One that has heard the worker. */
function heard(): Departures {
  const departures = new Departures("here");
  departures.hear(worker);
  return departures;
}

test("what a process was is known at its end, once, but not where another machine has one of that number", () => {
  const departures = heard();
  departures.hear({ ...worker, id: "w2", pid: 9, host: "elsewhere" });
  expect(departures.ended(9)).toBeUndefined();
  expect(departures.ended(7)).toEqual(exited);
  expect(departures.ended(7)).toBeUndefined();
});

test("a process that ends before its hello is not taken for the one that had its id before", () => {
  const departures = heard();
  departures.started(7);
  expect(departures.ended(7)).toBeUndefined();
});

test("nor is it where that one's last hello comes after its end", () => {
  const departures = heard();
  departures.ended(7);
  departures.started(7);
  departures.hear(worker);
  expect(departures.ended(7)).toBeUndefined();
});

test("an end is repeated with ten heartbeats, and from the first again after NATS was away", () => {
  const departures = heard();
  departures.ended(7);
  const said = Array.from({ length: 9 }, () => departures.repeat());
  expect(said).toEqual(Array.from({ length: 9 }, () => [exited]));
  departures.reconnected();
  for (let time = 1; time <= 10; time++) expect(departures.repeat()).toEqual([exited]);
  expect(departures.repeat()).toEqual([]);
  departures.reconnected();
  expect(departures.repeat()).toEqual([]);
});

test("of more than a hundred ends the last hundred are repeated", () => {
  const departures = new Departures("here");
  for (let pid = 1; pid <= 101; pid++) {
    departures.hear({ ...worker, id: `w${pid}`, pid });
    departures.ended(pid);
  }
  const ids = departures.repeat().map(({ id }) => id);
  expect(ids).toHaveLength(100);
  expect(ids[0]).toBe("w2");
});

test("who said goodbye has not died: its end is told in its own words", () => {
  const departures = heard();
  const bye = { kind: "gone", id: "w1", reason: "bye" } as const;
  departures.hear(bye);
  expect(departures.ended(7)).toEqual(bye);
  expect(departures.repeat()).toEqual([bye]);
});

test("what another supervisor has seen end is forgotten", () => {
  const departures = heard();
  departures.hear(exited);
  expect(departures.ended(7)).toBeUndefined();
});
