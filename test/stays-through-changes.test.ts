// Connections that stay with their workers while others take over, and workers that die.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Stage, settled } from "./stay-stage.ts";

const what = fc.constantFrom("say", "stay 3000", "stay 3000", "stay 3000", "stay 10000", "stay 0", "flush 3000", "flush 0");
const anyStep = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant("send" as const), who: fc.constantFrom(0, 0, 0, 1), what }) },
  { weight: 20, arbitrary: fc.record({ do: fc.constant("read" as const) }) },
  { weight: 15, arbitrary: fc.record({ do: fc.constant("go" as const) }) },
  { weight: 15, arbitrary: fc.record({ do: fc.constant("hear" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("deploy" as const, "drain" as const, "rollBack" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("join" as const, "kill" as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(10, 1_000, 3_000, 5_000) }) },
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

async function run(stage: Stage, step: Step): Promise<void> {
  if (step.do === "send") stage.send(step.who, step.what);
  else if (step.do === "read") for (const worker of stage.workers) worker.read();
  else if (step.do === "hear") for (const worker of stage.workers) stage.hear(worker, step.count);
  else if (step.do === "pass") stage.pass(step.ms);
  else if (step.do === "drain") stage.deploy(true);
  else if (step.do === "rollBack") stage.activate(Math.max(1, stage.releases - 1));
  else if (step.do === "go") {
    for (const worker of stage.workers) stage.go(worker);
    await settled();
  } else stage[step.do]();
}

async function calm(stage: Stage): Promise<void> {
  for (let round = 0; round < 60; round++) {
    for (const worker of stage.workers) worker.read();
    for (const worker of stage.workers) stage.go(worker);
    await settled();
    for (const worker of stage.workers) stage.hear(worker);
    stage.pass(250);
  }
}

test("however connections stay while workers take over, drain and die: each message is committed once, in order, and all of them move", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
      const stage = new Stage();
      for (const step of steps) await run(stage, step);
      stage.deploy();
      await calm(stage);
      for (const [who, { id, worker, phase }] of stage.connections.entries()) {
        const numbers = stage.told.filter(([told]) => told === id).map(([, number]) => number);
        expect(numbers).toEqual(Array.from({ length: stage.sent[who] ?? 0 }, (_, index) => index + 1));
        expect([phase, worker?.release]).toEqual(["pinned", stage.workers.at(-1)?.peer.release]);
      }
    }),
    { numRuns: 300 },
  );
});

// ── a gateway and a worker that disagree ──────────────────────────────────────────────────────────────────────────────
// Its messages are parked then until the worker's time is up, and go to a worker that has nothing of it in memory.

/** Those that a worker keeps, and whose messages it does not get. */
function standing({ connections, workers, now }: Stage): string[] {
  const stands = ({ slot, phase, staysUntil, worker }: Stage["connections"][number]) => {
    const mailbox = workers.find(({ peer }) => peer === worker)?.mailboxes.get(slot);
    return phase === "leaving" && staysUntil <= 0 && mailbox !== undefined && !mailbox.isGone && mailbox.staysUntil > now;
  };
  return connections.filter(stands).map(({ id }) => id);
}

async function begun(): Promise<Stage> {
  const stage = new Stage();
  await stage.quiet();
  return stage;
}

async function say(stage: Stage, text: string): Promise<void> {
  stage.send(0, text);
  await stage.quiet();
}

test("stay(0) and the next stay cross the unpin", async () => {
  const stage = await begun();
  stage.send(0, "stay 0");
  stage.send(0, "stay 10000");
  for (let turn = 0; turn < 2; turn++) for (const step of ["read", "go"] as const) await run(stage, { do: step });
  stage.deploy();
  await stage.quiet();
  await say(stage, "say");
  expect(standing(stage)).toEqual([]);
});

test("a rollback while a hand-over waits for a connection that stays once more, then a deploy", async () => {
  const stage = await begun();
  await say(stage, "stay 10000");
  stage.now += 1_000;
  stage.deploy();
  stage.now += 1_000;
  stage.activate(1);
  stage.now += 7_000;
  await say(stage, "stay 10000");
  stage.pass(1_000);
  stage.now += 1_000;
  stage.activate(2);
  await stage.quiet();
  await say(stage, "say");
  expect(standing(stage)).toEqual([]);
});

test("the worker dies that a hand-over has waited for, and the connection stays with the next one", async () => {
  const stage = await begun();
  await say(stage, "stay 10000");
  stage.deploy();
  stage.kill();
  await say(stage, "stay 10000");
  stage.pass(0);
  stage.now += 100;
  stage.deploy();
  await stage.quiet();
  await say(stage, "say");
  expect(standing(stage)).toEqual([]);
});

test("a worker joins when the time of a connection is up, and nobody has noticed yet", async () => {
  const stage = await begun();
  await say(stage, "stay 10000");
  stage.deploy();
  stage.now += 5_000;
  await say(stage, "stay 10000");
  stage.now += 5_000;
  stage.join();
  await stage.quiet();
  await say(stage, "say");
  expect(standing(stage)).toEqual([]);
});

test("a turn asks to stay again when the first time is up, and its worker has not noticed yet", async () => {
  const stage = await begun();
  await say(stage, "stay 5000");
  stage.send(0, "stay 5000");
  await run(stage, { do: "read" });
  stage.now += 5_000;
  stage.deploy();
  await stage.quiet();
  for (const { turns } of stage.workers) turns.sweep();
  await say(stage, "say");
  expect(stage.workers[0]?.mailboxes.get(0)?.isGone).toBe(false);
});
