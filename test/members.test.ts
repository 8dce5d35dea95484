// Who is there: members of a topic on two gateways, through a deploy and a gateway's death.

import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** The URL of another gateway, at a port of its own: nobody knows to which of two a shared one leads. */
async function anotherGateway(): Promise<string> {
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  return `ws://127.0.0.1:${port}`;
}

interface Told {
  readonly id: string;
  readonly gateway: string;
  readonly info: unknown;
}

/** What a client is told of a topic's members. */
async function membersSeenBy(client: TestClient, topic: string): Promise<Told[]> {
  const before = client.received.length;
  client.send([{ do: "members", topic }]);
  await client.receives(before + 1);
  return (JSON.parse(String(client.received.at(-1))) as { members: Told[] }).members;
}

async function join(url: string, name: string): Promise<TestClient> {
  const client = await TestClient.open(`${url}/script/members`);
  client.send([{ do: "subscribe", topic: "room", as: { name } }, { do: "tell" }]);
  await client.receives(1);
  return client;
}

test("members of all gateways are told once, keep what they told through a deploy, and end with their gateway", async () => {
  system = await TestSystem.start({ workers: 2, environment: { APP_TIMEOUT_MS: "60000" } });
  const [doomed] = system.gatewayHellos;
  const [process] = system.live("gateway");
  const here = await Promise.all(["Ada", "Bob", "Cyd"].map((name) => join(system.url, name)));
  const second = await anotherGateway();
  const journal = await TestClient.open(`${second}/journal/members`);
  await journal.receives(1);
  const there = await Promise.all(["Dan", "Eve"].map((name) => join(second, name)));
  const names = async (client = there[1] as TestClient) =>
    (await membersSeenBy(client, "room")).map(({ info }) => (info as { name: string }).name).sort();
  for (const client of [...here, ...there]) expect(await names(client)).toEqual(["Ada", "Bob", "Cyd", "Dan", "Eve"]);

  await system.deploy("2", { workers: 2 });
  here[1]?.send([{ do: "subscribe", topic: "room", as: { name: "Bob, away" } }, { do: "tell" }]);
  there[0]?.send([{ do: "unsubscribe", topic: "room" }, { do: "tell" }]);
  await Promise.all([here[1]?.receives(3), there[0]?.receives(3)]);
  expect(await names()).toEqual(["Ada", "Bob, away", "Cyd", "Eve"]);
  await here[2]?.close();
  expect(await names()).toEqual(["Ada", "Bob, away", "Eve"]);

  await process?.end("SIGKILL");
  // Of one that is dead already: it is left out as soon as that is known.
  const asked = names();
  system.say({ kind: "gone", id: doomed?.id ?? "", reason: "exited" });
  expect(await asked).toEqual(["Eve"]);
  // Each leave is heard once.
  const closes = () => journal.received.slice(1).flatMap((told) => (JSON.parse(String(told)) as { close?: string }).close ?? []);
  await journal.until(() => closes().length >= 3, "three have left");
  for (const client of there) await client.close();
  await journal.until(() => closes().length >= 5, "all have left");
  const ids = [...here, ...there].map((client) => (client.values[0] as { id: string }).id);
  expect(closes().sort()).toEqual(ids.sort());
  await journal.close();
});
