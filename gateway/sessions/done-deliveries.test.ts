import { beforeEach, expect, test } from "vitest";
import type { SessionQuestion } from "../../protocol/session-messages.ts";
import { AskedRequests } from "./asked-requests.ts";
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

function ask(first: number, last: number, settled = 0): void {
  for (let number = first; number <= last; number++) owning.asked({ from: "asking", number, key: "k", deliver: [String(number)], settled });
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
