// Timers while workers are replaced and die wherever it may happen: each that comes due has its turn once.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Connection } from "../gateway/connection.ts";
import { type Name, Stage } from "./timer-stage.ts";

/** Everything that waits for nothing but itself. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const someone = fc.nat(1);
const anyName = fc.constantFrom<Name>("once", "tick", "flush");
const anyStep = fc.oneof(
  {
    weight: 25,
    arbitrary: fc.record({ do: fc.constant("set" as const), who: someone, name: anyName, ms: fc.integer({ min: 1, max: 90 }) }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constantFrom("clear" as const, "throw" as const), who: someone, name: anyName }) },
  { weight: 30, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 45, arbitrary: fc.record({ do: fc.constant("read" as const) }) },
  { weight: 45, arbitrary: fc.record({ do: fc.constant("hear" as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constantFrom("deploy" as const, "join" as const, "kill" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const), who: someone }) },
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

function run(stage: Stage, step: Step): void {
  const connection = stage.connections["who" in step ? step.who : 0] as Connection;
  if (step.do === "set") stage.send(connection, { set: step.name, ms: step.ms });
  else if (step.do === "clear") stage.send(connection, { clear: step.name });
  else if (step.do === "throw") stage.send(connection, { throws: step.name });
  else if (step.do === "pass") stage.pass(step.ms);
  else if (step.do === "read") for (const worker of stage.workers) worker.read();
  else if (step.do === "hear") for (const worker of stage.workers) stage.hear(worker, step.count);
  else if (step.do === "kill") stage.kill(stage.workers[0]);
  else if (step.do === "close") stage.close(connection);
  else stage[step.do]();
}

async function calm(stage: Stage, ms: number): Promise<void> {
  for (let round = 0; round < 20; round++) {
    for (const worker of stage.workers) worker.read();
    await settled();
    for (const worker of stage.workers) stage.hear(worker);
  }
  stage.pass(ms);
}

async function through(steps: readonly Step[]): Promise<Stage> {
  const stage = new Stage();
  for (const step of steps) {
    run(stage, step);
    if (step.do === "read") await settled();
  }
  stage.join();
  await calm(stage, 200);
  for (const connection of stage.connections) for (const name of ["tick", "flush"] as const) stage.send(connection, { clear: name });
  await calm(stage, 200);
  await calm(stage, 200);
  return stage;
}

test("a turn whose worker dies after it has flushed its timer's next time runs to its end, once", async () => {
  const one = { do: "hear", count: 1 } as const;
  const stage = await through([
    ...[{ do: "set", who: 0, name: "flush", ms: 1 } as const, { do: "read" } as const, { do: "hear", count: 3 } as const],
    ...[{ do: "pass", ms: 20 } as const, { do: "read" } as const, one, { do: "kill" } as const],
  ]);
  expect(stage.fates.get("g-0-1:timer-1")?.fate).toBe("done");
});

test("a timer that has come due is replaced also by a turn that commits after the close: the next worker does not run it", async () => {
  const set = { do: "set", who: 0, name: "once", ms: 1 } as const;
  const stage = await through([
    ...[set, { do: "read" } as const, { do: "hear", count: 3 } as const, set, { do: "read" } as const, { do: "pass", ms: 20 } as const],
    ...[{ do: "close", who: 0 } as const, { do: "hear", count: 1 } as const, { do: "kill" } as const],
  ]);
  expect(stage.fates.get("g-0-1:timer-1")?.fate).toBe("cleared");
});

test("each timer that comes due has its turn once, and none that was cleared or replaced before, whatever becomes of workers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 120, size: "max" }), async (steps) => {
      const stage = await through(steps);
      const closed = stage.connections.filter(({ socket }) => socket === undefined).map(({ id }) => id);
      for (const [id, { fate }] of stage.fates) {
        if (closed.includes(id.split(":")[0] ?? "")) continue;
        expect(["done", "cleared"], `what becomes of ${id}`).toContain(fate);
      }
      expect([stage.timers.size, stage.dispatcher.parking.bytes]).toEqual([0, 0]);
      for (const { timers } of stage.connections) expect(timers?.byName.size ?? 0).toBe(0);
    }),
    { numRuns: 150 },
  );
});
