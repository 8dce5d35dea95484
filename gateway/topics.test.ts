// Two gateways' topics on a real nats-server, and other programs that publish to them.

import { connect, headers, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type BusEvent, connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { BatchBuilder, encodeEmptyBatch } from "../protocol/envelope.ts";
import { isCodedError } from "../protocol/errors.ts";
import { type Announcement, decodeAnnouncement, encodeAnnouncement, type GatewayHello } from "../protocol/membership.ts";
import { toGateway } from "../protocol/records.ts";
import { parseRepair, type RepairBody } from "../protocol/repair.ts";
import { frameHeader, subjectsOf } from "../protocol/subjects.ts";
import { encodeTogether } from "../protocol/together.ts";
import { startNats, type TestNats } from "../test/nats.ts";
import { Topics } from "./topics.ts";

const limits = { batchBytes: 1_000, externalBytes: 100, ringBytes: 100_000 };

let nats: TestNats;
let here: Gateway;
let there: Gateway;
let outside: NatsConnection;
let namespaces = 0;

/** One gateway's side of topics: what it delivers to its local subscribers, in order. Its time is played. */
class Gateway {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly delivered: string[] = [];
  /** Codes of what was refused. */
  readonly faults: string[] = [];
  now = 100_000;
  /** NATS swallows so many of the next batches. */
  swallowed = 0;
  /** How long each look at the clock takes. */
  tickMs = 0;
  readonly slices: Array<() => void> = [];
  /** By request: how many topics. */
  readonly asked: number[] = [];
  private readonly waiting: Array<() => void> = [];

  constructor(self: string, bus: Bus) {
    this.bus = bus;
    this.topics = new Topics({
      self,
      bus: Object.assign(Object.create(bus) as Bus, { publish: (subject: string, bytes: Uint8Array) => this.send(subject, bytes) }),
      subjects: subjectsOf(`topics-${namespaces}`),
      now: () => (this.now += this.tickMs),
      later: (run) => void this.slices.push(run),
      wallClock: () => this.now,
      publishHere: (topic, payload, isBinary) => {
        this.delivered.push(`${topic} ${isBinary ? "binary" : "text"} ${Buffer.from(payload)}`);
        this.wake();
      },
      onBegun: () => undefined,
      kept: { take: () => undefined, forget: () => undefined },
      limits,
    });
    bus.subscribe(subjectsOf(`topics-${namespaces}`).members, ({ payload }) => this.topics.hear(decodeAnnouncement(payload)));
  }

  onEvent(event: BusEvent): void {
    if (event.kind === "fault") this.faults.push(isCodedError(event.error) ? event.error.code : String(event.error));
    else if (event.kind === "connected") this.topics.reconnected();
    else this.topics.disconnected();
    this.wake();
  }

  private wake(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** For a moment. */
  losesNats(): void {
    this.onEvent({ kind: "disconnected" });
    this.onEvent({ kind: "connected" });
  }

  publish(topic: string, ...texts: string[]): void {
    for (const text of texts) this.topics.publishElsewhere(topic, Buffer.from(text), false);
    this.topics.flush();
  }

  /** Time passes, and what waits for a repair is looked at. */
  sweep(ms: number): void {
    this.now += ms;
    this.topics.sweep();
  }

  async isWithoutNats(): Promise<void> {
    while (this.bus.connected) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Resolves when it has delivered so much. */
  async has(count: number): Promise<void> {
    while (this.delivered.length < count) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private send(subject: string, bytes: Uint8Array): void {
    if (subject === subjectsOf(`topics-${namespaces}`).repair) this.asked.push(parseRepair(bytes).topics.length);
    if (this.swallowed > 0) this.swallowed--;
    else this.bus.publish(subject, bytes);
  }
}

async function gateway(self: string, url: string): Promise<Gateway> {
  const bus = await connectBus({ url, name: self, onEvent: (event) => made.onEvent(event) });
  const made = new Gateway(self, bus);
  return made;
}

beforeAll(async () => {
  nats = await startNats();
});

afterAll(() => nats.stop());

/** Two gateways on a NATS of their own, which a test may end, and start again on its port. */
async function onOwnNats(): Promise<{ own: TestNats; port: number; a: Gateway; b: Gateway }> {
  const own = await startNats();
  onTestFinished(() => own.stop());
  const port = Number(new URL(own.url.replace("nats://", "http://")).port);
  const [a, b] = await Promise.all([gateway("g3", own.url), gateway("g4", own.url)]);
  onTestFinished(async () => void (await Promise.all([a.bus.close(), b.bus.close()])));
  return { own, port, a, b };
}

beforeEach(async () => {
  namespaces++;
  [here, there, outside] = await Promise.all([gateway("g1", nats.url), gateway("g2", nats.url), connect({ servers: nats.url })]);
  // NATS knows what each subscribes to.
  await Promise.all([here, there].map(({ bus }) => bus.flush()));
});

afterEach(() => Promise.all([here.bus.close(), there.bus.close(), outside.close()]));

/** Everything that was sent before has arrived: NATS keeps the order of one connection, and answers behind it. */
async function arrived(): Promise<void> {
  await here.bus.flush();
  await outside.flush();
  await there.bus.flush();
}

function texts(topic: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${topic} text ${from + index}`);
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index));
}

describe("what a gateway publishes", () => {
  test("reaches the other one's subscribers once and in order, in however many batches, and not its own", async () => {
    const batches: number[] = [];
    const subject = subjectsOf(`topics-${namespaces}`).topicFromGateways("t");
    outside.subscribe(subject, { callback: (_, { data }) => void batches.push(data.length) });
    await Promise.all([there.topics.want("t"), here.topics.want("t"), outside.flush()]);
    for (let from = 0; from < 1_000; from += 250) here.publish("t", ...numbers(from, from + 250));
    await there.has(1_000);
    await arrived();
    expect(there.delivered).toEqual(texts("t", 0, 1_000));
    expect(Math.max(...batches), "bytes with a header").toBeLessThan(limits.batchBytes + 100);
    expect(here.delivered, "its own have been served at the commit").toEqual([]);
    expect(there.topics.counters).toMatchObject({ received: 1_000, missed: 0 });
    expect(here.topics.counters.published).toBe(1_000);
  });

  test("is not missed once the interest is confirmed, from the first on", async () => {
    for (let round = 0; round < 50; round++) {
      const topic = `round ${round}`;
      await there.topics.want(topic);
      here.publish(topic, "first");
    }
    await there.has(50);
    expect(there.delivered.length).toBe(50);
  });

  test("to many topics at once comes under each one's name, text as text and binary as binary", async () => {
    await Promise.all([there.topics.want("a.b"), there.topics.want(">")]);
    here.topics.publishElsewhere("a.b", Buffer.from("1"), true);
    here.topics.publishElsewhere(">", Buffer.from("2"), false);
    here.topics.publishElsewhere("a.c", Buffer.from("nobody's"), false);
    here.topics.publishElsewhere("a.b", Buffer.from("3"), false);
    here.topics.flush();
    await there.has(3);
    await arrived();
    expect(there.delivered).toEqual(["a.b binary 1", "a.b text 3", "> text 2"]);
  });

  test("frames that belong together are one record, which neither a full batch nor a repair parts", async () => {
    await there.topics.want("t");
    here.publish("t", "0");
    const large = "x".repeat(limits.batchBytes - 100);
    const group = ["head", large, large].map((text, index) => ({ data: Buffer.from(text), isBinary: index > 0 }));
    // The batch before it, and its own.
    here.swallowed = 2;
    for (const text of ["before", large]) here.topics.publishElsewhere("t", Buffer.from(text), false);
    here.topics.publishTogetherElsewhere("t", encodeTogether(group), []);
    here.publish("t", "behind");
    await there.has(7);
    await arrived();
    const whole = ["t text head", `t binary ${large}`, `t binary ${large}`];
    expect(there.delivered).toEqual(["t text 0", "t text before", `t text ${large}`, ...whole, "t text behind"]);
    expect(there.topics.counters).toMatchObject({ received: 5, missed: 0 });
  });

  test("may be empty, or larger than a batch", async () => {
    await there.topics.want("t");
    const large = "x".repeat(2 * limits.batchBytes);
    here.publish("t", "", large, "y");
    await there.has(3);
    expect(there.delivered).toEqual(["t text ", `t text ${large}`, "t text y"]);
  });
});

describe("interest", () => {
  test("is one subscription for all local subscribers, and ends with the last", async () => {
    const [owner, other] = [{ topics: 0 }, { topics: 0 }];
    await there.topics.want("t", owner);
    expect(there.topics.want("t", other), "confirmed already").toBeUndefined();
    expect([owner.topics, other.topics]).toEqual([1, 0]);
    there.topics.release("t");
    here.publish("t", "1");
    await there.has(1);
    there.topics.release("t");
    here.publish("t", "2");
    await arrived();
    expect(there.delivered).toEqual(["t text 1"]);
    expect([there.topics.size, owner.topics]).toEqual([0, 0]);
  });

  test("that ends and begins again misses nothing that comes after, and counts nothing as missed", async () => {
    await there.topics.want("t");
    here.publish("t", "1");
    await there.has(1);
    there.topics.release("t");
    await there.bus.flush();
    here.publish("t", "2");
    await arrived();
    await there.topics.want("t");
    here.publish("t", "3");
    await there.has(2);
    expect(there.delivered).toEqual(["t text 1", "t text 3"]);
    expect(there.topics.counters.missed).toBe(0);
  });

  test("is confirmed to everyone who waits for the same subscription", async () => {
    const first = there.topics.want("t");
    expect(there.topics.want("t")).toBe(first);
    await first;
    expect(there.topics.want("t")).toBeUndefined();
  });

  test("that NATS was away for is confirmed once it is back, and nothing after that is missed", async () => {
    const { own, port, a, b } = await onOwnNats();
    await own.stop();
    const confirmed = b.topics.want("t");
    const again = await startNats(port);
    onTestFinished(() => again.stop());
    await confirmed;
    expect(b.bus.connected).toBe(true);
    await a.bus.whenConnected();
    a.publish("t", "1");
    await b.has(1);
  });
});

describe("batches are numbered by gateway and topic:", () => {
  let builder: BatchBuilder;

  beforeEach(async () => {
    builder = new BatchBuilder();
    await there.topics.want("t");
  });

  function send(from: string, seq: number): void {
    builder.append({ type: toGateway.publish, flags: 0, extra: 0, slot: 0, epoch: 0 }, Buffer.from(`${from} ${seq}`));
    // Each names the one before it.
    const bytes = builder.seal({ from, to: "", session: 0, peerSession: 0, seq, ack: seq - 1, gap: false });
    here.bus.publish(subjectsOf(`topics-${namespaces}`).topicFromGateways("t"), bytes);
  }

  test("what nobody can repair is counted after a while, and what follows is delivered", async () => {
    for (const seq of [7, 8, 11, 12]) send("g9", seq);
    await arrived();
    expect(there.delivered, "what follows a gap waits").toEqual(["t text g9 7", "t text g9 8"]);
    // Its publisher has died: nobody answers.
    for (const ms of [250, 500, 1_000, 2_000, 4_000]) there.sweep(ms);
    expect(there.delivered.slice(2)).toEqual(["t text g9 11", "t text g9 12"]);
    expect(there.topics.counters.missed).toBe(2);
  });

  test("that a publisher has nothing more is believed of what was asked since NATS came back, not of an answer that was cut in two", async () => {
    const subjects = subjectsOf(`topics-${namespaces}`);
    const asked: number[] = [];
    here.bus.subscribe(subjects.repair, ({ payload }) => asked.push(parseRepair(payload).number));
    await here.bus.flush();
    send("g9", 7);
    send("g9", 9);
    await arrived();
    there.onEvent({ kind: "connected" });
    await there.bus.flush();
    await here.bus.flush();
    const [before, since] = asked as [number, number];
    const end = (session: number) =>
      here.bus.publish(
        subjects.repairedTopic("g2", "t"),
        encodeEmptyBatch({ from: "g9", to: "", session, peerSession: 0, seq: 0, ack: 9, gap: false }),
      );
    end(before);
    await arrived();
    expect(there.delivered).toEqual(["t text g9 7"]);
    end(since);
    await there.has(2);
    expect(there.topics.counters.missed).toBe(1);
  });

  test("doubles are dropped, of each gateway its own", async () => {
    for (const [from, seq] of [
      ...[["g8", 1] as const, ["g9", 1] as const, ["g8", 1] as const],
      ...[["g8", 2] as const, ["g9", 1] as const, ["g8", 1] as const],
    ]) {
      send(from, seq);
    }
    await arrived();
    expect(there.delivered).toEqual(["t text g8 1", "t text g9 1", "t text g8 2"]);
    expect(there.topics.counters.missed).toBe(0);
  });
});

describe("gateways that publish come and go:", () => {
  const id = (index: number) => `g${index}`.padEnd(11, "x");
  const counts = { connections: 0, parked: 0, messagesIn: 0, messagesOut: 0 };
  const process = { pid: 1, host: "h", protocol: 1, port: 1, adminPort: 1, startedAt: 0 };
  const hello: GatewayHello = { kind: "gateway", id: "", ...process, ...counts, serving: true, routes: {}, pins: {} };

  /** So many others have published to these topics, each once. */
  async function publishers(count: number, topics: readonly string[]): Promise<void> {
    const subjects = subjectsOf(`topics-${namespaces}`);
    const builder = new BatchBuilder();
    for (let index = 0; index < count; index++) {
      for (const topic of topics) {
        builder.append({ type: toGateway.publish, flags: 0, extra: 0, slot: 0, epoch: 0 }, Buffer.from("x"));
        const header = { from: id(index), to: "", session: 0, peerSession: 0, seq: 70_000, ack: 0, gap: false };
        here.bus.publish(subjects.topicFromGateways(topic), builder.seal(header));
      }
    }
    await there.has(count * topics.length);
  }

  /** What it asks the others for when it has lost NATS for a moment. */
  async function requests(): Promise<Array<{ bytes: number; body: RepairBody }>> {
    const { repair } = subjectsOf(`topics-${namespaces}`);
    const heard: Array<{ bytes: number; body: RepairBody }> = [];
    const subscription = here.bus.subscribe(repair, ({ payload }) => heard.push({ bytes: payload.length, body: parseRepair(payload) }));
    await here.bus.flush();
    there.losesNats();
    await there.bus.flush();
    await here.bus.flush();
    subscription.unsubscribe();
    return heard;
  }

  function says(announcement: Announcement): void {
    here.bus.publish(subjectsOf(`topics-${namespaces}`).members, encodeAnnouncement(announcement));
  }

  /** Time passes in which it hears the others. */
  function listens(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) there.sweep(Math.min(left, 1_000));
  }

  test("however many there were, a request for repair is no larger than NATS takes, and all of them together name all", async () => {
    const topics = Array.from({ length: 20 }, (_, index) => `room ${index}`);
    await Promise.all(topics.map((topic) => there.topics.want(topic)));
    await publishers(20, topics);
    const heard = await requests();
    expect(Math.max(...heard.map(({ bytes }) => bytes))).toBeLessThanOrEqual(limits.batchBytes);
    const asked = heard.flatMap(({ body }) => body.topics);
    expect(asked.map(({ topic }) => topic)).toEqual(topics);
    for (const { seen } of asked) expect(Object.keys(seen)).toHaveLength(20);
    expect(there.faults).toEqual([]);
  });

  test("where one request has no room for all, it names those that lack something", async () => {
    await there.topics.want("t");
    await publishers(60, ["t"]);
    const subjects = subjectsOf(`topics-${namespaces}`);
    const asked: RepairBody[] = [];
    here.bus.subscribe(subjects.repair, ({ payload }) => asked.push(parseRepair(payload)));
    await here.bus.flush();
    const behindGap = encodeEmptyBatch({ from: id(5), to: "", session: 0, peerSession: 0, seq: 70_002, ack: 70_001, gap: false });
    here.bus.publish(subjects.topicFromGateways("t"), behindGap);
    await arrived();
    await here.bus.flush();
    expect(asked).toHaveLength(1);
    const { seen = {} } = asked[0]?.topics[0] ?? {};
    expect(seen).toMatchObject({ [id(5)]: 70_000, [id(59)]: 70_000 });
    expect(Object.keys(seen).length).toBeLessThan(60);
  });

  test("what was received of one that has ended is forgotten, of one that is only silent it is not, until it was for long", async () => {
    await there.topics.want("t");
    there.sweep(1);
    await publishers(3, ["t"]);
    says({ kind: "gone", id: id(0), reason: "exited" });
    await arrived();
    const seen = async () => Object.keys((await requests())[0]?.body.topics[0]?.seen ?? {}).sort();
    listens(59_000);
    expect(await seen(), "its last batches may come behind its end").toEqual([id(0), id(1), id(2)]);
    listens(1_000);
    expect(await seen()).toEqual([id(1), id(2)]);
    listens(3_600_000);
    says({ ...hello, id: id(2) });
    await arrived();
    listens(3_540_000);
    expect(await seen(), "two hours after it was heard").toEqual([id(2)]);
  });

  test("what waits for a repair when its publisher has ended is delivered before that is forgotten", async () => {
    await there.topics.want("t");
    there.sweep(1);
    const gaps = 10;
    const subject = subjectsOf(`topics-${namespaces}`).topicFromGateways("t");
    const builder = new BatchBuilder();
    for (let seq = 1; seq <= 1 + 2 * gaps; seq += 2) {
      builder.append({ type: toGateway.publish, flags: 0, extra: 0, slot: 0, epoch: 0 }, Buffer.from(String(seq)));
      here.bus.publish(subject, builder.seal({ from: id(0), to: "", session: 0, peerSession: 0, seq, ack: seq - 1, gap: false }));
    }
    says({ kind: "gone", id: id(0), reason: "bye" });
    await arrived();
    expect(there.delivered).toEqual(["t text 1"]);
    // Each gap takes its 7.75 s.
    listens(60_000);
    expect(there.delivered.length).toBeLessThan(1 + gaps);
    listens(60_000);
    expect(there.delivered).toHaveLength(1 + gaps);
    expect(there.topics.counters.missed).toBe(gaps);
  });

  test.each([
    ["half an hour, and is known", 1_800_000],
    ["three hours, and is forgotten", 3 * 3_600_000],
  ])("one that has no NATS for %s: what it sends again is delivered once", async (_, ms) => {
    await there.topics.want("t");
    there.sweep(1);
    here.publish("t", "1");
    await there.has(1);
    here.now += 1_000;
    here.onEvent({ kind: "disconnected" });
    here.swallowed = 1;
    here.publish("t", "2");
    listens(ms);
    here.now += ms;
    here.onEvent({ kind: "connected" });
    here.publish("t", "3");
    await there.has(3);
    await arrived();
    expect(there.delivered).toEqual(texts("t", 1, 4));
    expect(there.topics.counters.missed).toBe(0);
  });

  test("nobody's silence counts while this one is without NATS, or stands still", async () => {
    const { own, port, a, b } = await onOwnNats();
    await b.topics.want("t");
    b.sweep(1);
    a.publish("t", "1");
    await b.has(1);
    for (let hours = 0; hours < 3; hours++) b.sweep(3_600_000);
    a.now = b.now;
    a.publish("t", "2");
    await own.stop();
    await b.isWithoutNats();
    for (let seconds = 0; seconds < 3 * 3_600; seconds++) b.sweep(1_000);
    a.now = b.now;
    a.publish("t", "3");
    const again = await startNats(port);
    onTestFinished(() => again.stop());
    await b.has(3);
    a.publish("t", "4");
    await b.has(4);
    expect(b.delivered).toEqual(texts("t", 1, 5));
    expect(b.topics.counters.missed).toBe(0);
  });
});

describe("what NATS swallowed is sent again from its publisher's ring:", () => {
  test("a batch in the middle, once and in its place", async () => {
    await there.topics.want("t");
    here.publish("t", "1");
    here.swallowed = 1;
    here.publish("t", "2");
    here.publish("t", "3");
    await there.has(3);
    await arrived();
    expect(there.delivered).toEqual(texts("t", 1, 4));
    expect(there.topics.counters.missed).toBe(0);
  });

  test("also where the first request for it is swallowed", async () => {
    await there.topics.want("t");
    here.publish("t", "1");
    here.swallowed = 1;
    here.publish("t", "2");
    there.swallowed = 1;
    here.publish("t", "3");
    await arrived();
    expect(there.delivered).toEqual(texts("t", 1, 2));
    there.sweep(250);
    await there.has(3);
    expect(there.delivered).toEqual(texts("t", 1, 4));
  });

  test("what has fallen out of the ring is counted as missed", async () => {
    await there.topics.want("t");
    here.publish("t", "1");
    here.swallowed = 1;
    here.publish("t", "2");
    here.publish("u", "x".repeat(limits.ringBytes));
    here.publish("t", "3");
    // As soon as its publisher has said so: no time passes here.
    await there.has(2);
    expect(there.delivered).toEqual(["t text 1", "t text 3"]);
    expect(there.topics.counters.missed).toBe(1);
  });

  test("the very first batch, however long the request for it takes on its way", async () => {
    await there.topics.want("t");
    here.swallowed = 1;
    here.publish("t", "1");
    here.now += 1_000;
    there.losesNats();
    await there.has(1);
    expect(there.delivered).toEqual(texts("t", 1, 2));
  });

  test("the very first batch, although the first request for it is swallowed and others come before the next", async () => {
    await there.topics.want("t");
    here.swallowed = 1;
    here.publish("t", "1");
    there.onEvent({ kind: "disconnected" });
    there.swallowed = 1;
    there.onEvent({ kind: "connected" });
    there.sweep(60_000);
    here.publish("t", "2");
    await there.has(2);
    expect(there.delivered).toEqual(texts("t", 1, 3));
  });

  test("not to who subscribed later, when the publisher had lost NATS", async () => {
    here.publish("t", "1");
    await here.bus.flush();
    here.now = ++there.now;
    await there.topics.want("t");
    here.publish("t", "2");
    await there.has(1);
    here.losesNats();
    here.publish("t", "3");
    await there.has(2);
    expect(there.delivered).toEqual(texts("t", 2, 4));

    // One that has heard nothing of it yet.
    await there.topics.want("u");
    there.topics.release("u");
    for (const text of ["1", "2", "3"]) here.publish("u", text);
    await here.bus.flush();
    here.now = ++there.now;
    await there.topics.want("u");
    here.losesNats();
    here.publish("u", "4");
    await there.has(3);
    expect(there.delivered.slice(2)).toEqual(["u text 4"]);
    expect(there.topics.counters.missed).toBe(0);
  });

  test("nothing that was published before it was wanted, and what comes next is delivered at once", async () => {
    here.publish("t", "1");
    await here.bus.flush();
    here.now = ++there.now;
    await there.topics.want("t");
    there.losesNats();
    await arrived();
    await here.bus.flush();
    here.publish("t", "2");
    await there.has(1);
    expect(there.delivered).toEqual(texts("t", 2, 3));
    expect(there.topics.counters.missed).toBe(0);
  });

  test("all that was published while NATS was away", async () => {
    const { own, port, a, b } = await onOwnNats();
    await b.topics.want("t");
    a.publish("t", "1");
    await b.has(1);
    await own.stop();
    a.publish("t", "2");
    a.publish("t", "3");
    const again = await startNats(port);
    onTestFinished(() => again.stop());
    await b.has(3);
    a.publish("t", "4");
    await b.has(4);
    expect(b.delivered).toEqual(texts("t", 1, 5));
    expect(b.topics.counters.missed).toBe(0);
  });
});

describe("what another program publishes", () => {
  const subject = () => subjectsOf(`topics-${namespaces}`).topicFromOutside("t");

  test("is a binary frame, or a text frame where a header says so", async () => {
    await Promise.all([there.topics.want("t"), here.topics.want("t")]);
    const asText = headers();
    asText.set(frameHeader, "text");
    outside.publish(subject(), "1");
    outside.publish(subject(), "2", { headers: asText });
    await Promise.all([there.has(2), here.has(2)]);
    expect(there.delivered).toEqual(["t binary 1", "t text 2"]);
    expect(here.delivered).toEqual(there.delivered);
    expect(there.topics.counters.external).toBe(2);
  });

  test("is bounded: what is larger than a client's message may be is counted, and not delivered", async () => {
    await there.topics.want("t");
    outside.publish(subject(), new Uint8Array(limits.externalBytes + 1));
    outside.publish(subject(), "x".repeat(limits.externalBytes));
    await there.has(1);
    expect(there.delivered.length).toBe(1);
    expect(there.topics.counters.external).toBe(1);
    expect(there.faults).toEqual(["publish.invalid"]);
  });

  test("is not delivered where it is marked as text and is not UTF-8: subscribers would have to fail their connections", async () => {
    await there.topics.want("t");
    const asText = headers();
    asText.set(frameHeader, "text");
    // No lead byte, cut off, a surrogate, longer than need be.
    const invalid = [[0x68, 0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]];
    for (const bytes of invalid) outside.publish(subject(), new Uint8Array(bytes), { headers: asText });
    outside.publish(subject(), "ä", { headers: asText });
    outside.publish(subject(), "", { headers: asText });
    outside.publish(subject(), "ä");
    await there.has(3);
    expect(there.delivered).toEqual(["t text ä", "t text ", "t binary ä"]);
    expect(there.topics.counters.external).toBe(3);
    expect(there.faults).toEqual(invalid.map(() => "publish.invalid"));
  });
});

test("garbage on a topic's subject is a fault, and hurts nothing", async () => {
  await there.topics.want("t");
  const subject = subjectsOf(`topics-${namespaces}`).topicFromGateways("t");
  for (const garbage of ["", "garbage", "\x01B", "\x02B0000000000"]) outside.publish(subject, garbage);
  outside.publish(subject.replace(/gateway$/, "other"), "garbage");
  await arrived();
  here.publish("t", "after");
  await there.has(1);
  expect(there.delivered).toEqual(["t text after"]);
  expect(there.faults).toEqual([...new Array<string>(3).fill("envelope.malformed"), "envelope.version", "envelope.malformed"]);
});

test("after an outage, what many topics may lack is asked for in slices", async () => {
  await Promise.all(Array.from({ length: 2_500 }, (_, number) => here.topics.want(`t${number}`)));
  here.tickMs = 10;
  here.losesNats();
  const begun = here.asked.reduce((sum, topics) => sum + topics, 0);
  for (let slice = here.slices.shift(); slice !== undefined; slice = here.slices.shift()) slice();
  expect([begun, here.asked.reduce((sum, topics) => sum + topics, 0)]).toEqual([1_000, 2_500]);
});
