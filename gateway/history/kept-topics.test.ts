// Two gateways' view of what is kept, with a store in memory that fails, dawdles, and loses what it publishes: whoever subscribes, whenever,
// gets all of it once and in order.

import fc from "fast-check";
import { expect, test } from "vitest";
import { entriesAfter, type HistoryEntry } from "../../protocol/history.ts";
import { History } from "./history.ts";
import type { LiveEntry } from "./kept-topic.ts";
import { liveMessage } from "./live-message.ts";
import { MemoryStore } from "./memory-store.ts";

const keep = { messages: 1_000, seconds: 3_600 };
const topic = "room";

/** A client: what it got, in order, and how many of the latest it asked for. */
interface Client {
  readonly got: string[];
  readonly last: number;
}

/** More than there are. */
const allOfThem = 1_000;

/** One gateway, with its clients on one topic. Its time is played. */
class Stage {
  readonly store = new MemoryStore();
  readonly history: History;
  readonly clients: Client[] = [];
  /** What NATS has published and not delivered yet. */
  readonly underWay: LiveEntry[] = [];
  private waiting: Array<() => void> = [];
  private published = 0;
  isConnected = true;
  now = 0;
  /** undefined: nobody wants the topic, and NATS sends nothing of it. */
  wantedAt: number | undefined = 0;

  constructor() {
    this.store.onStored = (_topic, entry) => void this.underWay.push(entry);
    this.history = new History({
      self: "g",
      store: this.store,
      flush: () => undefined,
      now: () => this.now,
      wallClock: () => this.now,
      after: (_ms, run) => void this.waiting.push(run),
      isConnected: () => this.isConnected,
      publishHere: (_topic, data) => {
        for (const { got } of this.clients) got.push(Buffer.from(data).toString());
      },
      wantedAt: () => this.wantedAt,
      limits: { pendingBytes: 1_000_000, cacheBytes: 0, readBytes: 1_000_000 },
    });
  }

  publish(): void {
    const data = Buffer.from(String(this.published++));
    this.history.keep("publisher", { topic, data, isBinary: false, except: [] }, keep, (error) => {
      if (error !== undefined) throw error;
    });
  }

  /** NATS delivers the next of what it has published. */
  deliverOne(): void {
    const entry = this.underWay.shift();
    if (entry !== undefined && this.isConnected && this.wantedAt !== undefined) this.history.topics.take(topic, liveMessage(topic, entry));
  }

  async join(last: number): Promise<void> {
    const loaded = await this.history.load(topic, { last });
    const got = this.history.latest(topic, last).map(textOf);
    this.clients.push({ got, last });
    loaded.release();
  }

  /** As a handler that sends what app.history has, and subscribes behind it. */
  async joinBehindHistory(): Promise<void> {
    const entries = await this.history.read(topic, allOfThem).catch(() => undefined);
    if (entries === undefined) return this.joinBehindHistory();
    const end = entries.at(-1);
    if (end === undefined) return this.join(allOfThem);
    const after = `${end.epoch}:${end.offset}`;
    const loaded = await this.history.load(topic, { last: allOfThem, after });
    const got = [...entries, ...entriesAfter(this.history.latest(topic, allOfThem), after)].map(textOf);
    this.clients.push({ got, last: allOfThem });
    loaded.release();
  }

  lose(): void {
    this.isConnected = false;
    this.underWay.length = 0;
    this.history.topics.disconnected();
  }

  comeBack(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    this.underWay.length = 0;
    this.history.topics.reconnected(true);
  }

  async turn(times = 1): Promise<void> {
    for (let turn = 0; turn < times; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets everything happen that waits for nothing but time. */
  async settle(): Promise<void> {
    const isBusy = () => !this.history.outbox.isEmpty || this.waiting.length > 0 || this.underWay.length > 0;
    for (let quiet = 0; quiet < 10; quiet = isBusy() ? 0 : quiet + 1) {
      this.now += 1_000;
      for (const run of this.waiting.splice(0)) run();
      await new Promise((resolve) => setImmediate(resolve));
      while (this.underWay.length > 0) this.deliverOne();
    }
  }
}

function textOf({ data }: HistoryEntry): string {
  return Buffer.from(data).toString();
}

function upTo(count: number): string[] {
  return Array.from({ length: count }, (_, number) => String(number));
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant("publish" as const) },
  { weight: 6, arbitrary: fc.constant("deliver" as const) },
  { weight: 2, arbitrary: fc.constant("join" as const) },
  { weight: 1, arbitrary: fc.constant("join for few" as const) },
  { weight: 1, arbitrary: fc.constant("join behind history" as const) },
  { weight: 2, arbitrary: fc.constant("forget what was read" as const) },
  { weight: 3, arbitrary: fc.constant("turn" as const) },
  { weight: 1, arbitrary: fc.constant("swallow" as const) },
  { weight: 1, arbitrary: fc.constant("lose" as const) },
  { weight: 1, arbitrary: fc.constant("come back" as const) },
);

test("whoever joins, whenever, gets everything once and in order, whatever is lost, late or tried again", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 50, maxLength: 150, size: "max" }),
      fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
      async (steps, chances) => {
        const stage = new Stage();
        let isCalm = true;
        stage.store.fault = async () => {
          const chance = isCalm ? 9 : (chances.next().value ?? 9);
          if (chance < 2) throw new Error("a fault of the store");
          for (let turn = 0; turn < chance % 4; turn++) await new Promise((resolve) => setImmediate(resolve));
        };
        await stage.join(allOfThem);
        isCalm = false;
        const joins: Promise<void>[] = [];
        let published = 0;
        for (const action of steps) {
          if (action === "publish") {
            stage.publish();
            published++;
          } else if (action === "deliver") stage.deliverOne();
          else if (action === "join") joins.push(stage.join(allOfThem));
          else if (action === "join for few") joins.push(stage.join(2));
          else if (action === "join behind history") joins.push(stage.joinBehindHistory());
          else if (action === "forget what was read") stage.history.topics.sweep();
          else if (action === "swallow" && stage.underWay.length > 1) stage.underWay.shift();
          else if (action === "lose") stage.lose();
          else if (action === "come back") stage.comeBack();
          else await new Promise((resolve) => setImmediate(resolve));
        }
        stage.comeBack();
        isCalm = true;
        await stage.settle();
        await Promise.all(joins);
        // What is swallowed last is noticed with the next one, or after a fault.
        if ((chances.next().value ?? 0) > 4) {
          stage.publish();
          published++;
        } else {
          stage.lose();
          stage.comeBack();
        }
        await stage.settle();
        const all = upTo(published);
        expect(stage.store.stored.map(textOf)).toEqual(all);
        for (const { got, last } of stage.clients) expect(got).toEqual(last === allOfThem ? all : all.slice(all.length - got.length));
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);

test("who subscribes without asking for anything gets nothing old, although others do, and everything new", async () => {
  const stage = new Stage();
  stage.wantedAt = undefined;
  for (let number = 0; number < 3; number++) stage.publish();
  await stage.settle();
  [stage.now, stage.store.now, stage.wantedAt] = [100_000, 100_000, 100_000];
  stage.clients.push({ got: [], last: 0 });
  await stage.join(2);
  stage.publish();
  await stage.settle();
  await stage.join(allOfThem);
  expect(stage.clients.map(({ got }) => got)).toEqual([["3"], ["1", "2", "3"], ["0", "1", "2", "3"]]);
});

test("what was stored while NATS was away comes before what is new, also to who has seen nothing of the topic yet", async () => {
  const stage = new Stage();
  stage.clients.push({ got: [], last: 0 });
  stage.lose();
  for (let number = 0; number < 3; number++) stage.publish();
  await stage.turn();
  stage.comeBack();
  stage.publish();
  await stage.turn();
  stage.deliverOne();
  await stage.settle();
  expect(stage.clients[0]?.got).toEqual(["0", "1", "2", "3"]);
});

test("who has read what is stored and not delivered here yet, and subscribes behind it, does not get it again", async () => {
  const stage = new Stage();
  await stage.join(allOfThem);
  stage.publish();
  await stage.settle();
  for (let number = 0; number < 2; number++) stage.publish();
  await stage.turn(5);
  await stage.joinBehindHistory();
  stage.publish();
  await stage.settle();
  expect(stage.clients.map(({ got }) => got)).toEqual([upTo(4), upTo(4)]);
});

test("a stream that has lost its end counts on from there, and nothing of it is taken for old", async () => {
  const stage = new Stage();
  await stage.join(allOfThem);
  for (let number = 0; number < 4; number++) stage.publish();
  await stage.settle();
  stage.lose();
  // A power cut: what was not on disk.
  stage.store.stored.splice(2);
  stage.comeBack();
  await stage.settle();
  stage.publish();
  await stage.settle();
  expect(stage.clients[0]?.got).toEqual(["0", "1", "2", "3", "4"]);
});

test("what is not kept waits while the topic is being repaired", async () => {
  const stage = new Stage();
  await stage.join(allOfThem);
  for (let number = 0; number < 3; number++) stage.publish();
  await stage.turn(10);
  stage.underWay.splice(1, 1);
  stage.deliverOne();
  stage.deliverOne();
  stage.history.publishHere(topic, Buffer.from("not kept"), false);
  await stage.settle();
  expect(stage.clients[0]?.got).toEqual(["0", "1", "2", "not kept"]);
});

test("NATS that goes away again before it is known what was missed: what the first time has swallowed is read as well", async () => {
  const stage = new Stage();
  stage.clients.push({ got: [], last: 0 });
  stage.lose();
  for (let number = 0; number < 2; number++) stage.publish();
  await stage.turn(5);
  stage.store.fault = () => Promise.reject(new Error("not yet"));
  stage.comeBack();
  await stage.turn(5);
  stage.now = 100_000;
  stage.lose();
  stage.store.fault = () => Promise.resolve();
  stage.comeBack();
  await stage.settle();
  expect(stage.clients[0]?.got).toEqual(["0", "1"]);
});

test("a gap that is not read yet when NATS goes away: what comes later does not overtake what is missing", async () => {
  const stage = new Stage();
  await stage.join(allOfThem);
  for (let number = 0; number < 2; number++) stage.publish();
  await stage.turn(5);
  stage.underWay.shift();
  stage.store.fault = () => Promise.reject(new Error("not yet"));
  stage.deliverOne();
  await stage.turn(5);
  stage.store.fault = () => Promise.resolve();
  stage.lose();
  stage.publish();
  await stage.turn(5);
  stage.comeBack();
  await stage.settle();
  expect(stage.clients[0]?.got).toEqual(["0", "1", "2"]);
});
