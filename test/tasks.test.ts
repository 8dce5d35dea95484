// One of many: a task runs in one worker of the active release, whatever becomes of workers, gateways and NATS.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

interface Tick {
  readonly release: string;
  readonly worker: string;
  readonly fence: number;
}

let system: TestSystem;
let clients: TestClient[] = [];
let store: string;

beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "thinstate-tasks-"));
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  clients = [];
  await system.stop();
  rmSync(store, { recursive: true });
});

function ticksOf(client: TestClient): Tick[] {
  return client.values as Tick[];
}

function lastOf(client: TestClient): Tick {
  return JSON.parse(String(client.received.at(-1))) as Tick;
}

/** Resolves with a tick of somebody else than had the task until now. */
async function movedFrom(last: Tick): Promise<Tick> {
  const [client] = clients as [TestClient];
  await client.until(() => lastOf(client).fence > last.fence, "the task has moved");
  return lastOf(client);
}

function processOf({ worker }: Tick) {
  const pid = system.workerHellos.find(({ id }) => id === worker)?.pid;
  const process = system.live("worker").find((each) => each.pid === pid);
  if (process === undefined) throw new Error(`worker ${worker} is not there`);
  return process;
}

test("a task runs in one worker, moves when that is killed or stands still, with the release, and after NATS was away", async () => {
  system = await TestSystem.start({ handlers: "tasks", workers: 3, gateways: 2, nats: await startNats(0, ["-js", "-sd", store]) });
  clients = await Promise.all(Array.from({ length: 6 }, () => TestClient.open(`${system.url}/ticks`)));
  const [client] = clients as [TestClient];
  await client.receives(5);
  const first = lastOf(client);

  await processOf(first).end("SIGKILL");
  const second = await movedFrom(first);
  expect(second.worker).not.toBe(first.worker);

  const frozen = processOf(second);
  frozen.child.kill("SIGSTOP");
  const third = await movedFrom(second);
  expect(third.worker).not.toBe(second.worker);
  frozen.child.kill("SIGCONT");
  await client.receives(client.received.length + 50);

  await system.deploy("2", { handlers: "tasks", workers: 2 });
  const fourth = await movedFrom(third);
  expect(fourth.release).toBe("2");

  await system.restartNats(2_000);
  const fifth = await movedFrom(fourth);
  expect(fifth.release).toBe("2");
  await Promise.all(clients.map((each) => each.until(() => lastOf(each).fence === fifth.fence, "everybody hears the last one")));

  // What came from somebody with a lower fence came before.
  for (const each of clients) {
    const fences = ticksOf(each).map(({ fence }) => fence);
    expect(fences).toEqual(fences.toSorted((a, b) => a - b));
    for (const fence of new Set(fences))
      expect(new Set(ticksOf(each).flatMap((tick) => (tick.fence === fence ? [tick.worker] : []))).size).toBe(1);
  }
});
