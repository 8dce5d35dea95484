// Locks: one connection has one, of those at two gateways, whatever becomes of workers, gateways, NATS and clients.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

interface Answer {
  readonly fence?: number | null;
  readonly released?: boolean;
  readonly redelivered?: boolean;
  readonly failed?: string;
}

let system: TestSystem;
let store: string;
let there: string;

beforeEach(async () => {
  store = mkdtempSync(join(tmpdir(), "thinstate-locks-"));
  system = await TestSystem.start({ handlers: "locks", workers: 2, nats: await startNats(0, ["-js", "-sd", store]) });
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  there = `ws://127.0.0.1:${port}`;
});

afterEach(async () => {
  await system.stop();
  rmSync(store, { recursive: true });
});

class Locker {
  readonly client: TestClient;

  private constructor(client: TestClient) {
    this.client = client;
  }

  static async open(url: string): Promise<Locker> {
    return new Locker(await TestClient.open(`${url}/locked`));
  }

  send(what: string, name = "a", waitMs = 0): void {
    this.client.send({ do: what, name, waitMs });
  }

  /** @returns what the client gets next. */
  async next(): Promise<Answer> {
    await this.client.receives(this.told + 1);
    return JSON.parse(String(this.client.received[this.told++])) as Answer;
  }

  async ask(what: string, name = "a", waitMs = 0): Promise<Answer> {
    this.send(what, name, waitMs);
    return this.next();
  }

  private told = 0;
}

const has = { fence: expect.any(Number) };

test("one has it, others get it in their order, with rising fences; what is thrown, killed or closed gives it back", async () => {
  const [one, two, three, four] = await Promise.all([system.url, there, system.url, there].map((url) => Locker.open(url)));
  if (one === undefined || two === undefined || three === undefined || four === undefined) throw new Error("there are four");
  const first = await one.ask("lock");
  expect(first).toMatchObject(has);
  expect(await one.ask("lock")).toEqual(first);
  expect(await two.ask("lock")).toMatchObject({ fence: null });
  expect(await two.ask("lock", "a", 300)).toMatchObject({ fence: null });
  expect(await two.ask("lock", "other")).toMatchObject(has);

  two.send("lock", "a", 20_000);
  await system.until(() => system.live("worker").length > 0, "there are workers");
  expect(await one.ask("unlock")).toMatchObject({ released: true });
  const second = await two.next();
  expect(second.fence).toBeGreaterThan(first.fence ?? 0);

  // A turn that throws gives back what it has taken, and nothing that it had.
  expect(await two.ask("lock and throw")).toMatchObject({ failed: expect.stringContaining("thrown with a lock") });
  expect(await three.ask("lock")).toMatchObject({ fence: null });
  expect(await three.ask("lock and throw", "b")).toMatchObject({ failed: expect.any(String) });
  expect(await four.ask("lock", "b", 5_000)).toMatchObject(has);

  // A worker that is killed in between: the turn goes on in another one, which gets the same.
  expect(await three.ask("lock and end the worker", "c")).toMatchObject({ ...has, redelivered: true });
  expect(await four.ask("lock", "c")).toMatchObject({ fence: null });

  await system.deploy("2", { handlers: "locks", workers: 2 });
  expect(await two.ask("lock")).toEqual({ ...second, redelivered: false });

  // Its client goes.
  three.send("lock", "a", 20_000);
  two.client.breakOff();
  const third = await three.next();
  expect(third.fence).toBeGreaterThan(second.fence ?? 0);
});

test("a gateway that is killed, and NATS that is away: who waits gets it, and who has it keeps it", async () => {
  const [port, IDENTITY_FILE] = [await freePort("127.0.0.1"), join(store, "identity")];
  const doomed = system.startGateway({ PORT: String(port), IDENTITY_FILE });
  await system.until(() => system.gatewayHellos.some(({ pid, serving }) => pid === doomed.pid && serving), "a third gateway serves");
  const [holder, waits] = [await Locker.open(`ws://127.0.0.1:${port}`), await Locker.open(there)];
  const first = await holder.ask("lock");
  waits.send("lock", "a", 20_000);
  await doomed.end("SIGKILL");
  // The one that takes over its identity file gives back what it had.
  system.startGateway({ IDENTITY_FILE });
  const second = await waits.next();
  expect(second.fence).toBeGreaterThan(first.fence ?? 0);

  await system.restartNats(2_000);
  expect(await waits.ask("lock")).toEqual(second);
  const late = await Locker.open(there);
  expect(await late.ask("lock")).toMatchObject({ fence: null });
  late.send("lock", "a", 20_000);
  expect(await waits.ask("unlock")).toMatchObject({ released: true });
  expect((await late.next()).fence).toBeGreaterThan(second.fence ?? 0);
});

test("a turn may lock while the commit of the one before waits for the subscription that it asked for", async () => {
  const [one, two] = await Promise.all([Locker.open(system.url), Locker.open(there)]);
  for (let index = 0; index < 20; index++) {
    one.send("subscribe", `topic ${index}`);
    expect(await one.ask("lock", `lock ${index % 10}`)).toMatchObject(has);
    expect(await two.ask("lock", `lock ${index % 10}`)).toMatchObject({ fence: null });
    expect(await one.ask("unlock", `lock ${index % 10}`)).toMatchObject({ released: true });
  }
});
