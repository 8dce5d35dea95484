// Who comes back, and to what: without sockets. What is sent then: missed.test.ts. With Socket.IO's own client:
// test/socket-io-recovery.test.ts.

import { expect, test } from "vitest";
import type { App } from "../../../handler.ts";
import { type TestApp, testHandler } from "../../../testing.ts";
import { type Server, socketIo } from "../socket-io.ts";
import { Client, chat, handler, url } from "../testing/returning-client.ts";

test("a socket that comes back has its id, rooms and data, and gets what it has missed, in order and once", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await ada.emit("join", "a");
  await ada.emit("join", "b");
  await ada.emit("set", { nested: [1] });
  await bob.emit("all", "0");
  await ada.emit("others", "from ada");
  expect(ada.heard()).toEqual(["40", "0"]);
  await ada.cut();
  for (const [room, text] of [
    ["b", "1"],
    ["a", "2"],
    ["c", "not for ada"],
    [ada.connected.sid, "3"],
    ["b", "4"],
  ])
    await bob.emit("room", room, text);
  await bob.emit("others", "5");
  await app.deploy(handler({}));
  const again = await Client.open(app, ada.told);
  await bob.emit("room", "a", "6");
  expect(again.heard()).toEqual(["1", "2", "3", "4", "5", "40", "6"]);
  expect(again.connected).toEqual(ada.connected);
  const { sid } = ada.connected;
  expect(await again.who()).toEqual([sid, ["a", "b", sid].sort(), { checks: 1, value: { nested: [1] } }, true, true]);
  await app.deploy(handler({}));
  expect((await again.who()).slice(3)).toEqual([true, false]);
});

test.each([
  ["is too late", (app: TestApp) => app.advance(59_600), {}],
  ["is much too late", (app: TestApp) => app.advance(60_001), {}],
  ["is another user", () => undefined, { query: "&user=bob" }],
  ["has an offset that nobody gave it", () => undefined, { told: { offset: "x" } }],
  ["has another pid", () => undefined, { told: { pid: "x".repeat(32) } }],
])("who %s is a new socket", async (_, meanwhile, { told = {}, query }: { told?: object; query?: string }) => {
  const app = await testHandler(handler({ maxDisconnectionDuration: 59_500 }));
  const ada = await Client.open(app);
  await ada.emit("all", "0");
  await ada.cut();
  await meanwhile(app);
  const again = await Client.open(app, { ...ada.told, ...told }, query);
  expect(again.heard()).toEqual(["40"]);
  expect((await again.who()).slice(2)).toEqual([{ checks: 1 }, false, true]);
  expect([again.connected.sid, again.connected.pid]).not.toContain(ada.connected.pid);
});

test("what was kept is for one who comes back, not for two", async () => {
  const app = await testHandler(handler({}));
  const ada = await Client.open(app);
  await ada.emit("all", "0");
  await ada.cut();
  const both = await Promise.all([Client.open(app, ada.told), Client.open(app, ada.told)]);
  expect((await Promise.all(both.map((client) => client.who()))).map((told) => told[3]).sort()).toEqual([false, true]);
});

test.each(["before commit", "after flush", "after commit"] as const)("a worker that dies as it comes back, %s: once", async (point) => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await bob.emit("all", "0");
  await ada.cut();
  await bob.emit("all", "1");
  const connection = await app.connect(url);
  app.crashNext(point);
  await connection.send(`40${JSON.stringify(ada.told)}`);
  const again = new Client(connection);
  expect(again.heard()).toEqual(["1", "40"]);
  expect((await again.who())[3]).toBe(true);
});

test("who leaves or is sent away does not come back to what was; what was emitted just before is sent", async () => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await Promise.all([ada, bob].map((client) => client.emit("me", "0")));
  await ada.connection.send("41");
  await bob.emit("kick");
  expect(bob.connection.frames.slice(-2).map((frame) => String(frame).slice(0, 7))).toEqual(['42["bye', "41"]);
  for (const client of [ada, bob]) {
    await client.cut();
    expect((await (await Client.open(app, client.told)).who())[3]).toBe(false);
  }
});

test.each([
  ["was sent away", (client: Client) => client.emit("kick")],
  ["has left", (client: Client) => client.connection.send("41")],
])("a socket that was recovered and then %s is not recovered once more, by the same connection", async (_, end) => {
  const app = await testHandler(handler({}));
  const ada = await Client.open(app);
  await ada.emit("all", "0");
  await ada.cut();
  const again = await Client.open(app, ada.told);
  expect((await again.who())[3]).toBe(true);
  await end(again);
  await again.connection.send(`40${JSON.stringify(ada.told)}`);
  expect((await again.who()).slice(2)).toEqual([{ checks: 1 }, false, true]);
});

test("whom the server has closed with a code of its own is a new socket", async () => {
  const apps: App[] = [];
  const app = await testHandler(
    socketIo(
      { path: "/socket.io/*", connectionStateRecovery: {}, onUpgrade: () => ({ user: "ada" }), onStart: (own) => void apps.push(own) },
      chat,
    ),
  );
  const ada = await Client.open(app);
  await ada.emit("all", "0");
  await apps[0]?.closeUser("ada", 4403, "banned");
  expect((await (await Client.open(app, ada.told)).who())[3]).toBe(false);
});

test("what its client has told is not kept, which may be a secret: it is told again", async () => {
  const told: unknown[] = [];
  const app = await testHandler(handler({}, (io) => io.on("connection", (socket) => told.push(socket.handshake.auth))));
  const ada = await Client.open(app, { token: "secret" });
  await ada.cut();
  const kept = ada.connection.commits.flat().flatMap((effect) => ("keep" in effect ? [effect.data as Uint8Array] : []));
  expect(kept.map((bytes) => Buffer.from(bytes).includes("secret"))).toEqual([false]);
  const auth = { ...ada.told, token: "new" };
  await Client.open(app, auth);
  expect(told).toEqual([{ token: "secret" }, auth]);
});

test("middlewares run where that is wished, and may refuse", async () => {
  const refuseSecond = (io: Server) => {
    io.use((socket, next) => next(socket.recovered ? new Error("not again") : undefined));
    io.on("connection", (socket) => socket.emit("hello"));
  };
  for (const [skipMiddlewares, heard] of [
    [true, "40"],
    [false, "44"],
  ] as const) {
    const app = await testHandler(handler({ skipMiddlewares }, refuseSecond));
    const ada = await Client.open(app);
    await ada.cut();
    expect((await Client.open(app, ada.told)).heard()).toContain(heard);
  }
});

test("without the option, there is neither a pid nor an offset", async () => {
  const app = await testHandler(handler(undefined));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  await bob.emit("all", "0");
  await bob.emit("volatile", "1");
  expect(ada.connected).toEqual({ sid: expect.any(String) });
  expect(ada.connection.frames.slice(2)).toEqual(['42["said","0"]', '42["said","1"]']);
});

test("an option that topics cannot keep is refused when the handler is loaded", () => {
  expect(() => handler({ maxDisconnectionDuration: Infinity })).toThrow(/maxDisconnectionDuration/);
});
