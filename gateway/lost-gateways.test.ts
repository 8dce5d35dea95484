import fc from "fast-check";
import pino from "pino";
import { expect, test } from "vitest";
import type { Announcement } from "../protocol/membership.ts";
import { packValue, unpackValue } from "../protocol/msgpack.ts";
import { toWorker } from "../protocol/records.ts";
import { gateway } from "../test/hellos.ts";
import { LostGateways } from "./lost-gateways.ts";
import type { Question } from "./worker-requests.ts";

const silenceMs = 120_000;
const hello = (id: string): Announcement => ({ ...gateway, id });

/** Writes down what is asked; a test answers. */
class Stage {
  now = 0;
  readonly asked: Question[] = [];
  readonly takenBack: Question[] = [];
  readonly handled: string[] = [];
  readonly freeing: Array<{ readonly id: string; readonly isWanted: () => boolean; readonly onFreed: () => void }> = [];
  freesAtOnce = true;
  /** What the file holds. */
  readonly crashed: Set<string>;
  readonly lost: LostGateways;

  constructor(self: string, ...crashed: string[]) {
    this.crashed = new Set(crashed);
    const { crashed: kept } = this;
    this.lost = new LostGateways({
      self,
      silenceMs: () => silenceMs,
      identity: {
        get crashed() {
          return [...kept];
        },
        add: async (id) => void kept.add(id),
        settle: async (ids) => {
          for (const id of ids) kept.delete(id);
        },
      },
      requests: { ask: (question) => this.take(question) },
      freeLocks: (id, isWanted, onFreed) => {
        this.freeing.push({ id, isWanted, onFreed });
        if (this.freesAtOnce) onFreed();
      },
      log: pino({ enabled: false }),
      now: () => this.now,
      onHandled: (id) => this.handled.push(id),
    });
    this.lost.begin();
  }

  get gateways(): unknown[] {
    return this.asked.map(({ body }) => unpackValue(body(false)));
  }

  answer(index: number, failed: number): void {
    this.asked[index]?.onAnswer(Buffer.from(packValue(failed)));
  }

  wait(ms: number): void {
    this.now += ms;
    this.lost.sweep();
  }

  private take(question: Question): () => void {
    this.asked.push(question);
    return () => this.takenBack.push(question);
  }
}

test("each gateway that has crashed is told of once, and is settled when the hooks have run", () => {
  const stage = new Stage("g5", "g1", "g2");
  expect(stage.gateways).toEqual(["g1", "g2"]);
  expect(stage.asked[0]?.type).toBe(toWorker.gatewayLost);
  stage.answer(1, 0);
  expect([...stage.crashed]).toEqual(["g1"]);
  expect(stage.handled).toEqual(["g2"]);
  stage.wait(60_000);
  expect(stage.asked).toHaveLength(2);
});

test("its locks are given back beside the hooks, and it is kept until both are done; one that is heard again keeps its own", () => {
  const stage = new Stage("g5");
  stage.freesAtOnce = false;
  for (const id of ["g6", "g7"]) stage.lost.hear(hello(id));
  stage.wait(silenceMs + 1);
  expect(stage.freeing.map(({ id }) => id)).toEqual(["g6", "g7"]);
  stage.answer(0, 0);
  // Its connections' onClose do not wait for that.
  expect([stage.handled, [...stage.crashed]]).toEqual([["g6"], ["g6", "g7"]]);
  stage.freeing[0]?.onFreed();
  expect([...stage.crashed]).toEqual(["g7"]);
  stage.lost.hear(hello("g7"));
  expect(stage.freeing.map(({ isWanted }) => isWanted())).toEqual([false, false]);
});

test.each<[string, (stage: Stage) => void, number]>([
  ["has a hook that failed", (stage) => stage.answer(0, 1), 5_000],
  ["does not answer", (stage) => stage.asked[0]?.onTimeout(), 5_000],
  ["answers something else", (stage) => stage.asked[0]?.onBroken(), 5_000],
  ["has died, and two before it", (stage) => stage.asked[0]?.onPoison(), 60_000],
])("where a worker %s, another is asked after a pause", (_, fail, pauseMs) => {
  const stage = new Stage("g5", "g1");
  fail(stage);
  expect([...stage.crashed]).toEqual(["g1"]);
  stage.wait(pauseMs - 1);
  expect(stage.asked).toHaveLength(1);
  stage.wait(1);
  expect(stage.gateways).toEqual(["g1", "g1"]);
  stage.answer(1, 0);
  expect([...stage.crashed]).toEqual([]);
});

test("of another one that is silent for too long the first of those that are left tells, and it is kept until that is done", () => {
  const stage = new Stage("g5");
  for (const id of ["g4", "g6", "g8"]) stage.lost.hear(hello(id));
  stage.lost.hear({ kind: "gone", id: "g8", reason: "exited" });
  stage.wait(60_000);
  stage.lost.hear(hello("g4"));
  stage.wait(60_001);
  // g4's business, as long as that is there.
  expect(stage.gateways).toEqual([]);
  stage.wait(60_000);
  expect(stage.gateways).toEqual(["g4", "g6"]);
  expect([...stage.crashed]).toEqual(["g4", "g6"]);
  stage.answer(0, 0);
  stage.answer(1, 0);
  expect([...stage.crashed]).toEqual([]);
  stage.wait(silenceMs);
  expect(stage.asked).toHaveLength(2);
});

test("one that came later, and has never heard it, is not waited for", () => {
  const stage = new Stage("g5");
  stage.lost.hear(hello("g6"));
  stage.wait(1_000);
  stage.lost.hear(hello("g1"));
  stage.wait(silenceMs);
  stage.lost.hear(hello("g1"));
  stage.wait(1);
  expect(stage.gateways).toEqual(["g6"]);
});

test("whoever has told of a silent one says so to the others", () => {
  const stage = new Stage("g5");
  for (const id of ["g4", "g6"]) stage.lost.hear(hello(id));
  stage.wait(silenceMs);
  stage.lost.hear(hello("g4"));
  stage.wait(1);
  // g4 has told of g6, and ends without a word later.
  stage.lost.hear({ kind: "gone", id: "g6", reason: "exited" });
  stage.wait(silenceMs + 1);
  expect(stage.gateways).toEqual(["g4"]);
});

test("one that is there again was only cut off: nobody is told that it is gone", () => {
  const stage = new Stage("g5");
  stage.lost.hear(hello("g6"));
  stage.wait(silenceMs + 1);
  expect(stage.gateways).toEqual(["g6"]);
  stage.answer(0, 1);
  stage.lost.hear(hello("g6"));
  expect([...stage.crashed]).toEqual([]);
  stage.wait(5_000);
  expect(stage.gateways).toEqual(["g6"]);
});

test("who could not be heard was not silent", () => {
  const stage = new Stage("g5");
  stage.lost.hear(hello("g6"));
  stage.now = silenceMs + 1;
  stage.lost.excuse();
  stage.wait(0);
  expect(stage.gateways).toEqual([]);
  stage.wait(silenceMs + 1);
  expect(stage.gateways).toEqual(["g6"]);
});

test("a gateway that ends takes back what nobody has answered: its successor asks", () => {
  const stage = new Stage("g5", "g1", "g2", "g3");
  stage.answer(0, 0);
  stage.answer(1, 1);
  stage.lost.hear(hello("g6"));
  stage.lost.end();
  expect(stage.takenBack).toEqual([stage.asked[0], stage.asked[2]]);
  stage.wait(silenceMs + 1);
  expect(stage.asked).toHaveLength(3);
  expect([...stage.crashed]).toEqual(["g2", "g3"]);
});

test("whenever machines die, and in whatever order gateways speak, each of theirs is told of by one that is left", () => {
  const phases = fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 5, maxLength: 5 });
  const deaths = fc.array(fc.option(fc.integer({ min: 0, max: 3_000 })), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(phases, deaths, (phase, diesAt) => {
      fc.pre(diesAt.some((at) => at === null));
      const stages = phase.map((_, index) => new Stage(`g${index}`));
      const livesAt = (index: number, at: number) => (diesAt[index] ?? Number.POSITIVE_INFINITY) > at;
      const tell = (from: number, at: number, announcement: Announcement) =>
        stages.forEach((stage, index) => {
          if (index !== from && livesAt(index, at)) stage.lost.hear(announcement);
        });
      for (let at = 0; at <= 2 * silenceMs; at += 250) {
        for (const [index, stage] of stages.entries()) {
          if (!livesAt(index, at)) continue;
          stage.now = at;
          if (at % 1_000 === Math.floor((phase[index] ?? 0) / 250) * 250) tell(index, at, hello(`g${index}`));
          const { length } = stage.asked;
          stage.wait(0);
          // A worker answers at once.
          for (let asked = length; asked < stage.asked.length; asked++) stage.answer(asked, 0);
          for (const id of stage.handled.splice(0)) tell(index, at, { kind: "gone", id, reason: "exited" });
        }
      }
      const told = stages.flatMap((stage, index) => (diesAt[index] === null ? stage.gateways : []));
      const dead = diesAt.flatMap((at, index) => (at === null ? [] : [`g${index}`]));
      // One that died before it had ever spoken was known to nobody.
      const known = dead.filter((id) => (diesAt[Number(id.slice(1))] ?? 0) > 1_000);
      for (const id of known) expect(told.filter((each) => each === id)).toEqual([id]);
      expect(told.filter((id) => !dead.includes(String(id)))).toEqual([]);
    }),
    { numRuns: 30 },
  );
});
