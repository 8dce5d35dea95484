import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import type { Entry } from "../protocol/key-value.ts";
import type { LeaseValue } from "../protocol/lease-value.ts";
import { heldMs, Lease, takenMs } from "./lease.ts";

const tickMs = 10;
const createdAt = 1_000_000;

/** Lets everything that was resolved go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What is on its way to the store, or back. */
interface Letter {
  readonly at: number;
  readonly run: () => void;
}

/** How a request fares: when it arrives, and when its answer does; undefined: never. */
interface Fate {
  readonly thereMs: number | undefined;
  readonly backMs: number | undefined;
}

/** A store and its clients, whose clock and network a test holds. */
class World {
  now = 0;
  entry: Entry<LeaseValue> = { value: undefined, revision: 0 };
  fate: () => Fate = () => ({ thereMs: 1, backMs: 1 });
  readonly workers: Candidate[] = [];
  readonly fences: number[] = [];
  private letters: Letter[] = [];

  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += tickMs;
      const due = this.letters.filter(({ at }) => at <= this.now);
      this.letters = this.letters.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      for (const worker of this.workers) if (!worker.isFrozen) worker.lease.step();
      await settle();
      const holders = this.holders;
      if (holders.length > 1) throw new Error(`${holders.map(({ name }) => name)} hold it at ${this.now} ms`);
    }
  }

  /** Of those that could use it now. */
  get holders(): Candidate[] {
    return this.workers.filter(({ lease, isFrozen }) => !isFrozen && lease.fence !== undefined);
  }

  request<Answer>({ isCut }: Candidate, execute: () => Answer): Promise<Answer> {
    const { thereMs, backMs } = isCut ? { thereMs: undefined, backMs: undefined } : this.fate();
    return new Promise((resolve, reject) => {
      const timeoutMs = 500;
      this.letters.push({ at: this.now + timeoutMs, run: () => reject(new CodedError("store.unavailable", "no answer")) });
      if (thereMs === undefined) return;
      const arrive = () => {
        const answer = execute();
        if (backMs !== undefined) this.letters.push({ at: this.now + backMs, run: () => resolve(answer) });
      };
      this.letters.push({ at: this.now + thereMs, run: arrive });
    });
  }

  put(value: LeaseValue, revision: number): number | undefined {
    for (const worker of this.workers) if (!worker.isFrozen && !worker.isDeaf) worker.lease.hear(value);
    if (revision !== this.entry.revision) return undefined;
    if (value.fence !== this.entry.value?.fence) this.fences.push(value.fence);
    this.entry = { value, revision: revision + 1 };
    return revision + 1;
  }
}

class Candidate {
  isFrozen = false;
  /** Nothing that others put is heard. */
  isDeaf = false;
  /** The store does not hear it. */
  isCut = false;
  readonly seen: string[] = [];
  readonly lease: Lease;
  readonly name: string;

  constructor(name: string, world: World) {
    this.name = name;
    world.workers.push(this);
    this.lease = new Lease({
      key: "a",
      self: name,
      store: {
        get: () => world.request(this, () => world.entry),
        replace: (_key, value, revision) => world.request(this, () => world.put(value, revision)),
        floor: () => world.request(this, () => createdAt + world.entry.revision),
      },
      now: () => world.now,
      others: () => 0,
      onTaken: (fence) => this.seen.push(`taken ${fence - createdAt}`),
      onLost: () => this.seen.push("lost"),
      onFailed: () => undefined,
    });
  }
}

let world: World;
let a: Candidate;
let b: Candidate;

beforeEach(() => {
  world = new World();
  a = new Candidate("a", world);
  b = new Candidate("b", world);
});

/** @returns how long it took. */
async function untilHeldBy(candidate: Candidate, mostMs: number): Promise<number> {
  const since = world.now;
  while (candidate.lease.fence === undefined && world.now < since + mostMs) await world.pass(tickMs);
  expect(world.holders).toEqual([candidate]);
  return world.now - since;
}

test("one that nobody has is taken at once, and kept", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(10_000);
  expect(world.holders).toEqual([a]);
  expect(a.seen).toEqual(["taken 1"]);
  expect(world.entry.value?.beat).toBeGreaterThan(25);
});

test("one that is given up is taken by another at once, with a higher fence", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(3_000);
  void a.lease.giveUp();
  expect(a.lease.fence).toBeUndefined();
  expect(await untilHeldBy(b, 5_000)).toBeLessThan(100);
  expect(b.seen).toEqual(["taken 2"]);
});

test("one whose holder stands still is over before another takes it, within two seconds", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(3_000);
  a.isFrozen = true;
  expect(await untilHeldBy(b, 5_000)).toBeLessThan(2_000);
  a.isFrozen = false;
  expect(a.lease.fence).toBeUndefined();
  await world.pass(5_000);
  expect(a.seen).toEqual(["taken 1", "lost"]);
});

test("one whose holder has ended is taken at once", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(3_000);
  world.workers.splice(0, 1);
  b.lease.gone("a");
  expect(await untilHeldBy(b, 5_000)).toBeLessThan(100);
});

test("a holder that the store does not answer stops before another could begin, and either gets it when the store is back", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(3_000);
  world.fate = () => ({ thereMs: undefined, backMs: undefined });
  await world.pass(heldMs + tickMs);
  expect(world.holders).toEqual([]);
  await world.pass(10_000);
  expect(world.holders).toEqual([]);
  world.fate = () => ({ thereMs: 1, backMs: 1 });
  await world.pass(1_000);
  expect(world.holders).toHaveLength(1);
});

test("a renewal whose answer is lost takes nothing away", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  b.lease.want();
  await world.pass(3_000);
  let lost = 1;
  world.fate = () => ({ thereMs: 1, backMs: lost-- > 0 ? undefined : 1 });
  await world.pass(10_000);
  expect(a.seen).toEqual(["taken 1"]);
});

test("one that takes it and is wanted no more meanwhile puts it back", async () => {
  world.fate = () => ({ thereMs: 50, backMs: 50 });
  a.lease.want();
  await world.pass(250);
  expect(world.entry.value?.holder).toBe("a");
  void a.lease.giveUp();
  await world.pass(500);
  expect(world.entry.value?.holder).toBe("");
  expect(a.seen).toEqual([]);
});

test("a store that was lost begins with a higher fence", async () => {
  a.lease.want();
  await untilHeldBy(a, 100);
  const before = a.lease.fence ?? 0;
  world.entry = { value: undefined, revision: 5 };
  await world.pass(takenMs + heldMs);
  await untilHeldBy(a, 5_000);
  expect(a.lease.fence).toBeGreaterThan(before);
});

test("no two puts are alike, stored or not", async () => {
  const heard: string[] = [];
  const put = world.put.bind(world);
  world.put = (value, revision) => {
    heard.push(`${value.holder} ${value.beat}`);
    return put(value, revision);
  };
  for (let round = 0; round < 3; round++) {
    a.lease.want();
    await world.pass(2_000);
    void a.lease.giveUp();
    await world.pass(100);
  }
  expect(heard.length).toBeGreaterThan(20);
  expect(new Set(heard).size).toBe(heard.length);
});

const someMs = fc.integer({ min: 0, max: 600 });
const fate = fc.record({
  thereMs: fc.option(someMs, { nil: undefined, freq: 8 }),
  backMs: fc.option(someMs, { nil: undefined, freq: 8 }),
});
const change = fc.record({
  worker: fc.nat({ max: 2 }),
  what: fc.constantFrom("freeze", "freeze", "thaw", "want", "giveUp", "deafen", "cut", "kill"),
  ms: fc.integer({ min: 10, max: 2_500 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 8 }),
});

/** Found by the property: somebody hears a take that is not stored, and the same again when it is. */
const lost = { thereMs: undefined, backMs: undefined };
const heardTwice = [
  { worker: 0, what: "freeze" as const, ms: 151, fates: [lost] },
  { worker: 0, what: "freeze" as const, ms: 2351, fates: [lost] },
  {
    ...{ worker: 1, what: "kill" as const, ms: 1611 },
    fates: [
      { thereMs: 561, backMs: undefined },
      lost,
      { thereMs: 0, backMs: 231 },
      { thereMs: 0, backMs: 0 },
      { thereMs: 0, backMs: 0 },
      lost,
    ],
  },
  { worker: 0, what: "freeze" as const, ms: 11, fates: [{ thereMs: 0, backMs: undefined }, lost] },
  { worker: 0, what: "freeze" as const, ms: 541, fates: [lost] },
];

test("never two at the same time, and one when all is calm again, whatever is late, lost, frozen or killed", async () => {
  const play = async (changes: readonly (typeof change extends fc.Arbitrary<infer C> ? C : never)[]) => {
    world = new World();
    const all = ["a", "b", "c"].map((name) => new Candidate(name, world));
    for (const { lease } of all) lease.want();
    for (const { worker, what, ms, fates } of changes) {
      let next = 0;
      world.fate = () => fates[next++ % fates.length] as Fate;
      const candidate = all[worker] as Candidate;
      if (what === "freeze") candidate.isFrozen = true;
      else if (what === "thaw") candidate.isFrozen = false;
      else if (what === "want") candidate.lease.want();
      else if (what === "giveUp") void candidate.lease.giveUp();
      else if (what === "cut") candidate.isCut = !candidate.isCut;
      else if (what === "deafen") candidate.isDeaf = !candidate.isDeaf;
      else {
        // Another process in its place, and everybody hears of its end.
        world.workers.splice(world.workers.indexOf(candidate), 1);
        for (const { lease, isFrozen } of world.workers) if (!isFrozen) lease.gone(candidate.name);
        all[worker] = new Candidate(`${candidate.name}'`, world);
        all[worker].lease.want();
      }
      await world.pass(ms);
    }
    world.fate = () => ({ thereMs: 1, backMs: 1 });
    for (const candidate of all) {
      Object.assign(candidate, { isFrozen: false, isCut: false });
      candidate.lease.want();
    }
    await world.pass(5_000);
    expect(world.holders).toHaveLength(1);
    expect(world.fences).toEqual(world.fences.toSorted((x, y) => x - y));
    expect(new Set(world.fences).size).toBe(world.fences.length);
  };
  await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 12 }), play), { numRuns: 100, examples: [[heardTwice]] });
});
