// The promise when a gateway is killed: what its connections' onClose publish goes out through another one, once.

import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { turn } from "./load.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** @param meanwhile Happens when the gateway is dead, and nobody knows. */
type Kill = (meanwhile?: () => Promise<void>) => Promise<void>;

/** A client at a gateway that is to be killed, and who hears of its close at another one. */
async function parting(room: string): Promise<{ client: TestClient; journal: TestClient; url: string; kill: Kill }> {
  system = await TestSystem.start();
  const doomed = system.gatewayHellos[0];
  const [process] = system.live("gateway");
  const client = await TestClient.open(`${system.url}/parting/${room}`);
  // A port of its own: nobody knows to which of two gateways a shared one leads.
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  const url = `ws://127.0.0.1:${port}`;
  const journal = await TestClient.open(`${url}/journal/${room}`);
  await journal.receives(1);
  const kill: Kill = async (meanwhile) => {
    await process?.end("SIGKILL");
    await meanwhile?.();
    // As its supervisor would, which has seen it end.
    system.say({ kind: "gone", id: doomed?.id ?? "", reason: "exited" });
  };
  return { client, journal, url, kill };
}

test("a gateway killed: its workers run onClose once for each of its connections, with 1006, and another gateway publishes it", async () => {
  system = await TestSystem.start({ gateways: 2, workers: 2 });
  const clients = await Promise.all(Array.from({ length: 30 }, () => TestClient.open(`${system.url}/script/gateway`)));
  for (const client of clients) client.send(turn);
  await Promise.all(clients.map((client) => client.receives(1)));
  const idOf = (client: TestClient) => (client.values[0] as { id: string }).id;
  const doomed = system.gatewayHellos[0];
  const lost = clients.filter((client) => idOf(client).startsWith(doomed?.id ?? ""));
  const kept = clients.filter((client) => !lost.includes(client));
  // Only when it has ended is its share of the port gone with it.
  await system
    .live("gateway")
    .find(({ pid }) => pid === doomed?.pid)
    ?.end("SIGKILL");
  await Promise.all(lost.map((client) => client.closes()));
  const journal = await TestClient.open(`${system.url}/journal/gateway`);
  await journal.receives(1);
  // As its supervisor would, which has seen it end.
  system.say({ kind: "gone", id: doomed?.id ?? "", reason: "exited" });
  await journal.receives(1 + lost.length);
  const closes = journal.received.slice(1).map((frame) => JSON.parse(String(frame)) as { close: string; code: number; count: number });
  expect(closes.map(({ close }) => close).sort()).toEqual(lost.map(idOf).sort());
  for (const { code, count } of closes) expect({ code, count }).toEqual({ code: 1006, count: 1 });
  for (const client of kept) client.send(turn);
  await Promise.all(kept.map((client) => client.receives(2)));
  expect(journal.received).toHaveLength(1 + lost.length);
  await Promise.all([...kept, journal].map((client) => client.close()));
});

test("a gateway killed while a message's turn runs: onClose has a number of its own, and may flush", async () => {
  const { client, journal, kill } = await parting("quick");
  client.send("begin");
  await client.receives(1);
  await kill();
  await journal.receives(3);
  const id = String(client.received[0]).replace(/:1$/, "");
  expect(JSON.parse(String(journal.received[1]))).toEqual({ turn: `${id}:2`, redelivered: false, code: 1006, reason: "" });
  expect(journal.received[2]).toBe("flushed");
  await journal.close();
});

test("a gateway killed while onClose runs: it is redelivered as it was", async () => {
  const { client, journal, kill } = await parting("slow");
  await client.close(4321, "bye");
  await journal.receives(2);
  await kill();
  await journal.receives(3);
  const [, first, second] = journal.received.map(String);
  const { turn, ...rest } = JSON.parse(String(first)) as { turn: string };
  expect(rest).toEqual({ redelivered: false, code: 4321, reason: "bye" });
  expect(JSON.parse(String(second))).toEqual({ turn, redelivered: true, code: 4321, reason: "bye" });
  await journal.close();
});

test("a gateway killed when onClose has run: another one publishes what this one has not, and nothing twice", async () => {
  const { client, journal, url, kill } = await parting("late");
  const [worker] = system.live("worker");
  const another = await TestClient.open(`${system.url}/parting/late`);
  await client.close(4321, "late");
  await journal.receives(2);
  await another.close(4321, "heard");
  await journal.receives(4);
  await kill(async () => {
    worker?.child.kill("SIGUSR2");
    await worker?.says("onClose has ended");
  });
  await journal.receives(5);
  // What comes behind all that the worker has to say of the dead gateway.
  const last = await TestClient.open(`${url}/parting/late`);
  await last.close(4321, "last");
  await journal.receives(7);
  const heard = journal.received.slice(1).map(String);
  const reasons = heard.map((text) => (text === "flushed" ? text : (JSON.parse(text) as { reason: string }).reason));
  expect(reasons).toEqual(["late", "heard", "flushed", "flushed", "last", "flushed"]);
  await journal.close();
});
