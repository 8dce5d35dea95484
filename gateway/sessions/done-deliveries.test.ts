import { beforeEach, expect, test, vi } from "vitest";
import type { SessionQuestion } from "../../protocol/session-messages.ts";
import { AskedRequests } from "./asked-requests.ts";
import { DoneDeliveries } from "./done-deliveries.ts";
import { RequestsFromOthers } from "./requests-from-others.ts";

const never = () => undefined;
const outcome = { onMissing: never, onSilent: never, onRestart: never, onDelivered: never };

let at: number;
let delivered: string[];
let owning: RequestsFromOthers;

beforeEach(() => {
  at = 0;
  delivered = [];
  owning = new RequestsFromOthers({
    self: "owning",
    now: () => at,
    tell: never,
    receive: never,
    deliver: (_key, messages) => delivered.push(...messages.map(String)) > 0,
  });
});

/** @param settled 0: it does not say so. */
function ask(first: number, last: number, settled = 1, from = "asking"): void {
  const said = settled > 0 ? { settled } : {};
  for (let number = first; number <= last; number++) owning.asked({ from, number, key: "k", deliver: [`${from} ${number}`], ...said });
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

function after(ms: number): void {
  at += ms;
  owning.sweep();
}

test("however many deliveries come, each is done once, or not yet", () => {
  ask(1, 100_010);
  after(1_000);
  ask(1, 100_010);
  expect([delivered.length, new Set(delivered).size]).toEqual([100_000, 100_000]);
  // Nobody asks for the first ones any more.
  after(80_000);
  ask(100_001, 100_010);
  expect([delivered.length, new Set(delivered).size]).toEqual([100_010, 100_010]);
});

test("deliveries that are asked for no more are forgotten 5 s later, and make room for others", () => {
  ask(1, 100_000);
  ask(100_001, 100_001, 100_001);
  after(0);
  after(4_999);
  ask(100_001, 100_001);
  expect(delivered).toHaveLength(100_000);
  after(1);
  ask(100_001, 100_001);
  expect(delivered).toHaveLength(100_001);
});

test("a gateway that asks for more than can be remembered, and says nothing of what is settled, is in nobody's way", () => {
  ask(1, 100_010, 0, "old");
  expect(delivered).toHaveLength(100_010);
  ask(11, 100_010, 0, "old");
  expect(delivered).toHaveLength(100_010);
  // The oldest ones are forgotten.
  ask(1, 1, 0, "old");
  expect(delivered).toHaveLength(100_011);
  ask(1, 100_001, 1, "full");
  ask(1, 1, 1, "other");
  expect(delivered.slice(100_011)).toEqual([...upTo(100_000).map((number) => `full ${number}`), "other 1"]);
});

test("a delivery that comes when it is settled already is remembered for as long as it may come again", () => {
  ask(1, 1);
  ask(3, 3, 3);
  after(0);
  after(5_000);
  ask(2, 2, 3);
  after(4_999);
  ask(2, 2, 3);
  expect(delivered).toEqual(["asking 1", "asking 3", "asking 2"]);
});

test("a sweep looks at few of those that are kept", () => {
  const done = new DoneDeliveries(() => at);
  for (let number = 1; number <= 100_000; number++) done.add("asking", number, true);
  // Their age is looked at with it.
  const looks = vi.spyOn(Math, "max");
  for (at = 1; at <= 100; at++) {
    done.settled("asking", at);
    done.sweep(0);
  }
  const { length } = looks.mock.calls;
  looks.mockRestore();
  expect(length).toBeLessThan(1_000);
});

test("whoever asks says what is settled: all before the oldest delivery that is not answered", () => {
  const said: SessionQuestion[] = [];
  const asked = new AskedRequests({
    self: "asking",
    now: () => at,
    publish: (body) => said.push(body),
    peers: () => [],
    probe: never,
    tell: never,
  });
  const answer = (number: number) => asked.hear({ kind: "delivered", from: "owning", number, isThere: true });
  for (const answered of [true, false, true]) {
    asked.deliver("k", ["a"], outcome);
    if (answered) answer(said.length);
  }
  at += 1_000;
  asked.sweep();
  answer(2);
  asked.deliver("k", ["a"], outcome);
  expect(said.map(({ number, settled }) => [number, settled])).toEqual([
    [1, 1],
    [2, 2],
    [3, 2],
    [2, 2],
    [4, 4],
  ]);
});
