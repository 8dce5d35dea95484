// Clients that never read while their topic is busy: what waits for them is bounded in total and in time, pongs or not.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** It has subscribed, and reads no further. */
async function deaf(): Promise<RawClient> {
  const client = await RawClient.open(system.url, "/script/deaf");
  client.received = Buffer.alloc(0);
  client.text([
    { do: "subscribe", topic: "busy" },
    { do: "send", data: "in" },
  ]);
  while (!client.received.includes("in")) await new Promise((resolve) => client.socket.once("data", resolve));
  client.stopReading();
  return client;
}

/** Publishes until so many connections were closed for it, and tells what waited at most. */
async function publishUntil(code: string, count: number): Promise<number> {
  const publisher = await TestClient.open(`${system.url}/script/loud`);
  const data = "x".repeat(100_000);
  let most = 0;
  for (let sent = 1; ; sent++) {
    publisher.send([
      { do: "publish", topic: "busy", data },
      { do: "send", data: sent },
    ]);
    await publisher.receives(sent);
    const exposition = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
    most = Math.max(most, exposition.sum("thinstate_backpressure_bytes"));
    if (exposition.sum("thinstate_connections_broken_total", { code }) >= count) break;
  }
  expect(publisher.isOpen).toBe(true);
  await publisher.close();
  return most;
}

test("beyond BACKPRESSURE_TOTAL_BYTES the slowest are closed, and nobody else", async () => {
  const environment = { BACKPRESSURE_TOTAL_BYTES: "2000000", BACKPRESSURE_BYTES: "1000000000" };
  system = await TestSystem.start({ environment });
  const clients = [await deaf(), await deaf(), await deaf()];
  const most = await publishUntil("backpressure.total", 2);
  expect(most).toBeLessThanOrEqual(2_000_000);
  for (const { socket } of clients) socket.destroy();
});

test("the log is not filled by them", async () => {
  const environment = { BACKPRESSURE_TOTAL_BYTES: "1000000", BACKPRESSURE_BYTES: "1000000000" };
  system = await TestSystem.start({ environment });
  const clients = await Promise.all(Array.from({ length: 12 }, () => deaf()));
  await publishUntil("backpressure.total", 8);
  for (const { socket } of clients) socket.destroy();
  const [gateway] = system.live("gateway");
  await gateway?.end();
  const lines = gateway?.logged("slow consumer") ?? [];
  expect(lines).toHaveLength(6);
  expect(lines[0]).toMatchObject({ code: "backpressure.total", route: "/script/:room", bytes: expect.any(Number) });
  expect(lines[5]).toMatchObject({ code: "backpressure.total", leftOut: expect.any(Number) });
});

test("a client for which something has waited for BACKPRESSURE_MS is closed, however little it is", async () => {
  const environment = { BACKPRESSURE_MS: "1000", BACKPRESSURE_BYTES: "1000000000", BACKPRESSURE_TOTAL_BYTES: "1000000000" };
  system = await TestSystem.start({ environment });
  const client = await deaf();
  expect(await publishUntil("backpressure.tooLong", 1)).toBeGreaterThan(0);
  client.socket.destroy();
});

test("a message that does not end is cut off; who answers pings between its frames, or only listens, stays", async () => {
  system = await TestSystem.start({ environment: { IDLE_TIMEOUT_MS: "8000" } });
  const trickling = await RawClient.open(system.url, "/script/trickling");
  // The head of a frame of 100 bytes, and then a byte now and then: uWebSockets.js takes each for a sign of life.
  trickling.socket.write(Buffer.from([0x82, 0x80 | 100, 0, 0, 0, 0]));
  const drops = setInterval(() => trickling.socket.write("x"), 1_000);
  const between = await RawClient.open(system.url, "/script/between");
  between.socket.write(Buffer.from([0x02, 0x80 | 1, 0, 0, 0, 0, 1]));
  const pongs = setInterval(() => between.send(0x0a, Buffer.alloc(0)), 1_000);
  const listener = await TestClient.open(`${system.url}/script/listener`);
  await trickling.closed();
  clearInterval(drops);
  clearInterval(pongs);
  const exposition = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  expect(exposition.sum("thinstate_connections_broken_total", { code: "message.unfinished" })).toBe(1);
  expect([between.socket.closed, listener.isOpen]).toEqual([false, true]);
  between.socket.destroy();
  await listener.close();
});
