// Request and reply, and the limit of a route, on a running system.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

test("every request is answered once and in order, while workers are killed and replaced", async () => {
  system = await TestSystem.start({ handlers: "request-reply", workers: 2 });
  system.keepWorkers();
  const clients = await Promise.all(Array.from({ length: 10 }, () => TestClient.open(`${system.url}/play`)));
  const ask = (from: number, to: number) => {
    for (let id = from; id <= to; id++)
      for (const client of clients) client.send(id % 10 === 0 ? { type: "throw", id } : { type: "add", n: 1, id });
  };
  ask(1, 50);
  await system.live("worker")[0]?.end("SIGKILL");
  ask(51, 100);
  await system.deploy("2", { workers: 2 });
  ask(101, 150);
  clients[0]?.send({ type: "add", n: 1, id: 151, dies: true });
  await Promise.all(clients.map((client, index) => client.receives(index === 0 ? 151 : 150)));
  const answers = Array.from({ length: 150 }, (_, index) => {
    const id = index + 1;
    return id % 10 === 0 ? { id, error: { code: "handler.thrown" } } : { id, data: id - Math.floor(id / 10) };
  });
  for (const client of clients) expect(client.values.slice(0, 150)).toEqual(answers);
  expect(clients[0]?.values[150]).toEqual({ id: 151, data: 136 });
  await Promise.all(clients.map((client) => client.close()));
});

test("a connection that sends more than its route allows is closed with 1008; the next release's limit holds for those that are open", async () => {
  system = await TestSystem.start({ handlers: "request-reply" });
  const client = await TestClient.open(`${system.url}/play`);
  for (let id = 1; id <= 100; id++) client.send({ type: "add", n: 1, id });
  await client.receives(100);
  await system.deploy("2", { handlers: "request-reply-next" });
  client.send({ type: "add", n: 1, id: 101 });
  await client.receives(101);
  for (let id = 102; id <= 130; id++) client.send({ type: "add", n: 1, id });
  expect(await client.closes()).toEqual({ code: 1008, reason: "rate.sent" });
  const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  const passed = metrics.having("thinstate_client_limits_passed_total").map(({ labels, value }) => [`${labels.by} ${labels.what}`, value]);
  expect(passed).toEqual([["route messages", 1]]);
});
