import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BatchHeader } from "./batch-header.ts";
import { type Batch, decodeBatch, encodeEmptyBatch } from "./envelope.ts";
import { isCodedError } from "./errors.ts";
import { Link, type LinkLimits } from "./link.ts";
import { decodeFrame } from "./link-hub.ts";

const limits: LinkLimits = {
  batchBytes: 200,
  batchRecords: 8,
  unackedBytes: 1_500,
  unackedRecords: 20,
  retransmitMs: 300,
  ackDelayMs: 30,
  probeMs: 1_000_000,
};
const tickMs = 25;
const head = { type: 3, flags: 0, extra: 0, slot: 0, epoch: 0 };

/** A link, what was written to it, and what came out of it. */
class Life {
  readonly link: Link;
  readonly session: number;
  readonly written: string[] = [];
  readonly taken: string[] = [];
  /** The peer's life that it takes batches of. */
  takenFrom: number | undefined;
  lost = 0;
  credits = 0;
  isBegun = false;

  constructor(side: Side, session: number) {
    this.session = session;
    this.link = new Link({
      self: side.name,
      peer: side.peer,
      session,
      limits,
      now: () => side.world.now,
      transmit: (bytes) => side.world.flying.push({ to: side.peer, bytes }),
      onBegun: () => {
        this.isBegun = true;
      },
      onCredit: () => {
        this.credits++;
        side.pump();
      },
      onLost: () => {
        this.lost++;
      },
    });
  }

  write(payload: string): void {
    this.written.push(payload);
    this.link.append(head, Buffer.from(payload));
  }

  flush(): void {
    this.isBegun = false;
    this.link.flush();
  }

  receive(batch: Batch): void {
    if (!this.link.receive(batch)) return;
    this.takenFrom ??= batch.header.session;
    expect(batch.header.session, "batches of two lives were taken").toBe(this.takenFrom);
    for (let index = 0; index < batch.records; index++) this.taken.push(batch.text(index));
  }
}

/** One of two processes. Like a link hub it opens the next life when its peer has begun another one. */
class Side {
  readonly world: World;
  readonly name: string;
  readonly peer: string;
  readonly lives: Life[] = [];
  private backlog = 0;

  constructor(world: World, name: string, peer: string) {
    this.world = world;
    this.name = name;
    this.peer = peer;
    this.restart();
  }

  get life(): Life {
    return this.lives.at(-1) as Life;
  }

  get hasBacklog(): boolean {
    return this.backlog > 0;
  }

  restart(): void {
    this.lives.at(-1)?.link.close();
    this.lives.push(new Life(this, this.lives.length + 1));
  }

  /** Wants to say so much more, and says it when it has credit. */
  want(records: number): void {
    this.backlog += records;
    this.pump();
  }

  pump(): void {
    const { life } = this;
    while (this.backlog > 0 && life.link.hasCredit) {
      this.backlog--;
      life.write(`${this.name}${life.session}:${life.written.length}${".".repeat((life.written.length * 7) % 50)}`);
    }
  }

  receive(bytes: Uint8Array): void {
    const { life } = this;
    life.receive(decodeFrame(bytes, this.name));
    if (life.link.lost) this.restart();
  }

  tick(): void {
    if (this.life.isBegun) this.life.flush();
    this.life.link.tick();
  }
}

class World {
  now = 1_000;
  readonly flying: Array<{ to: string; bytes: Uint8Array }> = [];
  readonly a = new Side(this, "a", "b");
  readonly b = new Side(this, "b", "a");

  get sides(): Side[] {
    return [this.a, this.b];
  }

  side(name: string): Side {
    return name === "a" ? this.a : this.b;
  }

  arrive(at: number, isDoubled = false): void {
    const [frame] = isDoubled ? this.flying.slice(at, at + 1) : this.flying.splice(at, 1);
    if (frame !== undefined) this.side(frame.to).receive(frame.bytes);
  }

  tick(): void {
    this.now += tickMs;
    for (const side of this.sides) side.tick();
  }

  /** From now on nothing is lost. What is sent while frames arrive arrives with the next tick. */
  calm(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      for (let count = this.flying.length; count > 0; count--) this.arrive(0);
      for (const side of this.sides) if (side.life.written.length === 0) side.want(1);
      this.tick();
    }
  }
}

type Step =
  | { readonly kind: "want"; readonly side: "a" | "b"; readonly records: number }
  | { readonly kind: "flush" | "reconnected" | "restart"; readonly side: "a" | "b" }
  | { readonly kind: "arrive" | "double" | "lose"; readonly at: number }
  | { readonly kind: "tick"; readonly count: number };

const side = fc.constantFrom("a" as const, "b" as const);
// Mostly in order, as NATS does it; and now and then not.
const at = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) });
const fault: fc.WeightedArbitrary<Step>[] = [
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("want" as const), side, records: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("flush" as const), side }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("arrive" as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("double" as const), at }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("lose" as const), at }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("tick" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reconnected" as const), side }) },
];
const restart: fc.WeightedArbitrary<Step> = { weight: 2, arbitrary: fc.record({ kind: fc.constant("restart" as const), side }) };

function run(steps: readonly Step[]): World {
  const world = new World();
  for (const step of steps) {
    switch (step.kind) {
      case "want":
        world.side(step.side).want(step.records);
        break;
      case "flush":
        world.side(step.side).life.flush();
        break;
      case "reconnected":
        world.side(step.side).life.link.reconnected();
        break;
      case "restart":
        world.side(step.side).restart();
        break;
      case "arrive":
        world.arrive(step.at);
        break;
      case "double":
        world.arrive(step.at, true);
        break;
      case "lose":
        world.flying.splice(step.at, 1);
        break;
      case "tick":
        for (let tick = 0; tick < step.count; tick++) world.tick();
        break;
    }
    expectPrefixes(world);
  }
  return world;
}

// What a link that never fails would have taken: what one life of the peer has written, in order and once.
function expectPrefixes(world: World): void {
  for (const { lives, peer } of world.sides) {
    for (const { taken, takenFrom } of lives) {
      const written = world.side(peer).lives.find(({ session }) => session === takenFrom)?.written ?? [];
      expect(taken).toEqual(written.slice(0, taken.length));
    }
  }
}

function expectAllTaken(world: World): void {
  for (const here of world.sides) {
    const there = world.side(here.peer);
    expect(here.hasBacklog).toBe(false);
    expect(here.life.taken).toEqual(there.life.written);
    expect(here.life.takenFrom).toBe(there.life.session);
    expect(here.life.link.unackedBatches).toBe(0);
  }
  expect(world.flying).toEqual([]);
}

// The longest pause between two retransmissions is eight times 300 ms; both sides may have to wait for one.
const liveTicks = (2 * 8 * limits.retransmitMs) / tickMs;

describe("two links", () => {
  test("through loss, doubling, delay and reordering each takes what the other has written, in order and once", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...fault), { maxLength: 120, size: "max" }), (steps) => {
        const world = run(steps);
        world.calm(liveTicks + 100);
        expectPrefixes(world);
        expectAllTaken(world);
        for (const { lives } of world.sides) {
          expect(lives.length, "nobody began another life").toBe(1);
          expect(lives[0]?.link.counters.refused).toBe(0);
        }
      }),
      { numRuns: 400 },
    );
  });

  test("through restarts of either, too, no life takes what another life of the peer has written", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...fault, restart), { maxLength: 120, size: "max" }), (steps) => {
        const world = run(steps);
        world.calm(liveTicks + 100);
        expectPrefixes(world);
        expectAllTaken(world);
        for (const { lives } of world.sides) for (const { lost } of lives) expect(lost).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1_000 },
    );
  });

  test("find each other when both have begun another life and heard the other's earlier one only", () => {
    // Found by the property above: each refused what spoke to its earlier life, before it looked who was speaking.
    const world = run([
      { kind: "want", side: "b", records: 1 },
      { kind: "want", side: "a", records: 1 },
      { kind: "flush", side: "b" },
      { kind: "restart", side: "b" },
      { kind: "flush", side: "a" },
      { kind: "restart", side: "a" },
    ]);
    world.calm(liveTicks);
    expectAllTaken(world);
  });
});

/** One link, spoken to by hand. */
class Scene {
  now = 1_000;
  readonly sent: Batch[] = [];
  credits = 0;
  lost = 0;
  readonly link: Link;

  constructor(session = 5) {
    this.link = new Link({
      self: "a",
      peer: "b",
      session,
      limits,
      now: () => this.now,
      transmit: (bytes) => this.sent.push(decodeBatch(bytes)),
      onBegun: () => undefined,
      onCredit: () => {
        this.credits++;
      },
      onLost: () => {
        this.lost++;
      },
    });
  }

  /** @returns whether the link takes it. */
  hear(header: Partial<BatchHeader>): boolean {
    const whole = { from: "b", to: "a", session: 9, peerSession: 5, seq: 0, ack: 0, gap: false, ...header };
    return this.link.receive(decodeBatch(encodeEmptyBatch(whole)));
  }

  say(payload = ""): void {
    this.link.append(head, Buffer.from(payload));
    this.link.flush();
  }

  after(ms: number): void {
    this.now += ms;
    this.link.tick();
  }

  /** seq, ack and gap of what was sent since the last call. */
  get heard(): string[] {
    return this.sent.splice(0).map(({ header: { seq, ack, gap } }) => `${seq} ack ${ack}${gap ? " gap" : ""}`);
  }
}

describe("an acknowledgement", () => {
  test("travels on the next batch", () => {
    const scene = new Scene();
    expect(scene.hear({ seq: 1 })).toBe(true);
    scene.say();
    scene.after(1_000);
    expect(scene.heard[0]).toBe("1 ack 1");
  });

  test("goes alone when no batch takes it along in time, and once", () => {
    const scene = new Scene();
    scene.hear({ seq: 1 });
    scene.after(limits.ackDelayMs - 1);
    expect(scene.heard).toEqual([]);
    scene.after(1);
    scene.after(1_000);
    expect(scene.heard).toEqual(["0 ack 1"]);
  });

  test("goes with the next flush after 32 batches: the sender keeps them until then", () => {
    const scene = new Scene();
    for (let seq = 1; seq <= 31; seq++) scene.hear({ seq });
    scene.link.flush();
    expect(scene.heard).toEqual([]);
    scene.hear({ seq: 32 });
    scene.link.flush();
    expect(scene.heard).toEqual(["0 ack 32"]);
  });

  test("that is wanted with the next flush goes then and once, alone or on a batch, and not before", () => {
    const scene = new Scene();
    for (const seq of [1, 2]) {
      scene.hear({ seq });
      scene.link.ackAtFlush();
      scene.link.ackAtFlush();
      if (seq === 2) scene.link.append(head, Buffer.from("x"));
      expect([scene.link.acksAtFlush, scene.sent.length]).toEqual([true, seq - 1]);
      scene.link.flush();
      scene.link.flush();
      expect(scene.link.acksAtFlush).toBe(false);
    }
    scene.after(limits.ackDelayMs);
    expect(scene.heard).toEqual(["0 ack 1", "1 ack 2"]);
  });

  test("is not on a batch that is sealed because it is full: what was received is being handled, and its answers follow", () => {
    const scene = new Scene();
    scene.say();
    scene.hear({ seq: 1 });
    scene.link.ackAtFlush();
    for (let count = 0; count <= limits.batchRecords; count++) scene.link.appendEmpty(head);
    for (let count = 0; count < 2; count++) scene.link.append(head, Buffer.alloc(limits.batchBytes - 60));
    expect([scene.link.acksAtFlush, scene.heard]).toEqual([true, ["1 ack 0", "2 ack 0", "3 ack 0", "4 ack 0"]]);
    scene.link.flush();
    expect([scene.link.acksAtFlush, scene.heard]).toEqual([false, ["5 ack 1"]]);
  });

  test("is repeated for a double: the one before may have been lost", () => {
    const scene = new Scene();
    scene.hear({ seq: 1 });
    scene.after(limits.ackDelayMs);
    expect(scene.hear({ seq: 1 })).toBe(false);
    scene.after(0);
    expect(scene.heard).toEqual(["0 ack 1", "0 ack 1"]);
    expect(scene.link.counters.doubles).toBe(1);
  });

  test("of what was never sent is refused, and nothing is forgotten for it", () => {
    const scene = new Scene();
    scene.say();
    scene.hear({ ack: 2 });
    expect(scene.link.counters.refused).toBe(1);
    expect(scene.link.unackedBatches).toBe(1);
  });

  test("of a part leaves the rest to be sent again", () => {
    const scene = new Scene();
    for (let count = 0; count < 3; count++) scene.say();
    scene.hear({ ack: 2 });
    expect([scene.link.unackedBatches, scene.heard.length]).toEqual([1, 3]);
    scene.after(limits.retransmitMs);
    expect(scene.heard).toEqual(["3 ack 0"]);
  });
});

describe("a gap", () => {
  test("is told once, and again after a while; what follows it is not taken", () => {
    const scene = new Scene();
    expect(scene.hear({ seq: 1 })).toBe(true);
    for (const seq of [3, 4, 5]) expect(scene.hear({ seq })).toBe(false);
    expect(scene.heard).toEqual(["0 ack 1 gap"]);
    scene.now += limits.ackDelayMs;
    expect(scene.hear({ seq: 6 })).toBe(false);
    expect(scene.heard).toEqual(["0 ack 1 gap"]);
    expect(scene.link.counters.gaps).toBe(4);
    for (const seq of [2, 3, 4, 5, 6]) expect(scene.hear({ seq })).toBe(true);
  });

  test("told by the peer makes everything be sent again that it lacks", () => {
    const scene = new Scene();
    for (let count = 0; count < 3; count++) scene.say();
    scene.sent.length = 0;
    scene.hear({ ack: 1, gap: true });
    expect(scene.heard).toEqual(["2 ack 0", "3 ack 0"]);
  });
});

describe("without an acknowledgement all is sent again", () => {
  test("after a pause that doubles, up to eight times as long, and is short again after the first acknowledgement", () => {
    const scene = new Scene();
    scene.say();
    const pauses: number[] = [];
    for (let since = scene.now; pauses.length < 6 && scene.now < 20_000; ) {
      scene.after(1);
      if (scene.heard.includes("1 ack 0") && scene.now > since + 1) {
        pauses.push(scene.now - since);
        since = scene.now;
      }
    }
    expect(pauses).toEqual([300, 600, 1_200, 2_400, 2_400, 2_400]);
    scene.say();
    scene.hear({ ack: 1 });
    expect(scene.heard).toEqual(["2 ack 0"]);
    scene.after(299);
    expect(scene.heard).toEqual([]);
    scene.after(1);
    expect(scene.heard).toEqual(["2 ack 0"]);
  });

  test("at once after a reconnect, with what this side has", () => {
    const scene = new Scene();
    scene.hear({ seq: 1 });
    scene.say();
    scene.say();
    scene.sent.length = 0;
    scene.link.reconnected();
    expect(scene.heard).toEqual(["0 ack 1", "1 ack 1", "2 ack 1"]);
  });
});

describe("credit", () => {
  const large = "x".repeat(380);

  test("ends at the limit, counts what is being built, and comes back when half is acknowledged", () => {
    const scene = new Scene();
    for (let count = 0; count < 3; count++) scene.say(large);
    expect(scene.link.hasCredit).toBe(true);
    scene.link.append(head, Buffer.from(large));
    expect(scene.link.hasCredit).toBe(false);
    scene.link.flush();
    expect(scene.link.hasCredit).toBe(false);
    scene.hear({ ack: 1 });
    scene.hear({ ack: 2 });
    expect(scene.credits).toBe(0);
    scene.hear({ ack: 3 });
    expect(scene.credits).toBe(1);
    expect(scene.link.hasCredit).toBe(true);
    scene.hear({ ack: 4 });
    expect(scene.credits, "nobody was refused meanwhile").toBe(1);
  });

  test("ends at a number of records too, however small they are", () => {
    const scene = new Scene();
    for (let count = 0; count < limits.unackedRecords - 1; count++) scene.link.appendEmpty(head);
    expect(scene.link.hasCredit).toBe(true);
    scene.link.appendEmpty(head);
    expect(scene.link.hasCredit).toBe(false);
    scene.link.flush();
    expect(scene.link.hasCredit).toBe(false);
    const batches = scene.sent.length;
    scene.hear({ ack: batches - 1 });
    scene.hear({ ack: batches });
    expect([scene.credits, scene.link.hasCredit]).toEqual([1, true]);
  });

  test("nobody is told of who was never without it", () => {
    const scene = new Scene();
    scene.say(large);
    expect(scene.link.hasCredit).toBe(true);
    scene.hear({ ack: 1 });
    expect(scene.credits).toBe(0);
  });
});

describe("batches", () => {
  test("are sealed before they grow beyond the limit, and a group stays together", () => {
    const scene = new Scene();
    scene.link.append(head, Buffer.alloc(60));
    scene.link.reserve(150);
    expect(scene.sent.map(({ records }) => records)).toEqual([1]);
    for (let count = 0; count < 3; count++) scene.link.batch.append(head, Buffer.alloc(50));
    scene.link.flush();
    expect(scene.sent.map(({ records }) => records)).toEqual([1, 3]);
  });

  test("are sealed when they have enough records, and a group stays together", () => {
    const scene = new Scene();
    for (let count = 0; count < limits.batchRecords - 1; count++) scene.link.appendEmpty(head);
    scene.link.reserve(0);
    for (let count = 0; count < 3; count++) scene.link.batch.appendEmpty(head);
    expect(scene.sent).toEqual([]);
    scene.link.appendEmpty(head);
    scene.link.flush();
    expect(scene.sent.map(({ records }) => records)).toEqual([limits.batchRecords + 2, 1]);
  });

  test("a record that is larger than the limit travels alone", () => {
    const scene = new Scene();
    scene.link.append(head, Buffer.alloc(1_000));
    scene.link.appendEmpty(head);
    scene.link.flush();
    expect(scene.sent.map(({ records }) => records)).toEqual([1, 1]);
  });

  test("nothing is sent for nothing", () => {
    const scene = new Scene();
    scene.link.flush();
    scene.after(10_000);
    expect(scene.heard).toEqual([]);
  });
});

describe("another life", () => {
  test("of the peer ends the link, once; nothing is taken or sent any more", () => {
    const scene = new Scene();
    scene.hear({ seq: 1 });
    scene.say();
    scene.sent.length = 0;
    expect(scene.hear({ session: 10, peerSession: 0, seq: 1 })).toBe(false);
    expect(scene.hear({ session: 10, peerSession: 0, seq: 1 })).toBe(false);
    expect(scene.hear({ seq: 2 })).toBe(false);
    expect([scene.lost, scene.link.lost]).toEqual([1, true]);
    scene.say();
    scene.link.reconnected();
    scene.after(10_000);
    expect(scene.heard).toEqual([]);
  });

  test("of the peer that is over is refused", () => {
    const scene = new Scene();
    scene.hear({ seq: 1 });
    expect(scene.hear({ session: 8, seq: 2 })).toBe(false);
    expect(scene.hear({ seq: 2 })).toBe(true);
    expect([scene.lost, scene.link.counters.refused]).toEqual([0, 1]);
  });

  test("is none where its number is 0", () => {
    const scene = new Scene();
    expect(scene.hear({ session: 0, peerSession: 0, seq: 1 })).toBe(false);
    expect([scene.lost, scene.link.counters.refused, scene.sent.length]).toEqual([0, 1, 0]);
    expect(scene.hear({ seq: 1 })).toBe(true);
  });

  test("of this side is told to a peer that speaks to the one before", () => {
    const scene = new Scene();
    expect(scene.hear({ peerSession: 4, seq: 1 })).toBe(false);
    expect(scene.sent.map(({ header: { session, peerSession, seq } }) => [session, peerSession, seq])).toEqual([[5, 0, 0]]);
  });

  test("closed by its owner it keeps nothing", () => {
    const scene = new Scene();
    scene.say();
    scene.link.close();
    expect([scene.link.unackedBatches, scene.link.lost]).toEqual([0, true]);
    expect(scene.hear({ seq: 1 })).toBe(false);
  });
});

test("frames between others are refused", () => {
  const scene = new Scene();
  expect(scene.hear({ from: "c", seq: 1 })).toBe(false);
  expect(scene.hear({ to: "c", seq: 1 })).toBe(false);
  expect(scene.link.counters.refused).toBe(2);
  const bytes = encodeEmptyBatch({ from: "b", to: "c", session: 1, peerSession: 0, seq: 0, ack: 0, gap: false });
  expect(decodeFrame(bytes, "c").header.from).toBe("b");
  try {
    decodeFrame(bytes, "a");
    expect.unreachable();
  } catch (error) {
    expect(isCodedError(error, "envelope.malformed")).toBe(true);
  }
});
