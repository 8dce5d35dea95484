import { expect, test } from "vitest";
import type { WorkerHello } from "../protocol/membership.ts";
import { gateway, worker as hello } from "../test/hellos.ts";
import type { StartContext } from "./handler.ts";
import { OnStart, patienceMs } from "./on-start.ts";

const limitMs = 10_000;

/** Lets everything that was resolved go on. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A worker of release "b", whose clock and hooks a test holds. */
class Stage {
  now = 0;
  readonly contexts: StartContext[] = [];
  readonly said: string[] = [];
  readonly failures: string[] = [];
  /** What the hook returns. */
  result: unknown;
  /** What app.* has asked for and gateways have not answered. */
  unanswered: Promise<unknown> = Promise.resolve();
  readonly onStart: OnStart;

  /** @param named the workers that a gateway knows; null: no gateway is heard. */
  constructor(files = ["a.ts"], named: readonly string[] | null = []) {
    this.onStart = new OnStart({
      id: "self",
      release: "b",
      hooks: files.map((file) => ({ file, run: (context: StartContext) => this.run(context) })),
      limitMs,
      now: () => this.now,
      confirmed: () => this.unanswered,
      onChange: () => this.say(),
      onFailed: (file, error) => this.failures.push(`${file}: ${(error as Error).message}`),
    });
    if (named !== null) this.knows(named);
  }

  get phase(): string | undefined {
    return this.onStart.hello?.phase;
  }

  activate(release: string, generation: number): void {
    this.onStart.activated({ release, generation });
  }

  /** A gateway says hello. */
  knows(workers: readonly string[]): void {
    this.onStart.hearGateway({ ...gateway, pins: Object.fromEntries(["self", ...workers].map((id) => [id, 0])) });
  }

  /** Another worker says hello. */
  hear(phase: "off" | "starting" | "on" | "ending" | undefined, heard: number | undefined, fields: Partial<WorkerHello> = {}): void {
    this.onStart.hear({
      ...{ ...hello, id: "other", release: "a" },
      ...(phase && { onStart: { phase, failed: 0 } }),
      ...(heard && { activation: { release: "b", generation: heard } }),
      ...fields,
    });
  }

  wait(ms: number): void {
    this.now += ms;
    this.onStart.step();
  }

  private run(context: StartContext): unknown {
    this.contexts.push(context);
    return this.result;
  }

  private say(): void {
    const aborted = this.contexts.at(-1)?.signal.aborted ?? false;
    this.said.push(`${this.phase}${aborted ? " aborted" : ""}`);
  }
}

test("it begins with the activation of its release, ends with that of another, and begins again", async () => {
  const stage = new Stage();
  stage.wait(patienceMs);
  stage.activate("a", 1);
  expect(stage.contexts).toEqual([]);
  stage.activate("b", 2);
  stage.activate("b", 2);
  await turn();
  expect(stage.contexts).toMatchObject([{ generation: 2, signal: { aborted: false } }]);
  stage.activate("a", 3);
  await turn();
  expect(stage.contexts).toMatchObject([{ signal: { aborted: true } }]);
  stage.activate("b", 4);
  await turn();
  expect(stage.contexts).toMatchObject([{ signal: { aborted: true } }, { generation: 4, signal: { aborted: false } }]);
  expect(stage.phase).toBe("on");
  // Nobody is told that it ends before it has been aborted.
  expect(stage.said.filter((said) => said.startsWith("ending"))[0]).toBe("ending aborted");
});

test("where an activation of another release was not heard, it begins again: a store may have refused its generation since", async () => {
  const stage = new Stage();
  stage.activate("b", 1);
  stage.activate("b", 3);
  await turn();
  expect(stage.contexts).toMatchObject([
    { generation: 1, signal: { aborted: true } },
    { generation: 3, signal: { aborted: false } },
  ]);
});

test("a worker without onStart says nothing of it, and takes work at once", () => {
  const stage = new Stage([]);
  stage.activate("b", 1);
  expect(stage.onStart.hello).toBeUndefined();
  expect(stage.said).toEqual([]);
  expect(stage.onStart.isOff).toBe(true);
});

test.each([
  ["runs", "on", 1],
  ["is about to begin", "off", 1],
  ["is about to begin", "off", undefined],
  ["ends", "ending", 2],
] as const)("it waits while one of another release %s", async (_, phase, heard) => {
  const stage = new Stage();
  stage.hear(phase, heard);
  stage.activate("b", 2);
  stage.wait(patienceMs - 1);
  expect(stage.contexts).toEqual([]);
  stage.hear("off", 2);
  expect(stage.contexts).toHaveLength(1);
});

test.each<[string, "off" | "on" | undefined, number | undefined, Partial<WorkerHello>]>([
  ["has ended", "off", 2, {}],
  ["drains, and has ended", "off", undefined, { state: "draining" }],
  ["has no onStart", undefined, undefined, {}],
  ["is of the same release", "on", 1, { release: "b" }],
])("it does not wait for one that %s", (_, phase, heard, fields) => {
  const stage = new Stage();
  stage.hear(phase, heard, fields);
  stage.activate("b", 2);
  expect(stage.contexts).toHaveLength(1);
});

test("it does not wait for one that has gone, and for one that is silent only once", async () => {
  const stage = new Stage();
  stage.hear("on", 1, { id: "killed" });
  stage.hear("on", 1, { id: "hung" });
  stage.activate("b", 2);
  stage.onStart.forget("killed");
  expect(stage.contexts).toEqual([]);
  stage.wait(patienceMs);
  expect(stage.contexts).toHaveLength(1);
  stage.activate("a", 3);
  await turn();
  stage.activate("b", 4);
  expect(stage.contexts).toHaveLength(2);
});

test("one that starts when its release is already active waits for whom a gateway knows", () => {
  const stage = new Stage(["a.ts"], []);
  stage.knows(["other", "same"]);
  stage.activate("b", 2);
  stage.hear("on", 2, { id: "same", release: "b" });
  expect(stage.contexts).toEqual([]);
  stage.hear("on", 1);
  expect(stage.contexts).toEqual([]);
  stage.hear("off", 2);
  expect(stage.contexts).toHaveLength(1);
});

test("it waits for a gateway, for one that is gone not, and for one that says nothing not for long", async () => {
  const alone = new Stage(["a.ts"], null);
  alone.activate("b", 2);
  expect(alone.contexts).toEqual([]);
  alone.knows(["gone"]);
  expect(alone.contexts).toEqual([]);
  alone.onStart.forget("gone");
  expect(alone.contexts).toHaveLength(1);

  const stage = new Stage(["a.ts"], ["silent"]);
  stage.activate("b", 2);
  stage.wait(patienceMs - 1);
  expect(stage.contexts).toEqual([]);
  stage.wait(1);
  expect(stage.contexts).toHaveLength(1);
  stage.activate("a", 3);
  await turn();
  stage.activate("b", 4);
  expect(stage.contexts).toHaveLength(2);
});

test("it takes work when all that it waits for is done", async () => {
  const stage = new Stage();
  let resolve = () => {};
  stage.result = new Promise<void>((done) => {
    resolve = done;
  });
  stage.activate("b", 1);
  await turn();
  expect(stage.phase).toBe("starting");
  resolve();
  await turn();
  expect(stage.phase).toBe("on");
});

test("it is off when what it returned has settled and what it asked for is answered, and begins no earlier again", async () => {
  const stage = new Stage();
  let resolve = () => {};
  stage.result = new Promise<void>((done) => {
    resolve = done;
  });
  let answer = () => {};
  stage.unanswered = new Promise<void>((done) => {
    answer = done;
  });
  stage.activate("b", 1);
  stage.activate("a", 2);
  stage.activate("b", 3);
  await turn();
  expect(stage.phase).toBe("ending");
  resolve();
  await turn();
  expect(stage.phase).toBe("ending");
  expect(stage.contexts).toHaveLength(1);
  answer();
  await turn();
  expect(stage.contexts).toMatchObject([{ signal: { aborted: true } }, { generation: 3 }]);
  expect(stage.failures).toEqual([]);
});

test("what throws is an error of the release, and the worker takes work all the same", async () => {
  const stage = new Stage(["a.ts", "b.ts"]);
  stage.result = Promise.reject(new Error("no"));
  stage.activate("b", 1);
  await turn();
  expect(stage.onStart.hello).toEqual({ phase: "on", failed: 2 });
  expect(stage.failures).toEqual(["a.ts: no", "b.ts: no"]);
});

test("what never returns is an error after its time, and aborts all the same", async () => {
  const stage = new Stage();
  stage.result = new Promise(() => undefined);
  stage.activate("b", 1);
  stage.wait(limitMs - 1);
  expect(stage.onStart.hello).toEqual({ phase: "starting", failed: 0 });
  stage.wait(1);
  expect(stage.onStart.hello).toEqual({ phase: "on", failed: 1 });
  expect(stage.failures).toEqual(["a.ts: onStart has not returned after 10 s (half of READY_TIMEOUT_MS)"]);
  stage.activate("a", 2);
  await turn();
  expect(stage.phase).toBe("ending");
  stage.wait(patienceMs);
  expect(stage.phase).toBe("off");
  expect(stage.failures.at(-1)).toBe("a.ts: onStart has not settled 1.5 s after its signal aborted");
});

test("what throws because its signal has aborted is no error", async () => {
  const stage = new Stage();
  stage.result = new Promise((_, reject) => {
    setImmediate(() => reject(new Error("aborted")));
  });
  stage.activate("b", 1);
  stage.activate("a", 2);
  await turn();
  await turn();
  expect(stage.phase).toBe("off");
  expect(stage.failures).toEqual([]);
});

test("a worker that drains ends it for good", async () => {
  const stage = new Stage();
  stage.activate("b", 1);
  stage.onStart.end();
  expect(stage.contexts[0]?.signal.aborted).toBe(true);
  await turn();
  expect(stage.onStart.isOff).toBe(true);
  stage.activate("b", 2);
  expect(stage.contexts).toHaveLength(1);
});
