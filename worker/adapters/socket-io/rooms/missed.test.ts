// What a socket that comes back is sent, and where nobody knows that: without sockets.

import { EventEmitter, once } from "node:events";
import { expect, test, vi } from "vitest";
import { testHandler } from "../../../testing.ts";
import { Client, chat, handler, pass } from "../testing/returning-client.ts";

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

test("and again, whatever it had got of what it had missed; also if it never got anything", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await ada.cut();
  await bob.emit("all", "1");
  const second = await Client.open(app, ada.told);
  expect(second.heard()).toEqual(["1", "40"]);
  await second.cut();
  await bob.emit("all", "2");
  // Neither has arrived.
  const third = await Client.open(app, ada.told);
  expect(third.heard()).toEqual(["1", "2", "40"]);
  expect((await third.who()).slice(2)).toEqual([{ checks: 1 }, true, true]);
});

test("what was emitted before a broken connection was noticed is kept for as long as its client may come back", async () => {
  const app = await testHandler(handler({ maxDisconnectionDuration: 59_500 }));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await bob.emit("all", "0");
  const { told } = ada;
  await bob.emit("all", "1");
  app.advance(25_000);
  app.advance(20_000);
  expect(ada.connection.closed).toMatchObject({ reason: "ping timeout" });
  app.advance(59_000);
  const again = await Client.open(app, told);
  expect(again.heard()).toEqual(["1", "40"]);
  expect((await again.who())[3]).toBe(true);
});

test.each([
  ["the last that it has got", "0"],
  ["what it may have got", undefined],
])("who comes back when %s is not kept any more is a new socket: nobody knows what it has missed", async (_, first) => {
  const app = await testHandler(handler({ maxDisconnectionDuration: 10_000 }));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  if (first !== undefined) await bob.emit("all", first);
  const { told } = ada;
  await pass(app, [ada, bob], 60);
  await bob.emit("all", "1");
  await ada.cut();
  expect((await (await Client.open(app, told)).who())[3]).toBe(false);
});

test("what was kept otherwise, by the release before, is not missed unseen: its client is a new socket", async () => {
  const app = await testHandler(handler({ maxDisconnectionDuration: 60_000 }));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  const { told } = ada;
  await bob.emit("all", "1");
  await app.deploy(handler({ maxDisconnectionDuration: 50_000 }));
  await ada.cut();
  expect((await (await Client.open(app, told)).who())[3]).toBe(false);
});

test.each([
  ["is recovered where the last that it has got is among what is read", "all", true],
  ["is a new socket where older events may not have been read", "room", false],
])("who has missed much %s", async (_, event, isRecovered) => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await ada.emit("join", "a");
  await bob.emit("all", "0");
  await ada.cut();
  for (const letter of ["1", "2"]) await bob.emit(event, ...(event === "room" ? ["a"] : []), letter.repeat(70_000));
  expect((await (await Client.open(app, ada.told)).who())[3]).toBe(isRecovered);
});

test("what a slow turn has emitted before the socket was there, and was stored after it, is sent once", async () => {
  const gate = new EventEmitter();
  const app = await testHandler(
    handler({}, (io) => {
      chat(io);
      io.on("connection", (socket) => {
        socket.on("slow", async () => {
          io.emit("said", "slow");
          await Promise.all([once(gate, "open"), gate.emit("emitted")]);
        });
      });
    }),
  );
  const bob = await Client.open(app);
  const emitted = once(gate, "emitted");
  const slow = bob.emit("slow");
  await emitted;
  const at = Date.now();
  await vi.waitUntil(() => Date.now() > at);
  const ada = await Client.open(app);
  gate.emit("open");
  await slow;
  expect(ada.heard()).toEqual(["40", "slow"]);
  await ada.cut();
  await bob.emit("all", "1");
  expect((await Client.open(app, ada.told)).heard()).toEqual(["1", "40"]);
});

test("what is volatile or has attachments is not recovered, and does not cost the offset", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await bob.emit("all", "0");
  await bob.emit("volatile", "soon gone");
  await bob.emit("binary");
  expect(ada.connection.frames.slice(3)).toEqual([
    '42["said","soon gone",null]',
    '451-["bytes",{"_placeholder":true,"num":0},"text",null]',
    new Uint8Array(3),
  ]);
  await ada.cut();
  for (const what of ["volatile", "binary", "all"]) await bob.emit(what, "1");
  expect((await Client.open(app, ada.told)).heard()).toEqual(["1", "40"]);
});
