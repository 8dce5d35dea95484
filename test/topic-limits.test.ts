// However many topics clients make a handler subscribe to: a gateway has a bounded number. How it asks for them:
// gateway/paced-interest.test.ts.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

function subscribing(name: string, count: number): Step[] {
  const steps = Array.from({ length: count }, (_, index): Step => ({ do: "subscribe", topic: `${name}-${index}` }));
  return [...steps, { do: "send", data: "in" }];
}

async function open(name: string, count: number): Promise<TestClient> {
  const client = await TestClient.open(`${system.url}/script/${name}`);
  client.send(subscribing(name, count));
  return client;
}

async function metrics(): Promise<Exposition> {
  return Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
}

test.each([
  ["TOPICS", "thinstate_topics_limit"],
  ["SUBSCRIPTIONS", "thinstate_subscriptions_limit"],
])("who subscribes beyond %s is closed with 1013; when others have gone there is room again", async (limit, metric) => {
  system = await TestSystem.start({ environment: { [limit]: "10" } });
  const journal = await TestClient.open(`${system.url}/echo`);
  const first = await open("first", 8);
  await first.receives(1);
  const second = await open("second", 8);
  expect(await second.closes()).toEqual({ code: 1013, reason: "topics.total" });
  expect(second.received).toEqual([]);
  const exposition = await metrics();
  expect(exposition.sum("thinstate_connections_broken_total", { code: "topics.total" })).toBe(1);
  expect(exposition.sum(metric)).toBe(10);
  expect(first.isOpen).toBe(true);
  await first.close();
  // Its topics are released when its onClose has run.
  for (;;) {
    const exposition = await metrics();
    if (exposition.sum("thinstate_subscriptions") === 0 && exposition.sum("thinstate_topics") === 0) break;
    journal.send("x");
    await journal.receives(journal.received.length + 1);
  }
  const third = await open("third", 8);
  await third.receives(1);
  expect(third.isOpen).toBe(true);
  await Promise.all([journal.close(), third.close()]);
});
