import { beforeEach, describe, expect, test } from "vitest";
import { type Granted, PacedInterest } from "./paced-interest.ts";
import type { TopicOwner } from "./topics.ts";

/** Topics, and NATS, which confirms what it was asked for when the test says so. */
class PlayedTopics {
  readonly counts = new Map<string, number>();
  readonly asked: string[] = [];
  subscriptions = 0;
  private confirmed = new Set<string>();
  private waits = new Map<string, PromiseWithResolversOf>();

  get size(): number {
    return this.counts.size;
  }

  get unconfirmed(): number {
    return this.waits.size;
  }

  has(topic: string): boolean {
    return this.counts.has(topic);
  }

  isConfirmed(topic: string): boolean {
    return this.confirmed.has(topic);
  }

  want(topic: string, owner?: TopicOwner): Promise<void> | undefined {
    this.subscriptions++;
    if (owner !== undefined && !this.counts.has(topic)) owner.topics++;
    this.counts.set(topic, (this.counts.get(topic) ?? 0) + 1);
    if (this.confirmed.has(topic)) return undefined;
    const known = this.waits.get(topic);
    if (known !== undefined) return known.promise;
    this.asked.push(topic);
    let resolve: () => void = () => undefined;
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.waits.set(topic, { promise, resolve });
    return promise;
  }

  release(topic: string): void {
    this.subscriptions--;
    const count = (this.counts.get(topic) ?? 0) - 1;
    if (count > 0) this.counts.set(topic, count);
    else {
      this.counts.delete(topic);
      this.confirmed.delete(topic);
    }
  }

  /** All that it was asked for, and what follows from that. */
  async confirm(): Promise<void> {
    for (const [topic, { resolve }] of this.waits) {
      this.waits.delete(topic);
      this.confirmed.add(topic);
      resolve();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface PromiseWithResolversOf {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

const limits = { topics: 10_000, subscriptions: 10_000 };
const here = () => true;

let topics: PlayedTopics;
let interest: PacedInterest;
let later: Array<() => void>;
let time: number;
let timers: Array<() => void>;

beforeEach(() => {
  topics = new PlayedTopics();
  later = [];
  time = 0;
  timers = [];
  interest = make(limits);
});

function make(limits: { topics: number; subscriptions: number }): PacedInterest {
  const after = (ms: number, run: () => void) =>
    timers.push(() => {
      time += ms;
      run();
    });
  return new PacedInterest({ topics, limits, now: () => time++, later: (run) => later.push(run), after });
}

function named(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

test("what is known already is ready at once", async () => {
  const first = interest.ask(["a"], 0, here);
  await topics.confirm();
  expect(await first).toEqual({ isRefused: false, wanted: ["a"] });
  expect(interest.ask(["a"], 0, here)).toBe("ready");
});

test("NATS is asked for a bounded number at a time, until all are confirmed", async () => {
  let granted: Granted | undefined;
  void Promise.resolve(interest.ask(named("topic", 1_000), 0, here)).then((outcome) => {
    granted = outcome as Granted;
  });
  let rounds = 0;
  for (; granted === undefined; rounds++) {
    expect(topics.unconfirmed).toBeLessThanOrEqual(128);
    timers.shift()?.();
    await topics.confirm();
  }
  expect(granted).toEqual({ isRefused: false, wanted: named("topic", 1_000) });
  expect(rounds).toBeGreaterThanOrEqual(1_000 / 128);
});

test("somebody's first topic is asked for with the next ones, not behind a thousand of others", async () => {
  const many = named("a", 1_000);
  void interest.ask(many, 0, here);
  void interest.ask(named("b", 1_000), 0, here);
  void interest.ask(["mine"], 0, here);
  await topics.confirm();
  expect(topics.asked).toContain("mine");
  expect(topics.asked).not.toContain(many.at(-1));
});

test("connections with many topics get further ones at a rate that they share, and nobody else waits for them", async () => {
  void interest.ask(named("a", 1_000), 0, here);
  for (let index = 0; index < 50; index++) void interest.ask(named(`b${index}`, 10), 500, here);
  while (topics.unconfirmed > 0) await topics.confirm();
  // The first few, and what may come at once of further ones.
  expect(topics.asked.length).toBeLessThan(32 + 100);
  const startedAt = time;
  for (let count = 0; count < 20; count++) {
    expect(timers.length).toBe(1);
    timers.shift()?.();
    await topics.confirm();
    const mine = interest.ask([`mine-${count}`], 0, here);
    await topics.confirm();
    expect(await mine).toEqual({ isRefused: false, wanted: [`mine-${count}`] });
    expect(topics.asked.length).toBeLessThan(32 + 100 + count + 1 + 2 * (time - startedAt));
  }
});

test("topics that NATS has confirmed meanwhile hold up nothing: the rest goes on in another step of the event loop", async () => {
  const known = named("known", 200);
  const first = interest.ask(known, 0, here);
  while (topics.counts.size < 200) {
    timers.shift()?.();
    await topics.confirm();
  }
  await topics.confirm();
  await first;
  const second = interest.ask([...known, "new"], 0, here);
  while (!topics.asked.includes("new")) (later.shift() ?? timers.shift())?.();
  await topics.confirm();
  expect(await second).toEqual({ isRefused: false, wanted: [...known, "new"] });
});

test("a gateway that everybody comes back to asks once for each topic, and at the rate of these", async () => {
  const startedAt = time;
  const all = Array.from({ length: 50 }, () => interest.ask(named("ours", 100), 0, here));
  let ended = 0;
  for (const each of all) void Promise.resolve(each).then(() => ended++);
  while (ended < all.length) {
    (later.shift() ?? timers.shift())?.();
    await topics.confirm();
  }
  expect(topics.asked).toHaveLength(100);
  // 68 topics beyond the first few, at 2,000 a second, and not 50 times as many.
  expect(time - startedAt).toBeLessThan(200);
});

test("a client that has gone gets no further ones, and what was wanted for it is told", async () => {
  let isThere = true;
  const asked = interest.ask(named("topic", 1_000), 0, () => isThere);
  isThere = false;
  timers.shift()?.();
  await topics.confirm();
  const { isRefused, wanted } = (await asked) as Granted;
  expect(isRefused).toBe(false);
  expect(topics.asked).toEqual(wanted);
  expect(wanted.length).toBeLessThanOrEqual(128);
});

describe("limits", () => {
  test("one owner has a quarter of all topics at most; others' do not count, and others still get theirs", async () => {
    interest = make({ topics: 8, subscriptions: 100 });
    const [one, other] = [{ topics: 0 }, { topics: 0 }];
    const theirs = interest.ask(["a"], 0, here, other);
    const first = interest.ask(["a", "b", "c", "d"], 0, here, one);
    await topics.confirm();
    await theirs;
    const { isRefused, wanted } = (await first) as Granted;
    expect([isRefused, wanted, one.topics]).toEqual([true, ["a", "b", "c"], 2]);
    const second = interest.ask(["d"], 0, here, other);
    await topics.confirm();
    expect(await second).toEqual({ isRefused: false, wanted: ["d"] });
  });

  test("of topics: known ones may have more subscribers, others are refused until there is room again", async () => {
    interest = make({ topics: 3, subscriptions: 100 });
    const first = interest.ask(["a", "b"], 0, here);
    await topics.confirm();
    await first;
    const second = interest.ask(["c", "d", "e"], 0, here);
    await topics.confirm();
    const { isRefused, wanted } = (await second) as Granted;
    expect([isRefused, wanted]).toEqual([true, ["c"]]);
    interest.release(wanted);
    expect(interest.ask(["a", "b"], 0, here)).toBe("ready");
    const third = interest.ask(["d"], 0, here);
    await topics.confirm();
    expect(await third).toEqual({ isRefused: false, wanted: ["d"] });
  });

  test("of subscriptions: known topics, too, are refused", async () => {
    interest = make({ topics: 100, subscriptions: 3 });
    const first = interest.ask(["a", "b"], 0, here);
    await topics.confirm();
    await first;
    expect(interest.ask(["a"], 0, here)).toBe("ready");
    expect(interest.ask(["a", "b"], 0, here)).toBe("refused");
    const second = interest.ask(["c", "d"], 0, here);
    await topics.confirm();
    expect(await second).toEqual({ isRefused: true, wanted: ["c"] });
  });
});

test("many are released bit by bit, and all of them in the end", async () => {
  const many = named("topic", 100);
  const asked = interest.ask(many, 0, here);
  while (topics.unconfirmed > 0 || timers.length > 0) {
    timers.shift()?.();
    await topics.confirm();
  }
  await asked;
  interest.release(new Set(many));
  expect(topics.size).toBeGreaterThan(0);
  while (later.length > 0) later.shift()?.();
  expect(topics.size).toBe(0);
});
