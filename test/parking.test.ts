// The promise's points 3 and 4 on a running system: hand-over between turns, and waiting while there is no worker.

import { afterEach, describe, expect, test } from "vitest";
import { refusal, TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

test("without workers upgrades wait; the first release answers all of them, and all that they sent, in order", async () => {
  system = await TestSystem.start({ workers: 0 });
  const clients = Array.from({ length: 50 }, () => new TestClient(`${system.url}/echo`));
  const sent = clients.map(async (client) => {
    await client.opened();
    for (let index = 0; index < 20; index++) client.send(String(index));
  });
  await system.until(() => system.gatewayHellos[0]?.parked === 50, "50 upgrades are parked");
  await system.standBy("1", { workers: 2 });
  await system.activate("1");
  await Promise.all(sent);
  await Promise.all(clients.map((client) => client.receives(20)));
  for (const client of clients) expect(client.received).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
  await Promise.all(clients.map((client) => client.close()));
});

test("when the last worker has drained, messages and closes wait, in order, and the next worker gets them", async () => {
  system = await TestSystem.start();
  const journal = await TestClient.open(`${system.url}/journal/gap`);
  await journal.receives(1);
  const [leaver, stayer] = await Promise.all([TestClient.open(`${system.url}/script/gap`), TestClient.open(`${system.url}/echo`)]);
  await journal.receives(2);
  await Promise.all(system.processes.filter(({ name }) => name === "worker").map((worker) => worker.end()));
  for (let index = 0; index < 1_000; index++) stayer.send(String(index));
  leaver.send([{ do: "count" }]);
  await leaver.close(4000, "gone");
  await system.until(() => (system.gatewayHellos[0]?.parked ?? 0) >= 1_002, "all is parked");
  await system.standBy("1");
  await stayer.receives(1_000);
  expect(stayer.received).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)));
  await journal.receives(3);
  expect(JSON.parse(String(journal.received[2]))).toMatchObject({ code: 4000, reason: "gone", count: 1 });
  await Promise.all([stayer.close(), journal.close()]);
});

test("past a bound a connection is closed with 1013, and its onClose still runs", async () => {
  system = await TestSystem.start({ environment: { PARKED_MESSAGES: "10", PARK_MS: "60000" } });
  const journal = await TestClient.open(`${system.url}/journal/bound`);
  await journal.receives(1);
  const client = await TestClient.open(`${system.url}/script/bound`);
  await journal.receives(2);
  await Promise.all(system.processes.filter(({ name }) => name === "worker").map((worker) => worker.end()));
  for (let index = 0; index < 12; index++) client.send([{ do: "count" }]);
  expect(await client.closes()).toEqual({ code: 1013, reason: "parked.tooMuch" });
  const { counters } = await system.status();
  expect(counters.discarded).toBe(11);
  await system.standBy("1");
  await journal.receives(3);
  expect(JSON.parse(String(journal.received[2]))).toMatchObject({ code: 1013, count: 0 });
  await journal.close();
});

// Linux has the whole network 127.0.0.0/8.
test.runIf(process.platform === "linux")("one address cannot fill what all may have parked: messages of others wait on", async () => {
  system = await TestSystem.start({ environment: { UNLIMITED_ADDRESSES: "none", PARKED_TOTAL_BYTES: "4000000", PARKED_BYTES: "500000" } });
  const at = (localAddress: string) => TestClient.open(`${system.url}/echo`, { tls: { rejectUnauthorized: false, localAddress } });
  const greedy = await Promise.all(Array.from({ length: 10 }, () => at("127.0.0.2")));
  const other = await at("127.0.0.3");
  await Promise.all(system.live("worker").map((worker) => worker.end()));
  // Each stays below its own bound, and all together would have had room.
  for (const client of greedy) for (let count = 0; count < 3; count++) client.send(Buffer.alloc(130_000, count));
  await Promise.any(greedy.map((client) => client.closes()));
  other.send("may I wait?");
  await system.until(() => greedy.filter(({ closed }) => closed !== undefined).length >= 8, "what has its place is a quarter");
  for (const { closed } of greedy) if (closed !== undefined) expect(closed).toEqual({ code: 1013, reason: "parked.total" });
  await system.standBy("1");
  await other.receives(1);
  const kept = greedy.filter(({ closed }) => closed === undefined);
  await Promise.all(kept.map((client) => client.receives(3)));
  await Promise.all([other, ...kept].map((client) => client.close()));
});

test("what waits too long is closed with 1013, an upgrade is answered with 503", async () => {
  system = await TestSystem.start({ environment: { PARK_MS: "400" } });
  const client = await TestClient.open(`${system.url}/echo`);
  await Promise.all(system.processes.filter(({ name }) => name === "worker").map((worker) => worker.end()));
  client.send("anybody?");
  const [closed, refused] = await Promise.all([client.closes(), refusal(`${system.url}/echo`)]);
  expect(closed).toEqual({ code: 1013, reason: "parked.tooLong" });
  expect(refused).toMatchObject({ status: 503, body: expect.stringContaining("upgrade.parked") });
  await system.standBy("1");
  await system.until(() => system.gatewayHellos[0]?.connections === 0, "its onClose has run");
});

describe("the bodies of requests", () => {
  /** @returns its answer's status and text. */
  async function post(bytes: number, signal?: AbortSignal): Promise<{ status: number; text: string; retryAfter: string | null }> {
    const url = `${system.url.replace("ws:", "http:")}/gate/http`;
    const response = await fetch(url, { method: "POST", body: "x".repeat(bytes), ...(signal && { signal }) });
    return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
  }

  async function parkedBytes(): Promise<number> {
    return (await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics")).sum("thinstate_parked_bytes");
  }

  const parked = (count: number) => system.until(() => system.gatewayHellos[0]?.parked === count, `${count} wait`);
  const tooMuch = { status: 503, text: expect.stringContaining("parked.total"), retryAfter: "5" };

  test("that wait for a worker count towards the bound of all; past it a request is refused at once, and may be tried again", async () => {
    system = await TestSystem.start({ workers: 0, environment: { PARKED_TOTAL_BYTES: "1000", MESSAGE_BYTES: "1000" } });
    const first = post(400);
    const leaving = new AbortController();
    const second = post(600, leaving.signal);
    await parked(2);
    expect(await parkedBytes()).toBe(1_000);
    expect(await post(1)).toMatchObject(tooMuch);
    leaving.abort();
    await expect(second).rejects.toThrow();
    await parked(1);
    const third = post(600);
    await parked(2);
    // What has no body is in nobody's way.
    const fourth = post(0);
    await parked(3);
    await system.standBy("1");
    await system.activate("1");
    for (const answer of [first, third, fourth]) expect((await answer).status).toBe(201);
    expect(await parkedBytes()).toBe(0);
  });

  test("that a worker has and has not answered count, too, until they are answered", async () => {
    system = await TestSystem.start({ environment: { PARKED_TOTAL_BYTES: "1000", MESSAGE_BYTES: "1000", WORKER_TIMEOUT_MS: "60000" } });
    const [worker] = system.live("worker");
    worker?.child.kill("SIGSTOP");
    const first = post(600);
    await parked(1);
    expect(await post(401)).toMatchObject(tooMuch);
    worker?.child.kill("SIGCONT");
    expect((await first).status).toBe(201);
    expect((await post(1_000)).status).toBe(201);
    expect(await parkedBytes()).toBe(0);
  });
});

test("a deploy hands over between turns: nothing is lost, doubled, reordered or redelivered, and state goes along", async () => {
  system = await TestSystem.start({ workers: 2 });
  const clients = await Promise.all(Array.from({ length: 20 }, () => TestClient.open(`${system.url}/script/deploy`)));
  let isSending = true;
  const sending = clients.map(async (client) => {
    let count = 0;
    while (isSending) {
      // Some turns are slow: they finish where they began.
      client.send([{ do: "pause", ms: count % 7 }, { do: "count" }, { do: "tell" }]);
      count++;
      await client.until(() => client.received.length >= count - 5, "the last but five are answered");
    }
    await client.receives(count);
    return count;
  });
  for (const release of ["2", "3", "4"]) await system.deploy(release, { workers: 2 });
  isSending = false;
  const counts = await Promise.all(sending);
  for (const [index, client] of clients.entries()) {
    const told = client.values as Array<{ count: number; redelivered: boolean; turn: string; release: string }>;
    expect(told.map(({ count }) => count)).toEqual(Array.from({ length: counts[index] ?? 0 }, (_, turn) => turn + 1));
    expect(told.some(({ redelivered }) => redelivered)).toBe(false);
    expect(told.map(({ turn }) => Number(turn.split(":")[1]))).toEqual(told.map((_, turn) => turn + 1));
    expect(new Set(told.map(({ release }) => release)).size).toBeGreaterThan(1);
    expect(client.closed).toBeUndefined();
  }
  await Promise.all(clients.map((client) => client.close()));
});

test("the next release migrates what does not fit, and is told that it has adopted a connection", async () => {
  system = await TestSystem.start();
  const client = await TestClient.open(`${system.url}/script/next`);
  client.send([{ do: "count" }, { do: "subscribe", topic: "news" }, { do: "tell" }]);
  await client.receives(1);
  await system.deploy("2", { handlers: "next" });
  await client.receives(2);
  expect(client.values[1]).toEqual({ adopted: true, total: 1, topics: ["news"], release: "2" });
  client.send("more");
  await client.receives(3);
  expect(client.values[2]).toEqual({ total: 2 });
  await client.close();
});

test("a worker that joins takes its share of the connections, and no more moves than must", async () => {
  system = await TestSystem.start();
  const clients = await Promise.all(Array.from({ length: 30 }, () => TestClient.open(`${system.url}/echo`)));
  await system.standBy("1");
  const pins = () => Object.values(system.gatewayHellos[0]?.pins ?? {});
  await system.until(() => pins().length === 2 && pins().every((count) => count === 15), "both have half");
  const { counters } = await system.status();
  expect(counters.handedOver).toBe(15);
  await Promise.all(clients.map((client) => client.close()));
});
