// Who comes back, to what, and what is sent then: without sockets. With Socket.IO's own client: test/socket-io-recovery.test.ts.

import { EventEmitter, once } from "node:events";
import { expect, test, vi } from "vitest";
import type { App } from "../../../handler.ts";
import { type TestApp, type TestConnection, testHandler } from "../../../testing.ts";
import { type Server, type Socket, socketIo } from "../socket-io.ts";
import type { RecoveryOptions } from "./recovery.ts";

const url = "/socket.io/?EIO=4&transport=websocket";

function handler(recovery: RecoveryOptions | undefined, setUp: (io: Server) => void = chat) {
  return socketIo(
    {
      path: "/socket.io/*",
      ...(recovery && { connectionStateRecovery: recovery }),
      onUpgrade: ({ query }) => ({ user: query.get("user") ?? "anybody" }),
    },
    setUp,
  );
}

function chat(io: Server) {
  io.use((socket, next) => {
    socket.data.checks = Number(socket.data.checks ?? 0) + 1;
    next();
  });
  io.on("connection", (socket: Socket) => {
    socket.on("join", (room) => socket.join(room));
    socket.on("leave", (room) => socket.leave(room));
    socket.on("set", (value) => {
      socket.data.value = value;
    });
    socket.on("all", (text) => io.emit("said", text));
    socket.on("room", (room, text) => io.to(room).emit("said", text));
    socket.on("rooms", (rooms, text) => io.to(rooms).emit("said", text));
    socket.on("except", (id, text) => io.except(id).emit("said", text));
    socket.on("others", (text) => socket.broadcast.emit("said", text));
    socket.on("volatile", (text) => io.volatile.emit("said", text));
    socket.on("binary", () => io.emit("bytes", new Uint8Array(3), "text"));
    socket.on("me", (text, done) => {
      socket.emit("said", text);
      done?.();
    });
    socket.on("kick", () => {
      socket.emit("bye");
      socket.disconnect();
    });
    socket.on("who", (done) => done(socket.id, [...socket.rooms].sort(), socket.data, socket.recovered, socket.isNew));
  });
}

class Client {
  readonly connection: TestConnection;
  private at = 1;

  constructor(connection: TestConnection) {
    this.connection = connection;
  }

  static async open(app: TestApp, told?: object, query = ""): Promise<Client> {
    const connection = await app.connect(url + query);
    await connection.send(told === undefined ? "40" : `40${JSON.stringify(told)}`);
    return new Client(connection);
  }

  emit(...event: unknown[]): Promise<unknown> {
    return this.connection.send(`42${JSON.stringify(event)}`);
  }

  get connected(): { readonly sid: string; readonly pid?: string } {
    return JSON.parse(
      this.connection.frames
        .map(String)
        .find((frame) => frame.startsWith("40{"))
        ?.slice(2) ?? "{}",
    );
  }

  async who(): Promise<unknown[]> {
    await this.connection.send('429["who"]');
    return JSON.parse(String(this.connection.frames.at(-1)).slice(3));
  }

  /** What it got since it asked last: arguments without their offsets, and other packets as they are. */
  heard(): unknown[] {
    const frames = this.connection.frames.slice(this.at).map(String);
    this.at = this.connection.frames.length;
    return frames.map((frame) => (frame.startsWith("42[") ? JSON.parse(frame.slice(2))[1] : frame.slice(0, 2)));
  }

  /** As the client tells when it comes back. */
  get told(): { readonly pid: string | undefined; readonly offset?: string } {
    const events = this.connection.frames.map(String).filter((frame) => frame.startsWith("42["));
    const offset = events.map((frame) => JSON.parse(frame.slice(2)).at(-1)).findLast((each) => typeof each === "string");
    return { pid: this.connected.pid, ...(offset && { offset }) };
  }

  cut(): Promise<unknown> {
    return this.connection.close(1006);
  }
}

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

/** As the client would: its connection is there. */
async function pass(app: TestApp, clients: readonly Client[], seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 15) {
    app.advance(15_000);
    for (const { connection } of clients) await connection.send("3");
  }
}

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
