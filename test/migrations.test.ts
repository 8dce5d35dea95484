// Random releases, whose states are renamed, split, narrowed and widened, with and without a migrate; random turns, deploys and
// rollbacks. What is tried before an activation, what a gateway keeps and what turns see has to agree: a release is refused, or
// nobody is closed and each state is as its last turn left it.

import fc from "fast-check";
import * as v from "valibot";
import { expect, test } from "vitest";
import type { Connection } from "../gateway/connection.ts";
import { statesFrom } from "../gateway/connection-pages.ts";
import { toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import type { App, Handler } from "../worker/handler.ts";
import { defineHandler } from "../worker/handler.ts";
import { StateCheck } from "../worker/state-check.ts";
import type { HeldConnection } from "../worker/testing/held-connection.ts";
import { InMemoryGateway } from "../worker/testing/in-memory-gateway.ts";
import { decideUpgrade } from "../worker/testing/upgrade.ts";

/** How a release keeps a count. */
interface Shape {
  readonly schema: v.GenericSchema;
  readonly write: (count: number) => unknown;
  readonly read: (state: never) => number;
}

const most = 3;
/** That a rollback finds, with the active one. */
const keptReleases = 5;

const shapes = {
  plain: { schema: v.object({ count: v.number() }), write: (count) => ({ count }), read: ({ count }: { count: number }) => count },
  renamed: { schema: v.object({ total: v.number() }), write: (total) => ({ total }), read: ({ total }: { total: number }) => total },
  split: {
    schema: v.object({ tens: v.number(), ones: v.number() }),
    write: (count) => ({ tens: Math.floor(count / 10), ones: count % 10 }),
    read: ({ tens, ones }: { tens: number; ones: number }) => tens * 10 + ones,
  },
  narrowed: {
    schema: v.object({ count: v.pipe(v.number(), v.maxValue(most)) }),
    write: (count) => ({ count: Math.min(count, most) }),
    read: ({ count }: { count: number }) => count,
  },
  widened: {
    schema: v.object({ count: v.number(), seen: v.optional(v.map(v.string(), v.bigint()), new Map()) }),
    write: (count) => ({ count, seen: new Map([["last", BigInt(count)]]) }),
    read: ({ count }: { count: number }) => count,
  },
} satisfies Record<string, Shape>;

type ShapeName = keyof typeof shapes;
const names = Object.keys(shapes) as ShapeName[];
const shapeOf = (name: ShapeName): Shape => shapes[name];

/** How a release keeps the count, and what its migrate understands. */
interface Plan {
  readonly shape: ShapeName;
  readonly migrates: readonly ShapeName[];
}

interface Release {
  readonly name: string;
  readonly plan: Plan;
  readonly handler: Handler;
}

function handlerOf({ shape: name, migrates }: Plan): Handler {
  const { schema, write, read } = shapeOf(name);
  const known = migrates.map(shapeOf);
  return defineHandler({
    path: "/",
    state: schema,
    migrate: (stored) => {
      if (stored === undefined) return write(0);
      const from = known.find((shape) => v.is(shape.schema, stored));
      if (from === undefined) throw new Error("never heard of it");
      return write(from.read(stored as never));
    },
    onMessage(conn, message) {
      const count = read(conn.state as never);
      conn.send(count);
      if (message.text() === "count") conn.setState(write(count + 1) as never);
    },
  }) as unknown as Handler;
}

// ── the model ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Stored {
  readonly shape: ShapeName;
  readonly count: number;
}

/** How a release sees what is stored; undefined: it does not fit. */
function seenBy({ shape, migrates }: Plan, stored: Stored): { count: number; isMigrated: boolean } | undefined {
  const state = shapeOf(stored.shape).write(stored.count);
  const { schema, write, read } = shapeOf(shape);
  if (v.is(schema, state)) return { count: read(v.parse(schema, state) as never), isMigrated: false };
  const from = migrates.find((name) => v.is(shapeOf(name).schema, state));
  return from === undefined ? undefined : { count: read(write(shapeOf(from).read(state as never)) as never), isMigrated: true };
}

/** What is stored, and the releases that have had the connection with it: the first of them has set it. */
interface Held {
  readonly stored: Stored;
  readonly had: readonly string[];
}

/** @param isMigrated what has replaced it was made by a migrate. */
type Replaced = Held & { readonly isMigrated: boolean };

/** One connection as its releases should find it. */
class Expected {
  private now: Held;
  /** What that has replaced, the oldest first: of the releases below. */
  private below: Replaced[] = [];
  /** What was there when a rollback brought this one back. */
  private above: Replaced | undefined;
  /** Nothing was set since. */
  private isBack = false;

  constructor(stored: Stored, release: string) {
    this.now = { stored, had: [release] };
  }

  /**
   * As a release finds it. undefined: it does not fit. Not `isStored`: it goes on with what it had had before, while what another
   * one has stored since, without a migrate, stays stored.
   */
  foundBy({ name, plan }: Release): { count: number; isMigrated: boolean; isStored: boolean } | undefined {
    const { level, own } = this.search(name);
    const { stored } = level === undefined ? this.now : this.at(level);
    const fits = seenBy(plan, stored);
    const found = fits ?? (own && seenBy(plan, own.stored));
    return found && { ...found, isStored: fits !== undefined };
  }

  givenTo({ name }: Release): void {
    const { level } = this.search(name);
    if (level === "above") {
      this.below.push({ ...this.now, isMigrated: true });
      this.now = this.at(level);
      this.above = undefined;
    } else if (level !== undefined) {
      this.above = { ...this.now, isMigrated: true };
      this.now = this.at(level);
      this.below = this.below.slice(0, level);
      this.isBack = true;
    }
    const [first] = this.now.had;
    this.now = { ...this.now, had: first === name ? [name] : [...this.now.had, name] };
  }

  set(stored: Stored, { name }: Release, isMigrated: boolean): void {
    if (this.now.had[0] === name) {
      if (this.above !== undefined && this.isBack) this.above = { ...this.above, isMigrated };
    } else {
      const replaced = { ...this.now, isMigrated };
      const index = this.below.findLastIndex(({ had }) => had.includes(name));
      const own = this.below[index];
      if (own === undefined) {
        this.below.push(replaced);
        this.above = undefined;
      } else {
        this.below = [...this.below.slice(0, index), ...(own.had[0] === name ? [] : [{ ...own, isMigrated }])];
        this.above = replaced;
      }
    }
    this.isBack = false;
    this.now = { stored, had: [name] };
  }

  /** @returns where what it goes on with is, unless that is there now, and what it has left itself, if that is another. */
  private search(name: string): { level?: number | "above"; own?: Held } {
    if (this.now.had[0] === name) return {};
    if (this.above?.had.includes(name)) return this.above.isMigrated ? { level: "above" } : { own: this.above };
    const index = this.below.findLastIndex(({ had }) => had.includes(name));
    const own = this.below[index];
    if (own === undefined) return {};
    for (let level = index; level < this.below.length; level++) {
      if (this.below[level]?.isMigrated) return level === index ? { level } : { level, own };
    }
    return { own };
  }

  private at(level: number | "above"): Held {
    return (level === "above" ? this.above : this.below[level]) as Held;
  }
}

// ── what is tested ────────────────────────────────────────────────────────────────────────────────────────────────────

const app: App = {
  release: "",
  workerId: "",
  messageBytes: 99,
  publish: () => Promise.reject(new Error("no app")),
  send: () => Promise.reject(new Error("no app")),
  oneTime: { put: () => Promise.reject(new Error("no app")), take: () => Promise.reject(new Error("no app")) },
  sendToUser: () => Promise.reject(new Error("no app")),
  close: () => Promise.reject(new Error("no app")),
  closeUser: () => Promise.reject(new Error("no app")),
  connections: () => Promise.reject(new Error("no app")),
  history: () => Promise.reject(new Error("no app")),
  members: () => Promise.reject(new Error("no app")),
};

interface Talker {
  readonly held: HeldConnection;
  readonly expected: Expected;
  /** The lowest release of the stack that has had it. */
  since: number;
  /** The release that has gone on with what is not stored, and has not set it since. */
  apart: string | undefined;
}

class Scene {
  readonly talkers: Talker[] = [];
  /** The active one is the last: a deploy puts one on top, a rollback takes it away. */
  readonly releases: Release[] = [];
  readonly gateway: InMemoryGateway;
  private made = 0;

  constructor(plan: Plan) {
    const first = this.make(plan);
    this.releases.push(first);
    this.gateway = new InMemoryGateway(
      first,
      {
        effectsBytes: 2 ** 20,
        stateBytes: 2 ** 14,
        topicsPerConnection: 1,
        timersPerConnection: 1,
        messageBytes: 99,
        turnTimeoutMs: 1,
        expireGraceMs: 1,
      },
      () => app,
    );
  }

  get level(): number {
    return this.releases.length - 1;
  }

  get active(): Release {
    return this.releases.at(-1) as Release;
  }

  make(plan: Plan): Release {
    return { name: String(++this.made), plan, handler: handlerOf(plan) };
  }

  async open(): Promise<void> {
    const { handler } = this.gateway.active;
    const granted = await decideUpgrade(handler, { url: "/", options: {}, app, stateBytes: 2 ** 14, isRedelivered: false });
    if (granted instanceof Response) throw new Error("refused");
    const { connection, opened } = this.gateway.connect(granted.admission);
    await opened;
    this.talkers.push({
      held: connection,
      expected: new Expected({ shape: this.active.plan.shape, count: 0 }, this.active.name),
      since: this.level,
      apart: undefined,
    });
  }

  /** @param isCounting sets the state, else only looks at it. */
  async talk(talker: Talker, isCounting: boolean): Promise<void> {
    const { held, expected } = talker;
    const found = expected.foundBy(this.active);
    if (found === undefined) throw new Error("the model let a release through that cannot use it");
    const text = isCounting ? "count" : "look";
    await this.gateway.arrive(held, { type: toWorker.message, frame: { payload: text, flags: 0 } });
    expect(held.frames.at(-1)).toBe(String(found.count));
    if (!isCounting) return;
    if (talker.apart === this.active.name) talker.apart = undefined;
    expected.set({ shape: this.active.plan.shape, count: found.count + 1 }, this.active, found.isMigrated);
  }

  /** As a deploy and a rollback do. @returns whether it was refused. */
  async activate(next: Release, level: number): Promise<boolean> {
    const unfit = this.talkers.filter(({ expected }) => expected.foundBy(next) === undefined);
    expect(this.unfitFor(next)).toBe(unfit.length);
    // What a release has had, it gets back.
    if (level < this.level) for (const { since, apart } of unfit) expect(since > level || apart).toBeTruthy();
    if (unfit.length > 0) return true;
    for (const talker of this.talkers) {
      if (talker.expected.foundBy(next)?.isStored === false) talker.apart = next.name;
      talker.expected.givenTo(next);
      talker.since = Math.min(talker.since, level);
    }
    this.gateway.handOver(next);
    await this.gateway.idle();
    return false;
  }

  /** No rollback finds it any more. */
  forgetFirst(): void {
    this.releases.shift();
    for (const talker of this.talkers) talker.since = Math.max(0, talker.since - 1);
  }

  /** As one of its workers finds out. */
  private unfitFor({ name, handler }: Release): number {
    const slots = this.talkers.map(({ held }) => ({ path: "/", state: held.stored, socket: {}, intake: "open" }) as unknown as Connection);
    const check: StateCheck = new StateCheck({
      routes: compileRoutes([handler]),
      ask: (gateway, number, from) => {
        check.answered(gateway, number, statesFrom(slots, from, name));
        return true;
      },
      onDone: () => undefined,
    });
    check.begin(1, ["g"]);
    expect(check.report).toMatchObject({ isDone: true, tried: this.talkers.length });
    return check.report.unfit.reduce((sum, { connections }) => sum + connections, 0);
  }
}

const anyPlan: fc.Arbitrary<Plan> = fc.record({
  shape: fc.constantFrom(...names),
  migrates: fc.oneof(fc.constant(names), fc.subarray(names)),
});
const anyStep = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("open" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("count" as const, "look" as const), talker: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("deploy" as const), plan: anyPlan }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("rollback" as const), releases: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
);

/** @returns how many deploys and rollbacks there were, and how many of them were refused. */
async function play(first: Plan, steps: readonly (typeof anyStep extends fc.Arbitrary<infer Step> ? Step : never)[]) {
  const scene = new Scene(first);
  const counts = { deployed: 0, rolledBack: 0, refused: 0 };
  for (const step of steps) {
    switch (step.kind) {
      case "open":
        await scene.open();
        break;
      case "count":
      case "look": {
        const talker = scene.talkers[step.talker % Math.max(1, scene.talkers.length)];
        if (talker !== undefined) await scene.talk(talker, step.kind === "count");
        break;
      }
      case "crash":
        scene.gateway.crash();
        await scene.gateway.idle();
        break;
      case "deploy": {
        const next = scene.make(step.plan);
        if (await scene.activate(next, scene.level + 1)) counts.refused++;
        else {
          scene.releases.push(next);
          if (scene.releases.length > keptReleases) scene.forgetFirst();
          counts.deployed++;
        }
        break;
      }
      case "rollback": {
        const level = scene.level - step.releases;
        const next = scene.releases[level];
        if (next === undefined) break;
        if (await scene.activate(next, level)) counts.refused++;
        else {
          scene.releases.length = level + 1;
          counts.rolledBack++;
        }
      }
    }
    for (const { held } of scene.talkers) expect(held.closed).toBeUndefined();
  }
  for (const talker of scene.talkers) await scene.talk(talker, false);
  return counts;
}

test("whatever releases and turns there were: a release is refused beforehand, or each state is as its last turn left it", async () => {
  const sums = { deployed: 0, rolledBack: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(anyPlan, fc.array(anyStep, { minLength: 10, maxLength: 40 }), async (first, steps) => {
      const counts = await play(first, steps);
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    }),
    { numRuns: 500 },
  );
  // Each was tried.
  for (const count of Object.values(sums)) expect(count).toBeGreaterThan(100);
});
