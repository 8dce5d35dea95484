import { pino } from "pino";
import { expect, test } from "vitest";
import { toGateway } from "../protocol/records.ts";
import { Effects, frameOf, publishPayload } from "./effects.ts";
import type { CommittedClose } from "./gateway-peer.ts";
import { type Connection, defineHandler, together } from "./handler.ts";
import type { EncodedPublish } from "./history.ts";
import { Mailbox } from "./mailbox.ts";
import { OrphanedCloses } from "./orphaned-closes.ts";
import { Bench, bench, deferred, message } from "./testing/turn-bench.ts";
import type { Turns } from "./turns.ts";

function closesOf(turns: Turns, passOn: (published: EncodedPublish) => Promise<void>) {
  const slices: Array<() => void> = [];
  const log = pino({ enabled: false });
  const later = (run: () => void) => void slices.push(run);
  // Each slice looks at one connection.
  const orphanedCloses = new OrphanedCloses({ turns, appClient: { passOn }, log, now: () => 0, later, sliceMs: 0 });
  return { orphanedCloses, slice: () => slices.shift()?.() };
}

function gatewayWith(...mailboxes: Mailbox[]) {
  const left = new Set(mailboxes);
  return {
    all: () => left,
    forget: (mailbox: Mailbox) => void left.delete(mailbox),
    closes: [] as CommittedClose[],
    get connections() {
      return left.size;
    },
  };
}

/** A connection whose gateway has died, and a gateway that takes what the test lets it take. */
function orphaned(onClose: (conn: Connection) => void | Promise<void>) {
  const asked: Array<EncodedPublish & { answer: ReturnType<typeof deferred> }> = [];
  const passOn = (published: EncodedPublish) => {
    const answer = deferred();
    asked.push({ ...published, answer });
    return answer.promise;
  };
  const bench = new Bench(defineHandler({ path: "/a", onClose }), { next: 1 });
  const { orphanedCloses } = closesOf(bench.turns, passOn);
  orphanedCloses.take(gatewayWith(bench.mailbox), true);
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

test.each([true, false])(
  "what a gateway may not have published of what onClose asks for goes out elsewhere: it is dead, %s",
  async (isDead) => {
    const topics: string[] = [];
    const it = bench({});
    const { orphanedCloses, slice } = closesOf(it.turns, async ({ topic }) => void topics.push(topic));
    const gateway = gatewayWith();
    for (const topic of ["first", "second"]) {
      const effects = new Effects(100);
      effects.add(toGateway.publish, publishPayload(topic, frameOf("x")));
      effects.add(toGateway.send, "nobody");
      gateway.closes.push({ mailbox: it.mailbox, effects, batch: 1 });
    }
    orphanedCloses.take(gateway, isDead);
    // The first is on its way.
    expect(orphanedCloses.size).toBe(isDead ? 2 : 0);
    slice();
    await it.settle();
    expect([topics, orphanedCloses.size, orphanedCloses.counters]).toEqual([isDead ? ["first", "second"] : [], 0, { adopted: 0, lost: 0 }]);
  },
);

test("frames together go out elsewhere as what they are", async () => {
  const { asked, orphanedCloses } = orphaned((conn) => conn.publish("t", together("head", new Uint8Array([1])), { except: ["g-1-1"] }));
  expect(asked.map(({ topic, together: isTogether, except }) => ({ topic, isTogether, except }))).toEqual([
    { topic: "t", isTogether: true, except: ["g-1-1"] },
  ]);
  asked[0]?.answer.resolve();
  expect(orphanedCloses.counters.lost).toBe(0);
});

test("a gateway's connections are taken slice by slice: until then their turns do nothing more, and are not done either", async () => {
  const closed: string[] = [];
  const late = deferred();
  const it = bench({
    onMessage: () => late.promise,
    onClose: (conn, { code }) => void closed.push(`${conn.id} ${code}`),
  });
  const mailboxes = ["a", "b", "c"].map((id) => new Mailbox({ ...it.mailbox.pin, id, next: 1 }));
  const { orphanedCloses, slice } = closesOf(it.turns, () => Promise.resolve());
  const last = mailboxes[2] as Mailbox;
  for (let count = 0; count < 2; count++) last.push(message());
  it.turns.run(last);
  it.isLost = true;
  orphanedCloses.take(gatewayWith(...mailboxes), true);
  expect([closed, orphanedCloses.size]).toEqual([["a 1006"], 2]);
  late.resolve();
  await it.settle();
  expect([it.commits, last.isRunning, it.turns.counters.committed]).toEqual([[], true, 1]);
  slice();
  slice();
  expect([closed, orphanedCloses.size, it.turns.waiting]).toEqual([["a 1006", "b 1006", "c 1006"], 0, 0]);
});
