import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CodedError } from "../../protocol/errors.ts";
import type { Entry } from "../../protocol/key-value.ts";
import { type LockValue, mostWaiting } from "../../protocol/lock-value.ts";
import { LockEntries, type LockStore } from "./lock-entries.ts";
import { Locks } from "./locks.ts";
import { freeLocksOf } from "./lost-locks.ts";

const tickMs = 50;
const limits = { total: 1_000, perConnection: 2 };

/** Lets everything that was resolved go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What becomes of one question to the store: when it arrives, and when its answer does; undefined: never. */
interface Fate {
  readonly thereMs: number | undefined;
  readonly backMs: number | undefined;
}

const quick: Fate = { thereMs: 0, backMs: 0 };

/** The store, whose clock and network a test holds. */
class World {
  now = 0;
  revision = 0;
  createdAt = 1_000;
  fate: () => Fate = () => quick;
  /** Whether puts are heard. */
  isHeard: () => boolean = () => true;
  readonly entries = new Map<string, Entry<LockValue>>();
  readonly gateways: Gateway[] = [];
  /** Gateways that have not been heard for long. */
  readonly gone = new Set<string>();
  /** By lock: the highest fence that somebody got, and who. */
  readonly fences = new Map<string, number>();
  readonly lastHolder = new Map<string, string>();
  /** What nobody should have been told, in words. Not thrown: the locks under test would take it for an error of the store. */
  readonly wrong: string[] = [];
  private letters: Array<{ readonly at: number; readonly run: () => void }> = [];
  private readonly interruptions: Array<{ readonly steps: number; readonly run: () => void }> = [];

  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += tickMs;
      for (let due = this.due(); due.length > 0; due = this.due()) {
        for (const { run } of due) run();
        await this.interrupt();
        await settle();
      }
      for (const gateway of this.gateways) if (!gateway.isDead) gateway.locks.sweep();
      await settle();
    }
  }

  /** Something happens between the store's next answer and what follows from it, when so many promises in a row have been resolved. */
  interruptAfter(steps: number, run: () => void): void {
    this.interruptions.push({ steps, run });
  }

  async calm(): Promise<void> {
    this.interruptions.length = 0;
    this.fate = () => quick;
    this.isHeard = () => true;
    await this.pass(15_000);
  }

  ask<Answer>(gateway: Gateway, execute: () => Answer): Promise<Answer> {
    const { thereMs, backMs } = this.fate();
    return new Promise((resolve, reject) => {
      this.letters.push({ at: this.now + 2_000, run: () => reject(new CodedError("store.unavailable", "no answer")) });
      if (thereMs === undefined) return;
      const arrive = () => {
        const answer = execute();
        if (backMs !== undefined) this.letters.push({ at: this.now + backMs, run: () => gateway.isDead || resolve(answer) });
      };
      this.letters.push({ at: this.now + thereMs, run: arrive });
    });
  }

  put(key: string, value: LockValue, revision: number, from: Gateway): number | undefined {
    const listeners = this.gateways.filter((gateway) => gateway !== from && !gateway.isDead && this.isHeard());
    for (const { hear } of listeners) this.letters.push({ at: this.now, run: () => hear(key, value) });
    if ((this.entries.get(key)?.revision ?? 0) !== revision) return undefined;
    this.entries.set(key, { value, revision: ++this.revision });
    return this.revision;
  }

  remove(revision: number): boolean {
    const found = [...this.entries].find(([, entry]) => entry.revision === revision);
    return found !== undefined && this.entries.delete(found[0]);
  }

  private async interrupt(): Promise<void> {
    const interruption = this.interruptions.shift();
    if (interruption === undefined) return;
    for (let step = 0; step < interruption.steps; step++) await undefined;
    interruption.run();
  }

  private due() {
    const due = this.letters.filter(({ at }) => at <= this.now);
    this.letters = this.letters.filter(({ at }) => at > this.now);
    return due;
  }
}

/** What a connection was told of a lock. */
type Told = number | undefined | string;

class Gateway {
  isDead = false;
  readonly locks: Locks;
  readonly entries: LockEntries;
  readonly name: string;
  readonly lost: string[] = [];
  readonly told: Told[] = [];
  /** By connection and name: the fence, for as long as it may use the lock. */
  readonly held = new Map<string, number>();
  hear: (key: string, value: LockValue) => void = () => undefined;
  private readonly world: World;

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
    world.gateways.push(this);
    const store: LockStore = {
      get: (key) => world.ask(this, () => world.entries.get(key) ?? { value: undefined, revision: 0 }),
      replace: (key, value, revision) => world.ask(this, () => world.put(key, value, revision, this)),
      remove: (revision) => world.ask(this, () => world.remove(revision)),
      each: async (visit) => {
        for (const [key, entry] of [...world.entries]) await visit(key, entry);
      },
      hear: (listener) => {
        this.hear = listener;
        return () => undefined;
      },
      createdAt: () => Promise.resolve(world.createdAt),
    };
    this.entries = new LockEntries(store);
    this.locks = new Locks({
      self: name,
      entries: this.entries,
      now: () => world.now,
      limits,
      isGone: (gateway) => world.gone.has(gateway),
      onLost: (connection, name) => {
        this.lost.push(connection);
        this.held.delete(`${connection} ${name}`);
      },
    });
  }

  /** @returns what it is told, once it is. */
  take(number: number, name = "a", waitMs = 0): { told: Told[] } {
    const told: Told[] = [];
    const connection = `${this.name}-${number}-0`;
    this.locks.take(connection, name, waitMs, (outcome) => {
      // Answers that came before its end, and were not read.
      if (this.isDead) return;
      const said = outcome instanceof Error ? (outcome as CodedError).code : outcome;
      told.push(said);
      this.told.push(said);
      if (typeof outcome === "number") this.gets(connection, name, outcome);
    });
    return { told };
  }

  keep(number: number, name = "a"): void {
    this.locks.keep(`${this.name}-${number}-0`, name);
  }

  commit(number: number): void {
    this.locks.commit(`${this.name}-${number}-0`);
  }

  release(number: number, name = "a"): void {
    this.held.delete(`${this.name}-${number}-0 ${name}`);
    this.locks.release(`${this.name}-${number}-0`, name);
  }

  end(number: number): void {
    const connection = `${this.name}-${number}-0`;
    for (const key of [...this.held.keys()]) if (key.startsWith(`${connection} `)) this.held.delete(key);
    this.locks.end(connection);
  }

  kill(): void {
    this.isDead = true;
    this.held.clear();
  }

  private gets(connection: string, name: string, fence: number): void {
    const others = this.world.gateways.flatMap(({ held }) => [...held].filter(([key]) => key.endsWith(` ${name}`)));
    const second = others.find(([key]) => key !== `${connection} ${name}`);
    if (second !== undefined) this.world.wrong.push(`${connection} gets ${name}, which ${second[0]} has`);
    const highest = this.world.fences.get(name) ?? 0;
    const isHeldStill = this.held.get(`${connection} ${name}`) === fence || this.world.lastHolder.get(name) === connection;
    if (fence < highest || (fence === highest && !isHeldStill))
      this.world.wrong.push(`${connection} gets ${name} with ${fence}, behind ${highest}`);
    this.world.fences.set(name, fence);
    this.world.lastHolder.set(name, connection);
    this.held.set(`${connection} ${name}`, fence);
  }
}

let world: World;
let a: Gateway;
let b: Gateway;

beforeEach(() => {
  world = new World();
  a = new Gateway("ga", world);
  b = new Gateway("gb", world);
});

afterEach(() => expect(world.wrong).toEqual([]));

test("one connection has it; others get it in the order in which they asked, each with a higher fence", async () => {
  const first = a.take(1);
  await world.pass(tickMs);
  const waiting: Array<{ told: Told[] }> = [];
  for (const [gateway, number] of [
    [b, 2],
    [a, 3],
    [b, 4],
  ] as const) {
    waiting.push(gateway.take(number, "a", 5_000));
    await world.pass(100);
  }
  const refused = b.take(5);
  await world.pass(100);
  expect([first.told, refused.told, ...waiting.map(({ told }) => told)]).toEqual([[expect.any(Number)], [undefined], [], [], []]);
  a.release(1);
  await world.pass(100);
  b.release(2);
  await world.pass(100);
  a.end(3);
  await world.pass(100);
  const fences = [first, ...waiting].map(({ told }) => told[0] as number);
  expect([...fences].sort((x, y) => x - y)).toEqual(fences);
  expect(new Set(fences).size).toBe(4);
  b.release(4);
  await world.pass(100);
  expect([world.entries.size, a.locks.size, b.locks.size]).toEqual([0, 0, 0]);
});

test("who has it gets the same again; a turn that has not kept it gives it back", async () => {
  const first = a.take(1);
  await world.pass(100);
  expect(a.take(1).told).toEqual(first.told);
  a.keep(1);
  a.commit(1);
  await world.pass(100);
  expect(world.entries.size).toBe(1);
  a.release(1);
  await world.pass(100);
  a.take(1);
  await world.pass(100);
  a.held.clear();
  a.commit(1);
  await world.pass(100);
  expect(world.entries.size).toBe(0);
});

test("who gives it back and asks again at once is behind those who wait, and gets another fence", async () => {
  const first = a.take(1);
  await world.pass(100);
  const waits = b.take(2, "a", 5_000);
  await world.pass(100);
  a.release(1);
  const again = a.take(1, "a", 5_000);
  await world.pass(100);
  expect([waits.told, again.told]).toEqual([[expect.any(Number)], []]);
  b.release(2);
  await world.pass(100);
  expect(again.told[0]).toBeGreaterThan(waits.told[0] as number);
  // Also where nobody waits.
  a.release(1);
  const alone = a.take(1);
  await world.pass(100);
  expect(alone.told[0]).toBeGreaterThan(again.told[0] as number);
  expect(waits.told[0]).toBeGreaterThan(first.told[0] as number);
});

test("who gives it back and asks again while the store is asked is not told that it has it still", async () => {
  const first = a.take(1);
  await world.pass(100);
  world.fate = () => ({ thereMs: 100, backMs: 100 });
  const waits = a.take(2, "a", 5_000);
  await world.pass(100);
  a.release(1);
  const again = a.take(1, "a", 5_000);
  await world.pass(1_000);
  expect([again.told, waits.told]).toEqual([[], [expect.any(Number)]]);
  a.release(2);
  await world.pass(1_000);
  expect(again.told[0]).toBeGreaterThan(waits.told[0] as number);
  expect(waits.told[0]).toBeGreaterThan(first.told[0] as number);
});

test("who has waited for long enough is told, and is in nobody's way", async () => {
  a.take(1);
  await world.pass(100);
  const waits = b.take(2, "a", 500);
  const next = b.take(3, "a", 5_000);
  await world.pass(1_000);
  expect(waits.told).toEqual([undefined]);
  a.release(1);
  await world.pass(100);
  expect(next.told).toEqual([expect.any(Number)]);
});

test("bounds: of a connection, and of who waits for one lock", async () => {
  for (const name of ["a", "b"]) a.take(1, name);
  expect(a.take(1, "c").told).toEqual(["lock.tooMany"]);
  await world.pass(100);
  const waiting = Array.from({ length: mostWaiting }, (_, index) => b.take(index + 10, "a", 5_000));
  await world.pass(500);
  const last = b.take(9, "a", 5_000);
  await world.pass(500);
  expect(last.told).toEqual(["lock.crowded"]);
  expect(waiting.flatMap(({ told }) => told)).toEqual([]);
  for (let index = 0; index < limits.total - mostWaiting; index++) b.take(1_000 + index, `other ${index}`);
  expect(b.take(9_999, "z").told).toEqual(["lock.total"]);
});

test("the locks of a gateway that has ended go to those who wait", async () => {
  a.take(1);
  a.take(2, "b");
  await world.pass(100);
  const waits = b.take(1, "a", 60_000);
  const behind = a.take(3, "a", 60_000);
  await world.pass(100);
  a.kill();
  const freeing = freeLocksOf("ga", b.entries);
  await world.pass(3_000);
  expect(await freeing).toBe(2);
  expect([waits.told, behind.told]).toEqual([[expect.any(Number)], []]);
  expect(b.take(2, "b").told).toEqual([]);
});

test("a gateway of which nobody has heard for long has no locks, also where nobody was there when it ended", async () => {
  for (const name of ["a", "b"]) a.take(1, name);
  await world.pass(100);
  a.kill();
  const waits = b.take(1, "a", 60_000);
  await world.pass(1_000);
  expect(waits.told).toEqual([]);
  world.gone.add("ga");
  const now = b.take(1, "b");
  await world.pass(2_000);
  expect([waits.told, now.told]).toEqual([[expect.any(Number)], [expect.any(Number)]]);
});

test("who has it and finds somebody else in its place is told", async () => {
  a.take(1);
  await world.pass(100);
  // Others have taken its gateway for dead.
  a.held.clear();
  const freeing = freeLocksOf("ga", b.entries);
  const waits = b.take(1, "a", 60_000);
  await world.pass(3_000);
  await freeing;
  expect(waits.told).toEqual([expect.any(Number)]);
  a.locks.reconnected();
  await world.pass(100);
  expect([a.lost, a.locks.size]).toEqual([["ga-1-0"], 0]);
});

test("a store that does not answer: who would not wait is told, who waits gets it when it is back", async () => {
  world.fate = () => ({ thereMs: undefined, backMs: undefined });
  const [now, waits, short] = [a.take(1), a.take(2, "a", 30_000), a.take(3, "b", 3_000)];
  await world.pass(5_000);
  expect([now.told, waits.told, short.told]).toEqual([["store.unavailable"], [], ["store.unavailable"]]);
  await world.calm();
  expect(waits.told).toEqual([expect.any(Number)]);
});

test("who waits in vain, and the store has answered again, hears that others have it", async () => {
  a.take(1);
  await world.pass(100);
  const waits = b.take(2, "a", 10_000);
  await world.pass(100);
  world.fate = () => ({ thereMs: undefined, backMs: undefined });
  await world.pass(3_500);
  world.fate = () => quick;
  await world.pass(8_000);
  expect(waits.told).toEqual([undefined]);
});

test("a notice that overtakes the answer of an older question is heeded", async () => {
  a.take(1);
  await world.pass(100);
  const waits = b.take(2, "a", 10_000);
  await world.pass(900);
  // What b asks now is answered late.
  let asked = 0;
  world.fate = () => (asked++ === 0 ? { thereMs: 0, backMs: 300 } : quick);
  b.locks.reconnected();
  await world.pass(50);
  a.release(1);
  await world.pass(500);
  expect(waits.told).toEqual([expect.any(Number)]);
});

test("who asks while what nobody wants any more is looked at once more has it alone", async () => {
  for (let steps = 0; steps <= 20; steps++) {
    world = new World();
    a = new Gateway("ga", world);
    a.take(1);
    await world.pass(100);
    world.fate = () => ({ thereMs: 50, backMs: 50 });
    a.release(1);
    await world.pass(50);
    a.locks.reconnected();
    // The next answer is that nobody has it.
    await world.pass(150);
    const told: Told[][] = [];
    world.interruptAfter(steps, () => told.push(a.take(2).told));
    await world.pass(1_000);
    const waits = a.take(3, "a", 5_000);
    await world.pass(1_000);
    expect([told, waits.told]).toEqual([[[expect.any(Number)]], []]);
    expect(world.wrong).toEqual([]);
  }
});

test("what is heard while the store does not answer is looked at when it does", async () => {
  a.take(1);
  await world.pass(100);
  a.release(1);
  await world.pass(100);
  world.fate = () => ({ thereMs: undefined, backMs: undefined });
  // A put that nobody remembers.
  world.put("a", { line: ["ga-1-0"], fence: 0 }, 0, b);
  await world.pass(3_000);
  expect(world.entries.size).toBe(1);
  await world.calm();
  expect(world.entries.size).toBe(0);
});

test("fences rise also where NATS has lost its disk and nobody was cut off from it", async () => {
  const first = a.take(1);
  await world.pass(100);
  a.release(1);
  await world.pass(100);
  for (let index = 0; index < 20; index++) {
    a.take(1);
    await world.pass(100);
    a.release(1);
    await world.pass(100);
  }
  const before = a.told.at(-1) as number;
  // It is made anew by whoever meets an error.
  world.fate = () => ({ thereMs: undefined, backMs: undefined });
  a.take(1);
  await world.pass(2_500);
  world.entries.clear();
  world.revision = 0;
  world.createdAt = 5_000;
  world.fate = () => quick;
  await world.calm();
  const after = a.take(1);
  await world.pass(100);
  expect(first.told).toEqual([expect.any(Number)]);
  expect(after.told[0]).toBeGreaterThan(before);
});

const event = fc.oneof(
  fc.record({ does: fc.constant("take" as const), at: fc.nat(2), connection: fc.nat(3), waitMs: fc.constantFrom(0, 300, 20_000) }),
  fc.record({ does: fc.constantFrom("release" as const, "end" as const, "commit" as const), at: fc.nat(2), connection: fc.nat(3) }),
  fc.record({ does: fc.constant("kill" as const), at: fc.nat(1) }),
  fc.record({ does: fc.constant("reconnect" as const), at: fc.nat(2) }),
);

type Happening = typeof event extends fc.Arbitrary<infer Value> ? Value : never;

const step = fc.oneof(
  { weight: 4, arbitrary: event },
  fc.record({ does: fc.constant("interrupt" as const), steps: fc.nat(20), by: event }),
  fc.record({ does: fc.constant("pass" as const), ms: fc.constantFrom(50, 200, 1_000, 2_500) }),
  fc.record({
    does: fc.constant("network" as const),
    delays: fc.array(fc.constantFrom(undefined, 0, 0, 0, 50, 400, 3_000), { minLength: 1 }),
  }),
);

function happens(event: Happening, gateway: Gateway): void {
  if (gateway.isDead) return;
  if (event.does === "take") gateway.take(event.connection, "a", event.waitMs);
  if (event.does === "release") gateway.release(event.connection);
  if (event.does === "end") gateway.end(event.connection);
  // What it has not kept is given back.
  if (event.does === "commit") {
    gateway.held.delete(`${gateway.name}-${event.connection}-0 a`);
    gateway.commit(event.connection);
  }
  if (event.does === "reconnect") gateway.locks.reconnected();
  if (event.does === "kill") gateway.kill();
}

test("whatever is lost or late: never two have it, fences rise, and all who wait get it when all is calm", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      world = new World();
      const gateways = ["ga", "gb", "gc"].map((name) => new Gateway(name, world));
      for (const action of steps) {
        if ("at" in action) happens(action, gateways[action.at] as Gateway);
        if (action.does === "interrupt") {
          const { steps, by } = action;
          world.interruptAfter(steps, () => happens(by, gateways[by.at] as Gateway));
        }
        if (action.does === "pass") await world.pass(action.ms);
        if (action.does === "network") {
          let index = 0;
          const next = () => action.delays[index++ % action.delays.length];
          world.fate = () => ({ thereMs: next(), backMs: next() });
          world.isHeard = () => next() !== undefined;
        }
      }
      await world.calm();
      expect(world.wrong).toEqual([]);
      const last = gateways[2] as Gateway;
      const dead = gateways.filter(({ isDead }) => isDead);
      const freeing = Promise.all(dead.map(({ name }) => freeLocksOf(name, last.entries)));
      await world.calm();
      await freeing;
      // One after the other, everybody who still waits gets it.
      for (let rounds = 0; rounds < 20; rounds++) {
        const holders = gateways.flatMap(({ held }) => [...held.keys()]);
        expect(holders.length).toBeLessThanOrEqual(1);
        for (const gateway of gateways) for (const key of [...gateway.held.keys()]) gateway.release(Number(key.split("-")[1]));
        await world.pass(2_000);
      }
      expect(gateways.filter(({ isDead }) => !isDead).map(({ locks }) => locks.size)).toEqual(
        gateways.filter(({ isDead }) => !isDead).map(() => 0),
      );
      expect(world.wrong).toEqual([]);
      expect(world.entries.size).toBe(0);
      expect(gateways.flatMap(({ lost }) => lost)).toEqual([]);
      expect(gateways.flatMap(({ told }) => told)).not.toContain("lock.crowded");
    }),
    { numRuns: 150 },
  );
});
