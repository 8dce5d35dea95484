// Link hubs on a real nats-server; their time is played, but for the timer that looks at it.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { connectBus } from "../nats/connection.ts";
import { startNats, type TestNats } from "../test/nats.ts";
import { patienceMs } from "../testbed/patience.ts";
import type { Bus } from "./bus.ts";
import { Link } from "./link.ts";
import { LinkHub } from "./link-hub.ts";
import { subjectsOf } from "./subjects.ts";

const head = { type: 3, flags: 0, extra: 0, slot: 0, epoch: 0 };

let nats: TestNats;
let namespaces = 0;
let sides: Side[];

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());

beforeEach(() => {
  namespaces++;
  sides = [];
});
afterEach(() => Promise.all(sides.map((side) => side.end())));

class Side {
  readonly hub: LinkHub;
  readonly bus: Bus;
  readonly taken: string[] = [];
  readonly lost: string[] = [];
  readonly unheard: string[] = [];
  now = 100_000;

  private constructor(self: string, bus: Bus) {
    this.bus = bus;
    this.hub = new LinkHub({
      self,
      bus,
      subjects: subjectsOf(`hub-${namespaces}`),
      inboxes: [subjectsOf(`hub-${namespaces}`).link(self), subjectsOf(`hub-${namespaces}`).linkFromWorkers(self)],
      isForeign: (peer, inbox) => peer === "gateway" && inbox.includes(".worker."),
      now: () => this.now,
      onBatch: (peer, batch) => {
        for (let index = 0; index < batch.records; index++) this.taken.push(`${peer} ${batch.text(index)}`);
      },
      onStranger: (peer) => void this.hub.open(peer),
      onCredit: () => undefined,
      onLost: (peer) => this.lost.push(peer),
      onUnheard: (peer) => this.unheard.push(peer),
    });
    sides.push(this);
  }

  static async start(self: string): Promise<Side> {
    const side = new Side(self, await connectBus({ url: nats.url, name: self, onEvent: () => undefined }));
    await side.bus.flush();
    return side;
  }

  say(peer: string, text: string): void {
    (this.hub.get(peer) ?? this.hub.open(peer)).append(head, Buffer.from(text));
  }

  async end(): Promise<void> {
    await this.bus.close();
    this.hub.stop();
  }
}

/** Something that comes over NATS, sooner or later. */
function until(isSo: () => void): Promise<void> {
  return vi.waitFor(isSo, { timeout: patienceMs, interval: 5 });
}

test("what is said in one turn of the event loop travels together, to a stranger too, and back", async () => {
  const [here, there] = await Promise.all([Side.start("here"), Side.start("there")]);
  for (const text of ["a", "b"]) here.say("there", text);
  await until(() => expect(there.taken).toEqual(["here a", "here b"]));
  expect(here.hub.get("there")?.unackedBatches).toBeLessThanOrEqual(1);
  there.say("here", "c");
  await until(() => expect(here.taken).toEqual(["there c"]));
});

test("an acknowledgement that goes with a flush is behind what is published with it, and in one piece with it", async () => {
  const here = await Side.start("here");
  const link = here.hub.open("there");
  const calls: string[] = [];
  const { publish, together } = here.bus;
  here.bus.publish = (...args) => {
    calls.push(args[0]);
    publish.apply(here.bus, args);
  };
  here.bus.together = (publishes) => {
    calls.push("together");
    together.call(here.bus, publishes);
    calls.push("so far");
  };
  here.hub.onFlush(() => calls.push("published"));
  link.ackAtFlush();
  here.hub.flush();
  expect(calls).toEqual(["together", "published", subjectsOf(`hub-${namespaces}`).link("there"), "so far"]);
  here.hub.flush();
  expect(calls.slice(4)).toEqual(["published"]);
});

test("a frame that ends one life of a peer begins the next: it is taken, once", async () => {
  const [here, first] = await Promise.all([Side.start("here"), Side.start("there")]);
  first.say("here", "first life");
  await until(() => expect(here.taken).toEqual(["there first life"]));
  await first.end();
  const second = await Side.start("there");
  second.say("here", "second life");
  await until(() => expect(here.taken).toEqual(["there first life", "there second life"]));
  expect(here.lost).toEqual(["there"]);
  here.say("there", "welcome back");
  await until(() => expect(second.taken).toEqual(["here welcome back"]));
  expect(here.lost).toEqual(["there"]);
});

test("a peer that nobody hears is told of when NATS has said so twice, and not at once", async () => {
  const here = await Side.start("here");
  here.say("nobody", "hello?");
  // Its word goes round in a moment; the second one does not count before a while has passed.
  await here.bus.flush();
  here.hub.get("nobody")?.probe();
  await here.bus.flush();
  await new Promise((resolve) => setImmediate(resolve));
  await here.bus.flush();
  expect(here.unheard).toEqual([]);
  await until(() => {
    here.now += 10;
    expect(here.unheard).toContain("nobody");
  });
});

test("one that was only late is not told of: it has subscribed when NATS is asked again", async () => {
  const here = await Side.start("here");
  here.say("there", "hello?");
  await here.bus.flush();
  const there = await Side.start("there");
  // What was said before is sent again, and answered.
  await until(() => {
    here.now += 15;
    there.now += 15;
    expect(there.taken).toEqual(["here hello?"]);
  });
  for (let count = 0; count < 20; count++) {
    here.now += 100;
    here.hub.get("there")?.probe();
    await here.bus.flush();
  }
  expect(here.unheard).toEqual([]);
});

test("shortly after a reconnect nobody is told of; after the grace period the dead are", async () => {
  const here = await Side.start("here");
  here.say("nobody", "hello?");
  here.hub.reconnected();
  const grace = here.now + 2_000;
  while (here.now < grace - 100) {
    here.now += 100;
    here.hub.get("nobody")?.probe();
    await here.bus.flush();
  }
  expect(here.unheard).toEqual([]);
  here.now = grace;
  await until(() => {
    here.now += 25;
    expect(here.unheard).toContain("nobody");
  });
});

test("counts for links that are closed, too", async () => {
  const here = await Side.start("here");
  here.say("nobody", "a");
  here.hub.flush();
  here.now += 1_000;
  await until(() => expect(here.hub.counters.retransmitted).toBe(1));
  here.hub.close("nobody");
  here.hub.open("nobody");
  expect(here.hub.counters).toEqual({ retransmitted: 1, doubles: 0, gaps: 0, refused: 0 });
});

test("what comes in a peer's name where that does not write is refused", async () => {
  const [own, peer] = [await Side.start("own"), await Side.start("peer")];
  const subjects = subjectsOf(`hub-${namespaces}`);
  const says = (inbox: string, from: string, text: string) => {
    const transmit = (bytes: Uint8Array) => peer.bus.publish(inbox, bytes);
    const unused = () => undefined;
    const link = new Link({
      self: from,
      peer: "own",
      session: 1,
      now: () => 0,
      transmit,
      onBegun: unused,
      onCredit: unused,
      onLost: unused,
    });
    link.append(head, Buffer.from(text));
    link.flush();
  };
  for (const [inbox, from] of [
    [subjects.linkFromWorkers("own"), "gateway"],
    [subjects.linkFromWorkers("own"), "worker"],
    [subjects.link("own"), "gateway"],
  ] as const)
    says(inbox, from, inbox);
  await vi.waitFor(() => expect(own.taken).toHaveLength(2), { timeout: patienceMs });
  expect(own.taken).toEqual([`worker ${subjects.linkFromWorkers("own")}`, `gateway ${subjects.link("own")}`]);
});
