// app.*, where not all is well.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

test("what does not fit into one message of NATS is refused, and holds up nothing behind it", async () => {
  system = await TestSystem.start();
  const client = await TestClient.open(`${system.url}/app/large`);
  const echo = await TestClient.open(`${system.url}/echo`);
  client.send({ publish: "t", bytes: 2 * 1024 * 1024 });
  expect(await client.closes()).toEqual({ code: 1011, reason: "effects.tooLarge" });
  echo.send("still there?");
  await echo.receives(1);
  await echo.close();
});

test("a gateway that has died without a word is not the one that is asked to publish", async () => {
  system = await TestSystem.start({ environment: { APP_TIMEOUT_MS: "20000" } });
  const [first] = system.live("gateway");
  const second = system.startGateway();
  await system.until(() => system.gatewayHellos.some(({ pid, serving }) => pid === second.pid && serving), "another one serves");
  await first?.end("SIGKILL");
  const messagesIn = () => system.gatewayHellos.find(({ pid }) => pid === second.pid)?.messagesIn ?? 0;
  const before = messagesIn();
  const client = await TestClient.open(`${system.url}/app/here`);
  const listener = await TestClient.open(`${system.url}/script/here`);
  listener.send([{ do: "subscribe", topic: "here" }, { do: "tell" }]);
  await listener.receives(1);
  await system.until(() => messagesIn() > before, "it has said hello since the other one's death");
  client.send({ publish: "here" });
  await listener.receives(2);
  expect(String(listener.received[1])).toBe("from the app");
  await Promise.all([client, listener].map((each) => each.close()));
});

test("every hook has it", async () => {
  system = await TestSystem.start();
  const listener = await TestClient.open(`${system.url}/script/here`);
  listener.send([{ do: "subscribe", topic: "everywhere" }, { do: "tell" }]);
  await listener.receives(1);
  await fetch(`${system.url.replace("ws", "http")}/everywhere`);
  const client = await TestClient.open(`${system.url}/everywhere`);
  client.send("hello");
  await listener.receives(6);
  await system.deploy("2");
  await listener.receives(7);
  await client.close();
  await listener.receives(8);
  const hooks = ["onRequest", "onUpgrade", "onOpen", "onMessage", "onError", "onAdopt", "onClose true"];
  expect(listener.received.slice(1).map(String)).toEqual(hooks);
  await listener.close();
});

test("app.connections tells who is there, on every gateway and in as many slices as it takes", async () => {
  system = await TestSystem.start();
  const url = `${system.url.replace("ws", "http")}/who`;
  interface Told {
    readonly id: string;
    readonly gateway: string;
    readonly path: string;
    readonly user?: string;
  }
  const told = async () => (await (await fetch(url)).json()) as Told[];
  expect(await told()).toEqual([]);
  // More than one answer has room for.
  const many = await Promise.all(Array.from({ length: 1_100 }, (_, index) => TestClient.open(`${system.url}/script/${index}`)));
  const first = await told();
  expect(first.map(({ path }) => path).sort()).toEqual(many.map((_, index) => `/script/${index}`).sort());
  const [hello] = system.gatewayHellos;
  for (const { id, gateway } of first) expect([gateway, id.split("-")[0]]).toEqual([hello?.id, hello?.id]);

  const second = system.startGateway();
  await system.until(() => system.gatewayHellos.some(({ pid, serving }) => pid === second.pid && serving), "another one serves");
  const clients = await Promise.all(Array.from({ length: 20 }, () => TestClient.open(`${system.url}/echo`)));
  const all = await told();
  expect(all).toHaveLength(1_120);
  expect(new Set(all.map(({ id }) => id)).size).toBe(1_120);
  expect(new Set(all.map(({ gateway }) => gateway))).toEqual(new Set(system.gatewayHellos.map(({ id }) => id)));
  for (const client of [...many, ...clients]) client.breakOff();
});
