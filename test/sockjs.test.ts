// sockjs-client itself, over each of its transports, on a running system: nothing is lost, doubled or out of order, and a client notices nothing
// of deploys and killed workers.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { SockJsClient, transports } from "./sockjs-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

const http = () => `http://127.0.0.1:${system.port}`;

interface Told {
  readonly number?: number;
  readonly said?: string;
  readonly release?: string;
  readonly left?: string;
}

const told = ({ received }: SockJsClient) => received as readonly Told[];

test.each(transports)("%s: messages while releases change and workers are killed", async (transport) => {
  system = await TestSystem.start({ handlers: "sockjs", workers: 2 });
  const client = await SockJsClient.open(`${http()}/room/blue`, transport);
  expect(client.transport).toBe(transport);
  const answers = () => told(client).filter(({ number }) => number !== undefined);
  let sent = 0;
  const exchange = async (count: number) => {
    for (let index = 0; index < count; index++) client.send(`message ${++sent}`);
    await client.until(() => answers().length >= sent, `${sent} answers`);
  };
  await exchange(20);
  for (const release of ["2", "3"]) {
    const [deployed] = await Promise.all([system.deploy(release, { workers: 2 }), exchange(50)]);
    expect(deployed).toHaveLength(2);
    await exchange(1);
    expect(answers().at(-1)).toMatchObject({ release });
  }
  system.keepWorkers();
  for (const worker of system.live("worker")) {
    await Promise.all([worker.end("SIGKILL"), exchange(50)]);
    await system.until(() => system.live("worker").length === 2, "another worker is started");
  }
  expect(answers().map(({ number }) => number)).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  expect(answers().map(({ said }) => said)).toEqual(Array.from({ length: sent }, (_, index) => `message ${index + 1}`));
  expect(told(client)[0]).toEqual({ joined: "guest" });
  await client.close();
});

test.each(transports)("%s: onClose runs once for who goes, and who is sent away hears why", async (transport) => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const [watch, ada, bob] = [
    await SockJsClient.open(`${http()}/room/blue`),
    await SockJsClient.open(`${http()}/room/blue`, transport),
    await SockJsClient.open(`${http()}/room/blue`, transport),
  ];
  bob.send("bye");
  expect(await bob.closes()).toEqual({ code: 3000, reason: "Go away!", wasClean: true });
  await ada.close();
  const left = () => told(watch).filter((event) => event.left !== undefined);
  await watch.until(() => left().length === 2, "both have left");
  expect(left()[0]).toEqual({ left: "guest", code: 3000, reason: "Go away!" });
  await watch.close();
});

test("a raw WebSocket hears what the others hear, without frames, also after a deploy", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const raw = await TestClient.open(`${system.url}/room/blue/websocket?name=raw`);
  const framed = await SockJsClient.open(`${http()}/room/blue`);
  await raw.receives(2);
  expect(raw.values).toEqual([{ joined: "raw" }, { joined: "guest" }]);
  await system.deploy("2");
  await framed.close();
  await raw.receives(3);
  expect(raw.values[2]).toMatchObject({ left: "guest" });
  raw.send("bye");
  expect(await raw.closes()).toEqual({ code: 3000, reason: "Go away!" });
});

test("the client chooses WebSocket", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const client = await SockJsClient.open(`${http()}/room/blue`);
  expect(client.transport).toBe("websocket");
  await client.close();
});
