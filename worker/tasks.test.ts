import { beforeEach, expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import type { LeaseValue } from "../protocol/lease-value.ts";
import type { App, TaskContext } from "./handler.ts";
import { type TaskPass, Tasks } from "./tasks.ts";

/** Lets everything that was resolved go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A worker of release "b" with one task; its clock, its store and its gateways are a test's. */
class Stage {
  now = 0;
  value: LeaseValue | undefined;
  revision = 0;
  readonly contexts: TaskContext[] = [];
  readonly passes: TaskPass[] = [];
  readonly told: string[] = [];
  readonly failures: string[] = [];
  gateways = ["g1", "g2"];
  tell: (gateway: string) => Promise<unknown> = () => Promise.resolve(1);
  /** What the task returns. */
  run: () => unknown = () => undefined;
  readonly tasks: Tasks;
  private timers: Array<{ at: number; run: () => void }> = [];

  constructor() {
    this.tasks = new Tasks({
      id: "self",
      release: "b",
      tasks: [{ file: "a.ts", path: "/a", name: "t", run: (_app, context) => this.begin(context) }],
      store: {
        get: async () => ({ value: this.value, revision: this.revision }),
        replace: async (_key, value) => {
          this.value = value;
          return ++this.revision;
        },
        hear: () => () => undefined,
        floor: async () => 100,
      },
      now: () => this.now,
      app: (pass) => {
        this.passes.push(pass);
        return {} as App;
      },
      gateways: () => this.gateways,
      tell: (gateway, [, fence]) => {
        this.told.push(`${gateway} ${fence}`);
        return this.tell(gateway);
      },
      confirmed: () => Promise.resolve(),
      onChange: () => undefined,
      onFailed: (_task, error) => this.failures.push((error as Error).message),
      after: (ms, run) => void this.timers.push({ at: this.now + ms, run }),
    });
  }

  activate(release: string, generation: number): Promise<unknown> {
    this.tasks.activated({ release, generation });
    return this.pass(100);
  }

  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 10;
      const due = this.timers.filter(({ at }) => at <= this.now);
      this.timers = this.timers.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      this.tasks.step();
      await settle();
    }
  }

  private begin(context: TaskContext): unknown {
    this.contexts.push(context);
    return this.run();
  }
}

let stage: Stage;

beforeEach(() => {
  stage = new Stage();
});

test("a task runs while its release is active, and when every gateway has heard of its fence", async () => {
  let answer = (_: unknown) => {};
  stage.tell = (gateway) => (gateway === "g1" ? Promise.resolve() : new Promise((resolve) => (answer = resolve)));
  await stage.activate("b", 1);
  expect(stage.told).toEqual(["g1 101", "g2 101"]);
  expect(stage.contexts).toEqual([]);
  answer(1);
  await stage.pass(10);
  expect(stage.contexts).toMatchObject([{ fence: 101 }]);
  expect(stage.tasks.running).toEqual({ "/a t": 101 });
  stage.tasks.met("g3");
  expect(stage.told.at(-1)).toBe("g3 101");

  await stage.activate("c", 2);
  expect(stage.contexts[0]?.signal.aborted).toBe(true);
  expect(stage.value).toMatchObject({ holder: "", fence: 101 });
  expect(stage.tasks.areOff).toBe(true);
  stage.tell = () => Promise.resolve();
  await stage.activate("b", 3);
  expect(stage.contexts.at(-1)).toMatchObject({ fence: 102 });
});

test("a gateway that stands still holds it up for half a second at most", async () => {
  stage.tell = () => new Promise(() => {});
  await stage.activate("b", 1);
  expect(stage.contexts).toEqual([]);
  await stage.pass(500);
  expect(stage.contexts).toHaveLength(1);
});

test("with a gateway that knows of no fences it does not run, and is told of", async () => {
  stage.tell = () => Promise.reject(new CodedError("gateway.outdated", "restart it"));
  await stage.activate("b", 1);
  await stage.pass(10_000);
  expect(stage.contexts).toEqual([]);
  expect(stage.failures[0]).toContain("gateway.outdated");
  expect(stage.failures.length).toBeLessThan(6);
  stage.tell = () => Promise.reject(new CodedError("app.noGateway", "it has gone"));
  await stage.pass(10_000);
  expect(stage.contexts).toHaveLength(1);
});

test("its app is over with its lease, whether it has heard that or not", async () => {
  await stage.activate("b", 1);
  const [pass] = stage.passes;
  expect(pass?.fence.at(1)).toBe(101);
  pass?.check();
  // It stands still.
  stage.now += 1_100;
  expect(() => pass?.check()).toThrow("task.over: the task t of a.ts is over here");
  await stage.pass(10);
  expect(stage.contexts[0]?.signal.aborted).toBe(true);
});

test("one that throws is told of, and begins again, later each time", async () => {
  const begun: number[] = [];
  stage.run = () => {
    begun.push(stage.now);
    throw new Error("broken");
  };
  await stage.activate("b", 1);
  await stage.pass(8_000);
  const [first = 0] = begun;
  expect(begun.map((at) => Math.round((at - first) / 1_000))).toEqual([0, 1, 3, 7]);
  expect(stage.failures).toEqual(Array(4).fill("broken"));
});

test("one that does not settle is told of, and another worker gets it", async () => {
  stage.run = () => new Promise(() => {});
  await stage.activate("b", 1);
  await stage.activate("c", 2);
  expect(stage.value?.holder).toBe("self");
  expect(stage.tasks.areOff).toBe(false);
  await stage.pass(1_500);
  expect(stage.failures).toEqual(["it has not settled 1.5 s after its signal aborted"]);
  expect(stage.value?.holder).toBe("");
  expect(stage.tasks.areOff).toBe(true);
});

test("a worker that ends gives it up, and does not take it again", async () => {
  await stage.activate("b", 1);
  stage.tasks.end();
  await stage.pass(5_000);
  expect(stage.value?.holder).toBe("");
  await stage.activate("b", 2);
  expect(stage.contexts).toHaveLength(1);
});
