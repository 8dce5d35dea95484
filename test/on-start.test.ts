// A ticker ticks in one release at a time, through deploys, rollbacks, kills and faults of NATS.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";
import { joinOperator } from "./operator.ts";
import { type SystemOptions, TestSystem } from "./system.ts";

interface Tick {
  readonly release: string;
  readonly generation: number;
  readonly worker: string;
}

let running: TestSystem | undefined;
let installation: Installation | undefined;

afterEach(async () => {
  await running?.stop();
  await installation?.end();
  running = installation = undefined;
});

async function start(options: SystemOptions): Promise<TestSystem> {
  running = await TestSystem.start({ handlers: "ticker", ...options });
  return running;
}

/** A client that hears ticks. */
class Listener {
  private readonly client: TestClient;

  private constructor(client: TestClient) {
    this.client = client;
  }

  static async open(url: string): Promise<Listener> {
    return new Listener(await TestClient.open(`${url}/ticks`));
  }

  get ticks(): Tick[] {
    return this.client.received.map((text) => JSON.parse(String(text)) as Tick);
  }

  /** So many workers of a generation tick. */
  async hears(release: string, generation: number, workers: number): Promise<void> {
    const from = this.client.received.length;
    const tick = (text: unknown) => JSON.parse(String(text)) as Tick;
    const heard = () =>
      this.client.received
        .slice(from)
        .map(tick)
        .filter((each) => each.release === release && each.generation === generation);
    await this.client.until(
      () => new Set(heard().map(({ worker }) => worker)).size >= workers,
      `${workers} workers of generation ${generation} tick`,
    );
  }

  close(): Promise<unknown> {
    return this.client.close();
  }
}

/** Which generations were heard, one behind the other: after the first tick of one, none of another. */
function generationsOf(ticks: readonly Tick[]): string[] {
  return ticks.map(({ release, generation }) => `${generation} ${release}`).filter((name, index, names) => name !== names[index - 1]);
}

test("through deploys and rollbacks, after the first tick of a release there is none of the one before", async () => {
  const system = await start({ workers: 2, gateways: 2 });
  const listeners = await Promise.all([1, 2, 3, 4, 5, 6].map(() => Listener.open(system.url)));
  const hear = (release: string, generation: number) => Promise.all(listeners.map((each) => each.hears(release, generation, 2)));
  await hear("1", 1);
  await system.standBy("2", { workers: 2 });
  const expected = ["1 1"];
  // Ten times.
  for (let generation = 2; generation <= 11; generation++) {
    const release = generation % 2 === 0 ? "2" : "1";
    await system.activate(release);
    await hear(release, generation);
    expected.push(`${generation} ${release}`);
  }
  for (const { ticks } of listeners) expect(generationsOf(ticks)).toEqual(expected);
  await Promise.all(listeners.map((listener) => listener.close()));
});

test("workers that are killed before, while and after a release becomes active keep none from ticking", async () => {
  const system = await start({ workers: 2 });
  const listener = await Listener.open(system.url);
  await listener.hears("1", 1, 2);
  const [first, second] = system.live("worker");
  const next = await system.standBy("2", { workers: 2 });
  // Nobody tells of its end: the others wait for it in vain, but not for ever.
  await first?.end("SIGKILL");
  await system.activate("2");
  await listener.hears("2", 2, 2);
  // One that begins while its release is active hears of that from gateways.
  system.keepWorkers();
  await next[0]?.end("SIGKILL");
  await listener.hears("2", 2, 2);
  // Killed while it ends.
  const switched = system.activate("1");
  await next[1]?.end("SIGKILL");
  await switched;
  await listener.hears("1", 3, 1);
  expect(second?.ended).toBe(false);
  expect(generationsOf(listener.ticks)).toEqual(["1 1", "2 2", "3 1"]);
  await listener.close();
});

test("an activation that NATS has swallowed is heard when NATS is back: the operator repeats it", async () => {
  const system = await start({});
  const listener = await Listener.open(system.url);
  await listener.hears("1", 1, 1);
  await system.standBy("2");
  const { membership, events } = await joinOperator(system.nats.url, "thinstate");
  onTestFinished(() => membership.leave());
  const away = once(events, "NATS is gone");
  await system.killNats();
  await away;
  membership.announce({ release: "2", generation: 2 });
  await system.bringNatsBack();
  await listener.hears("2", 2, 1);
  expect(generationsOf(listener.ticks)).toEqual(["1 1", "2 2"]);
  await listener.close();
});

/** The ticker of docs/handlers.md, which tells who ticks, and ticks more often. @param version makes a release of its own. */
function ticker(version: number): string {
  const page = readFileSync(join(import.meta.dirname, "..", "docs", "handlers.md"), "utf8");
  const [, onStart = ""] = /^```ts\n( {2}onStart\(app, \{ signal \}\) \{\n.*?)^```$/ms.exec(page) ?? [];
  const telling = onStart
    .replace("{ signal }", "{ signal, generation }")
    .replace('"clock", { now: Date.now() }', '"ticks", { release: app.release, generation, worker: app.workerId }')
    .replace("1000", "20");
  for (const part of ["signal, generation", "generation, worker", "20)"]) expect(telling).toContain(part);
  return `import { defineHandler } from "../handler.ts";

// Version ${version}
export default defineHandler({
  path: "/ticks",
${telling}
  onOpen(conn) { conn.subscribe("ticks"); },
});
`;
}

test("the documented ticker, deployed, rolled back and killed by hand", async () => {
  const file = "worker/handlers/ticks.ts";
  installation = await Installation.cloned({ WATCH_MS: "500" });
  installation.write(file, ticker(1));
  const url = (await installation.start().line(/^ready ws:/)).replace("ready ", "");
  const listener = await Listener.open(url);
  const expected: string[] = [];
  const ticks = async (generation: number) => {
    const { release } = (await installation?.status()) ?? {};
    expect(release?.generation).toBe(generation);
    await listener.hears(release?.id ?? "", generation, 2);
    expected.push(`${generation} ${release?.id}`);
  };
  const run = async (command: string) => {
    const { exitCode, output } = (await installation?.run(command)) ?? {};
    expect(exitCode, output).toBe(0);
  };
  await ticks(1);
  installation.write(file, ticker(2));
  await run("deploy-worker");
  await ticks(2);
  for (const { pid, state } of (await installation.status()).workers) if (state === "active") process.kill(pid, "SIGKILL");
  await listener.hears((await installation.status()).release?.id ?? "", 2, 2);
  await run("rollback-worker");
  await ticks(3);
  installation.write(file, ticker(3));
  await run("deploy-worker");
  await ticks(4);
  expect(generationsOf(listener.ticks)).toEqual(expected);
  await listener.close();
});
