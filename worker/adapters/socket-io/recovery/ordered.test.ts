// What a socket that comes back is sent of what was ordered: emitted to several rooms, or to all but one. See rooms/broadcast.ts.

import { expect, test } from "vitest";
import type { App } from "../../../handler.ts";
import { testHandler } from "../../../testing.ts";
import { socketIo } from "../socket-io.ts";
import { Client, chat, handler } from "../testing/returning-client.ts";

test("what several rooms get, or all but one, has its place among the rest, whether the socket was there or not", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await ada.emit("join", "a");
  await ada.emit("join", "b");
  await bob.emit("all", "0");
  const { told } = ada;
  const say = async (first: number) => {
    await bob.emit("rooms", ["a", "b"], String(first));
    await bob.emit("all", String(first + 1));
    await bob.emit("rooms", ["b", "c"], String(first + 2));
    await bob.emit("rooms", ["c", "d"], "not for ada");
    await bob.emit("except", ada.connected.sid, "not for ada");
    await bob.emit("except", bob.connected.sid, String(first + 3));
  };
  await say(1);
  expect(ada.heard()).toEqual(["40", "0", "1", "2", "3", "4"]);
  await ada.cut();
  await say(5);
  // Only 0 has arrived.
  const again = await Client.open(app, told);
  await say(9);
  expect(again.heard()).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "40", "9", "10", "11", "12"]);
  await again.cut();
  const { pid } = told;
  const third = await Client.open(app, { ...again.told, pid });
  expect(third.heard()).toEqual(["40"]);
});

test("a large event for several rooms is kept once, however many get it, and missed as others are", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob, cyd] = [await Client.open(app), await Client.open(app), await Client.open(app)];
  for (const client of [ada, bob, cyd]) await client.emit("join", "a");
  const large = (letter: string) => letter.repeat(10_000);
  await bob.emit("rooms", ["a", "b"], large("1"));
  await bob.emit("all", "2");
  await bob.emit("rooms", ["a", "b"], "3");
  await bob.emit("rooms", ["a", "b"], large("4"));
  expect(ada.heard().filter((each) => !String(each).startsWith("6"))).toEqual(["40", large("1"), "2", "3", large("4")]);
  const { told } = ada;
  await ada.cut();
  await bob.emit("rooms", ["a", "b"], large("5"));
  await bob.emit("all", "6");
  const again = await Client.open(app, told);
  expect(again.heard()).toEqual([large("5"), "6", "40"]);
  const effects = [ada, bob, cyd].flatMap(({ connection }) => connection.commits.flat());
  const keptBytes = effects.flatMap((effect) => ("keep" in effect ? [JSON.stringify(effect.data).length] : []));
  expect(keptBytes.filter((bytes) => bytes > 5_000).length).toBe(3);
});

test("what was ordered is sent once, also where a gateway that was cut off from NATS brings it to the handler later", async () => {
  const apps: App[] = [];
  const app = await testHandler(
    socketIo({ path: "/socket.io/*", connectionStateRecovery: {}, onStart: (own) => void apps.push(own) }, chat),
  );
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await ada.emit("join", "a");
  await ada.cut();
  for (const text of ["1", "2", "3"]) await bob.emit("rooms", ["a", "b"], text);
  const orders = bob.connection.commits
    .flat()
    .flatMap((effect) => ("keep" in effect && effect.topic.startsWith("orders ") ? [effect] : []));
  const again = await Client.open(app, ada.told);
  for (const { topic, data } of orders.slice(1)) await apps[0]?.publish(topic, data as object);
  await bob.emit("rooms", ["a", "b"], "4");
  expect(again.heard()).toEqual(["1", "2", "3", "40", "4"]);
  expect(JSON.stringify(again.connection.state)).not.toContain("heard");
});

test("what several rooms got before the socket joined one of them is not sent for having had no turn of its own", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await bob.emit("rooms", ["a", "b"], "before");
  await ada.emit("join", "a");
  await bob.emit("all", "1");
  await ada.cut();
  const again = await Client.open(app, ada.told);
  expect([again.heard(), (await again.who())[3]]).toEqual([["40"], true]);
});
