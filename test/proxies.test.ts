// X-Forwarded-For: whom handlers see behind a proxy.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

const headers = { "x-forwarded-for": "198.51.100.1, 192.0.2.7, 10.0.0.2" };

/** The address that each of the hooks sees that are told one: onMessage, onUpgrade, onRequest. */
async function seen(): Promise<unknown[]> {
  const message = await TestClient.open(`${system.url}/script/a`, { headers });
  message.send([{ do: "tell" }]);
  const upgrade = await TestClient.open(`${system.url}/gate/let-in?q=q`, { headers, subprotocols: ["v1"] });
  const request = await fetch(`${system.url.replace("ws", "http")}/gate/a`, { headers });
  await Promise.all([message.receives(1), upgrade.receives(1)]);
  for (const client of [message, upgrade]) client.breakOff();
  const [{ ip }, { from }] = [message.values[0], upgrade.values[0]] as [{ ip: string }, { from: string }];
  return [ip, from.split(" ").at(-1), ((await request.json()) as { ip: string }).ip];
}

test("a proxy that is trusted tells who the client is; what the client itself says is not believed", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8" } });
  expect(await seen()).toEqual(["192.0.2.7", "192.0.2.7", "192.0.2.7"]);
});

test("by default nobody is trusted", async () => {
  system = await TestSystem.start();
  expect(await seen()).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
});
