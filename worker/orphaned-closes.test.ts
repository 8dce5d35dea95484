import { pino } from "pino";
import { expect, test } from "vitest";
import { type Connection, defineHandler } from "./handler.ts";
import { OrphanedCloses } from "./orphaned-closes.ts";
import { Bench, deferred } from "./testing/bench.ts";

/** A connection whose gateway has died, and a gateway that takes what the test lets it take. */
function orphaned(onClose: (conn: Connection) => Promise<void>) {
  const asked: Array<{ topic: string; answer: ReturnType<typeof deferred> }> = [];
  const passOn = (topic: string) => {
    const answer = deferred();
    asked.push({ topic, answer });
    return answer.promise;
  };
  const bench = new Bench(defineHandler({ path: "/a", onClose }), { next: 1 });
  const orphanedCloses = new OrphanedCloses({ turns: bench.turns, appClient: { passOn }, log: pino({ enabled: false }) });
  orphanedCloses.adopt(bench.mailbox, bench.mailbox.closeHandoff());
  return { asked, orphanedCloses, settle: () => bench.settle(), topics: () => asked.map(({ topic }) => topic) };
}

test.each([
  ["a gateway has it", (answer: ReturnType<typeof deferred>) => answer.resolve(), 0],
  ["it is lost with its gateway", (answer: ReturnType<typeof deferred>) => answer.reject(new Error("gone")), 1],
])("a flush of an onClose resolves when %s, and the rest follows", async (_, answered, lost) => {
  const { asked, orphanedCloses, settle, topics } = orphaned(async (conn) => {
    conn.publish("first", "x");
    conn.publish("second", "x");
    await conn.flush();
    conn.publish("rest", "x");
  });
  asked[0]?.answer.resolve();
  await settle();
  expect(topics()).toEqual(["first", "second"]);
  if (asked[1] !== undefined) answered(asked[1].answer);
  await settle();
  expect(topics()).toEqual(["first", "second", "rest"]);
  expect(orphanedCloses.size).toBe(1);
  asked[2]?.answer.resolve();
  await settle();
  expect([orphanedCloses.size, orphanedCloses.counters.lost]).toEqual([0, lost]);
});
