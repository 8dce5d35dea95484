// What listeners may rely on, without sockets: what each turn emits, and what outlives a worker.

import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
import type { SessionState } from "./protocol/turn.ts";
import { type Server, type Socket, type SocketIoOptions, socketIo } from "./socket-io.ts";

const url = "/socket.io/?EIO=4&transport=websocket";

async function serve(setUp: (io: Server) => void) {
  const app = await testHandler(socketIo({ path: "/socket.io/*" }, setUp));
  const client = async (connect = "40") => {
    const connection = await app.connect(url);
    await connection.send(connect);
    return connection;
  };
  return { app, client };
}

/** The frames that a client got behind its handshakes. */
function events(connection: { readonly frames: readonly unknown[] }) {
  return connection.frames.slice(2);
}

test("an event reaches its listener, and what that emits reaches everybody", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("chat message", (text) => io.emit("chat message", text));
      socket.on("to others", (text) => socket.broadcast.emit("heard", text));
      socket.on("but", (id) => io.except(id).emit("but", id));
    });
  });
  const [ada, bob] = [await client(), await client()];
  await ada.send('42["chat message","hi"]');
  await ada.send('42["to others","psst"]');
  const { sid } = JSON.parse(String(bob.frames[1]).slice(2)) as { sid: string };
  await bob.send(`42["but","${sid}"]`);
  expect(events(ada)).toEqual(['42["chat message","hi"]', `42["but","${sid}"]`]);
  expect(events(bob)).toEqual(['42["chat message","hi"]', '42["heard","psst"]']);
});

function greeter(word: string) {
  return (io: Server) => {
    io.on("connection", (socket: Socket) => {
      socket.emit(word);
      socket.broadcast.emit("joined");
      socket.data.count = 0;
      socket.join("room");
      socket.on("count", (answer) => {
        socket.data.count = (socket.data.count as number) + 1;
        answer(word, socket.data.count, [...socket.rooms].length, socket.isNew);
      });
    });
  };
}

test("another release registers listeners again, and nothing else that they did happens twice", async () => {
  const { app, client } = await serve(greeter("hello"));
  const [ada, bob] = [await client(), await client()];
  await ada.send('421["count"]');
  await app.deploy(socketIo({ path: "/socket.io/*" }, greeter("welcome")));
  await ada.send('422["count"]');
  expect(events(ada)).toEqual(['42["hello"]', '42["joined"]', '431["hello",1,2,true]', '432["welcome",2,2,false]']);
  expect(events(bob)).toEqual(['42["hello"]']);
});

test.each(["before commit", "after flush", "after commit"] as const)(
  "a worker that dies as a socket connects, %s: it is welcomed once",
  async (point) => {
    const { app } = await serve(greeter("hello"));
    const ada = await app.connect(url);
    app.crashNext(point);
    await ada.send("40");
    await ada.send('421["count"]');
    expect(events(ada)).toEqual(['42["hello"]', expect.stringMatching(/^431\["hello",1,2,/)]);
    expect(ada.closed).toBeUndefined();
  },
);

test("a Buffer in data is a Buffer in the turns that follow, also in another worker", async () => {
  const setUp = (io: Server) => {
    io.on("connection", (socket) => {
      socket.on("keep", (bytes) => {
        socket.data.bytes = bytes;
        socket.data.at = new Date(0);
      });
      socket.on("tell", () => socket.emit("told", (socket.data.bytes as Buffer).toString("hex"), socket.data.at));
    });
  };
  const { app, client } = await serve(setUp);
  const ada = await client();
  await ada.send('451-["keep",{"_placeholder":true,"num":0}]');
  await ada.send(Uint8Array.of(0xab, 0xcd));
  await ada.send('42["tell"]');
  await app.deploy(socketIo({ path: "/socket.io/*" }, setUp));
  await ada.send('42["tell"]');
  expect(events(ada)).toEqual(Array(2).fill('42["told","abcd","1970-01-01T00:00:00.000Z"]'));
});

test("a middleware refuses, with what the client is to know; a namespace that nobody serves is refused", async () => {
  const { client } = await serve((io) => {
    io.of("/admin").use((socket, next) => {
      if (socket.handshake.auth.token !== "s3cret") next(Object.assign(new Error("not you"), { data: { why: "token" } }));
      else next();
    });
    io.of("/admin").on("connection", (socket) => socket.emit("in", socket.handshake.auth));
    io.of(/^\/room-\d+$/).on("connection", (socket) => socket.nsp.emit("at", socket.nsp.name));
  });
  expect((await client('40/admin,{"token":"x"}')).frames.slice(1)).toEqual(['44/admin,{"message":"not you","data":{"why":"token"}}']);
  expect((await client("40/nowhere,")).frames.slice(1)).toEqual(['44/nowhere,{"message":"Invalid namespace"}']);
  expect(events(await client('40/admin,{"token":"s3cret"}'))).toEqual(['42/admin,["in",{"token":"s3cret"}]']);
  const [seventh] = [await client("40/room-7,"), await client("40/room-8,")];
  expect(events(seventh)).toEqual(['42/room-7,["at","/room-7"]']);
});

test("middleware of a socket: an event that it refuses is an error of the socket", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.use(([event], next) => next(event === "bad" ? new Error("no") : undefined));
      socket.on("error", ({ message }) => socket.emit("refused", message));
      socket.onAny((event) => socket.emit("any", event));
      socket.once("good", () => socket.emit("once"));
    });
  });
  const ada = await client();
  for (const event of ["bad", "good", "good"]) await ada.send(`42["${event}"]`);
  expect(events(ada)).toEqual(['42["refused","no"]', '42["any","good"]', '42["once"]', '42["any","good"]']);
});

test("whoever leaves is heard once, with the reason, and the rooms that it had", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.join("room");
      socket.on("disconnecting", (reason) => io.to("watch").emit("leaves", reason, socket.rooms.size));
      socket.on("disconnect", (reason) => io.to("watch").emit("left", reason, socket.rooms.size));
      socket.on("watch", () => socket.join("watch"));
      socket.on("kick", (close) => socket.disconnect(close));
    });
  });
  const watch = await client();
  await watch.send('42["watch"]');
  const [a, b, c, d, e] = [await client(), await client(), await client(), await client(), await client()];
  await a.send("41");
  await b.send('42["kick"]');
  await c.close(1006);
  await d.send("nonsense");
  await e.send('42["kick",true]');
  const heard = (reason: string) => [`42["leaves","${reason}",2]`, `42["left","${reason}",0]`];
  const reasons = [
    "client namespace disconnect",
    "server namespace disconnect",
    "transport close",
    "parse error",
    "server namespace disconnect",
  ];
  expect(events(watch)).toEqual(reasons.flatMap(heard));
  expect(events(b)).toEqual(["41"]);
  expect([b.closed, d.closed?.code, e.closed?.code]).toEqual([undefined, 1007, 1000]);
});

test("who has left a namespace is not found in it, and hears nothing of it", async () => {
  const { client } = await serve((io) => {
    io.of(/./).on("connection", (socket) => {
      socket.on("disconnect", async () => io.of(socket.place.name).emit("left", (await io.of(socket.place.name).fetchSockets()).length));
    });
  });
  const [ada, bob] = [await client("40/a,"), await client("40/a,")];
  await ada.send("40/b,");
  await ada.send("41/a,");
  expect(events(ada)).toEqual([expect.stringMatching(/^40\/b,/)]);
  expect(events(bob)).toEqual(['42/a,["left",1]']);
});

test("a packet and its attachments may come to different workers; what is too large is the client's fault", async () => {
  const setUp = (io: Server) => {
    io.on("connection", (socket) => {
      socket.on("put", (a, b) => socket.emit("got", a.length, b.length));
    });
  };
  const { app, client } = await serve(setUp);
  const ada = await client();
  await ada.send('452-["put",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
  await ada.send(new Uint8Array(5));
  await app.deploy(socketIo({ path: "/socket.io/*" }, setUp));
  await ada.send(new Uint8Array(200_000));
  expect(events(ada)).toEqual(['42["got",5,200000]']);
  // More than the state holds: a deploy leaves it with its worker until the packet is whole.
  await ada.send('452-["put",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
  await ada.send(new Uint8Array(100_000));
  await app.deploy(socketIo({ path: "/socket.io/*" }, setUp));
  await ada.send(new Uint8Array(100_001));
  expect(events(ada).at(-1)).toBe('42["got",100000,100001]');
  await ada.send('452-["put",1]');
  await ada.send(new Uint8Array(262_144));
  expect(ada.closed).toEqual({ code: 1009, reason: "message.tooLarge" });
});

test("a callback is called once, by name; one that is too late gets an error", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      const answered = socket.callback("answered", (...args) => socket.emit("heard", ...args.map((arg) => arg?.message ?? arg)));
      socket.on("ask", () => socket.emit("question", answered));
      // Three halves of what a round trip took, say.
      socket.on("ask in time", () => socket.timeout(1_000.5).emit("question", answered));
      socket.on("closure", () => socket.emit("question", () => undefined));
      socket.on("wait", async (ack) => ack(await socket.emitWithAck("question")));
    });
  });
  const ada = await client();
  await ada.send('42["ask"]');
  await ada.send('431["yes"]');
  await ada.send('431["again"]');
  await ada.send('42["ask in time"]');
  await ada.send('432["yes"]');
  expect(events(ada)).toEqual(['421["question"]', '42["heard","yes"]', '422["question"]', '42["heard",null,"yes"]']);
  await ada.send('42["closure"]');
  expect(ada.closed?.code).toBe(1011);
  const bob = await client();
  await bob.send('42["wait"]');
  const advice =
    'const answered = socket.callback("answered", (…) => …) in the listener of "connection", and then socket.emit("question", …, answered)';
  for (const { errors } of [ada, bob]) expect(errors[0]?.message).toContain(advice);
});

test("what is begun when listeners are registered again emits, once that turn is over", async () => {
  const setUp = (io: Server) => {
    io.on("connection", (socket) => {
      socket.on("hi", () => undefined);
      if (!socket.isNew) setTimeout(() => socket.emit("tick"), 1);
    });
  };
  const { app, client } = await serve(setUp);
  const ada = await client();
  await app.deploy(socketIo({ path: "/socket.io/*" }, setUp));
  await ada.send('42["hi"]');
  await expect.poll(() => events(ada)).toEqual(['42["tick"]']);
});

test("all sockets of a namespace are found, with their data where others can be told of it", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("set", (data) => {
        socket.data = data === "big" ? { big: 1n } : data;
        socket.join("set");
      });
      socket.on("find", async (answer) => {
        const [all, some] = await Promise.all([io.fetchSockets(), io.in("set").except(socket.id).fetchSockets()]);
        answer(
          all.length,
          some.map(({ data }) => data ?? null),
        );
      });
    });
  });
  const [ada, bob, cyd] = [await client(), await client(), await client()];
  await ada.send('42["set",{"name":"Ada"}]');
  await bob.send('42["set",{"name":"Bob"}]');
  await cyd.send('42["set","big"]');
  await ada.send('420["find"]');
  expect(events(ada)).toEqual(['430[3,[{"name":"Bob"},null]]']);
});

test("what a client can have the state keep is bounded, and more is its own fault", async () => {
  const { client } = await serve((io) => {
    io.of(/./).on("connection", (socket) => {
      const answered = socket.callback("answered", () => undefined);
      socket.on("ask", () => socket.emit("question", answered));
    });
  });
  // What states have it as is larger than JSON: a number has nine bytes, a character up to three.
  const large = [`40/a,{"token":"${"x".repeat(5_000)}"}`, `40/a,${JSON.stringify({ token: Array(600).fill(0.5) })}`];
  for (const frame of large) expect((await client(frame)).closed).toEqual({ code: 1007, reason: "message.invalid" });
  const wide = await client("40/a,");
  await wide.send(`451-/a,["${"漢".repeat(1_400)}"]`);
  expect(wide.closed).toEqual({ code: 1007, reason: "message.invalid" });
  const many = await client("40/0,");
  for (let number = 1; number < 16; number++) await many.send(`40/${number},`);
  for (let asked = 0; asked < 40; asked++) await many.send('42/1,["ask"]');
  expect(Object.keys((many.state as SessionState).sockets["/1"]?.acks ?? {})).toHaveLength(32);
  await many.send("40/16,");
  expect(many.closed).toEqual({ code: 1007, reason: "message.invalid" });
});

test("a namespace whose name is too long for a topic is none; a room is refused with how long it may be", async () => {
  const { client } = await serve((io) => {
    io.of(/./).on("connection", (socket) => {
      const caught = (work: () => unknown) => {
        try {
          work();
        } catch (error) {
          return (error as Error).message;
        }
      };
      socket.on("room", (room, answer) => {
        const ways = [
          () => socket.join(room),
          () => io.to(room).emit("hi"),
          () => io.socketsJoin(room),
          () => io.in("a").socketsLeave(room),
        ];
        answer(ways.map(caught));
      });
      socket.on("join", (room) => socket.join(room));
    });
  });
  const long = `/${"é".repeat(100)}`;
  const ada = await client(`40${long},`);
  await ada.send("40/chat,");
  expect(ada.frames.slice(1)).toEqual([`44${long},{"message":"Invalid namespace"}`, expect.stringMatching(/^40\/chat,/)]);
  await ada.send(`42/chat,1${JSON.stringify(["room", "é".repeat(150)])}`);
  const refused = (nsp: string, most: number) => `topic.invalid: a room of ${nsp} has a name of at most ${most} bytes of UTF-8, not 300`;
  // Of 256 bytes, the path takes 12 and two commas, and the namespace its own.
  expect(ada.frames.at(-1)).toBe(`43/chat,1${JSON.stringify([[refused("/chat", 237), ...Array(3).fill(refused("/", 241))]])}`);
  await ada.send(`42/chat,${JSON.stringify(["join", `${"é".repeat(118)}x`])}`);
  expect([ada.closed, ada.errors]).toEqual([undefined, []]);
});

test("a room that a client leaves out is nobody's, and not everybody's", async () => {
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("tell", (to) => socket.to(to).emit("told"));
      socket.on("tell all but", (left) => io.except(left).emit("told"));
      socket.on("join", (room) => socket.join(room));
      socket.on("leave", (room) => socket.leave(room));
      socket.on("who", async (done) => done((await io.fetchSockets()).map(({ id }) => id)));
    });
  });
  const [ada, bob] = [await client(), await client()];
  const ids = [ada, bob].map(({ frames }) => (JSON.parse(String(frames[1]).slice(2)) as { sid: string }).sid);
  for (const event of ["tell", "join", "tell all but", "leave", "tell all but"]) await ada.send(`42["${event}"]`);
  await ada.send('420["who"]');
  expect(events(bob)).toEqual(['42["told"]', '42["told"]']);
  expect(events(ada)).toEqual(['42["told"]', `430[${JSON.stringify(ids)}]`]);
});

test("a client that never connects to a namespace is closed", async () => {
  const app = await testHandler(socketIo({ path: "/socket.io/*", connectTimeout: 1_000 }, () => undefined));
  const ada = await app.connect(url);
  app.advance(1_000);
  await expect.poll(() => ada.closed).toEqual({ code: 4001, reason: "connect timeout" });
});

test.each(["/socket.io", "/socket.io/"])("the path %s, as Socket.IO has it, is refused: nobody could connect", (path) => {
  expect(() => socketIo({ path }, () => undefined)).toThrow(/^handler.invalid: a path of Socket.IO ends with \/\*, as \/socket.io\/\*/);
});

test("pings that are more often than a heartbeat can be are refused", () => {
  const options = { path: "/socket.io/*", pingInterval: 99 };
  expect(() => socketIo(options, () => undefined)).toThrow(
    /^handler.invalid: pingInterval is 99: it is a whole number of milliseconds from 100 /,
  );
});

test.each([
  ["connectTimeout", "45s", '"45s"', 2_147_483_647],
  ["pingTimeout", 0, "0", 2_147_483_647],
  ["maxHttpBufferSize", 1.5, "1.5", 67_108_864],
])("%s is a number of milliseconds or bytes, and %j is refused before anybody connects", (name, value, shown, most) => {
  const options = { path: "/socket.io/*", [name]: value } as unknown as SocketIoOptions;
  expect(() => socketIo(options, () => undefined)).toThrow(`handler.invalid: ${name} is ${shown}: it is a whole number from 1 to ${most}`);
});

test.each([
  ["transports", { transports: ["websocket"] }, "Socket.IO has no option transports: it has path, pingInterval, pingTimeout, "],
  ["a hook of other handlers", { onMessage: () => undefined }, "Socket.IO has no option onMessage: it has path, "],
  ["cors.methods", { cors: { origin: "*", methods: ["GET"] } }, "cors has no option methods: it has origin, credentials"],
  [
    "a misspelt recovery",
    { connectionStateRecovery: { maxDisconnectDuration: 1 } },
    "connectionStateRecovery has no option maxDisconnectDuration: it has maxDisconnectionDuration, skipMiddlewares",
  ],
])("%s: an option that is not there is refused, and those that are are named", (_, options, message) => {
  expect(() => socketIo({ path: "/socket.io/*", ...(options as object) }, () => undefined)).toThrow(`handler.invalid: ${message}`);
});

test.each(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])(
  "nobody emits %s, as with Socket.IO's own server",
  async (event) => {
    const { client } = await serve((io) => {
      io.on("connection", (socket) => {
        for (const emitter of [socket, socket.broadcast, io, io.to("room")])
          socket.on("emit", () => expect(() => emitter.emit(event)).toThrow(`"${event}" is a reserved event name`));
        socket.on("emit", (done) => done());
      });
    });
    const ada = await client();
    await ada.send('420["emit"]');
    expect(events(ada)).toEqual(["430[]"]);
  },
);

test("who speaks another protocol is refused as Engine.IO does it", async () => {
  const { app } = await serve(() => undefined);
  const refused = async (query: string) => (await (await app.refused(`/socket.io/?${query}`)).json()) as unknown;
  expect(await refused("transport=websocket")).toEqual({ code: 5, message: "Unsupported protocol version" });
  expect(await refused("EIO=4&transport=x")).toEqual({ code: 0, message: "Transport unknown" });
});

test("an auth that no state can hold is the client's fault", async () => {
  const { client } = await serve((io) => io.of("/other").on("connection", () => undefined));
  const ada = await client();
  await ada.send('40/other,{"name":"\\ud800"}');
  expect(ada.closed).toEqual({ code: 1007, reason: "message.invalid" });
});

test.each([
  ["the client leaves", (ada: { send(frame: string): Promise<unknown>; close(code: number): Promise<unknown> }) => ada.send("41")],
  ["the connection closes", (ada: { close(code: number): Promise<unknown> }) => ada.close(1000)],
])("where %s, a listener of disconnect that disconnects runs once, and what it emits arrives", async (_, leave) => {
  let runs = 0;
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("disconnect", () => {
        runs++;
        socket.disconnect(true);
        io.emit("left");
      });
    });
  });
  const [ada, bob] = [await client(), await client()];
  await leave(ada);
  expect([runs, ada.errors, events(bob)]).toEqual([1, [], ['42["left"]']]);
});

test("who is in a namespace that another release does not have is told, and stays in the others", async () => {
  const echo = (socket: Socket) => void socket.on("echo", (text) => socket.emit("echo", text));
  const { app, client } = await serve((io) => {
    io.on("connection", echo);
    io.of("/chat").on("connection", echo);
  });
  const ada = await client();
  await ada.send("40/chat,");
  await app.deploy(socketIo({ path: "/socket.io/*" }, (io) => void io.on("connection", echo)));
  await ada.send('42["echo","still here"]');
  expect(events(ada).slice(1)).toEqual(["41/chat,", '42["echo","still here"]']);
});

test("attachments that do not come are not waited for without end", async () => {
  const { app, client } = await serve((io) => void io.on("connection", (socket) => void socket.on("file", (_file, done) => done())));
  const [ada, bob] = [await client(), await client()];
  for (const each of [ada, bob]) {
    await each.send('452-1["file",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]');
    await each.send(new Uint8Array(5_000));
  }
  await bob.send(new Uint8Array(1));
  for (let step = 0; step < 3; step++) {
    app.advance(15_000);
    for (const each of [ada, bob]) await each.send("3");
  }
  app.advance(15_000);
  await expect.poll(() => ada.closed).toEqual({ code: 4012, reason: "attachments missing" });
  expect([events(bob)[0], bob.closed]).toEqual(["431[]", undefined]);
});

test.each<[Omit<SocketIoOptions, "path">, string]>([
  [{ maxHttpBufferSize: 1e8 }, "maxHttpBufferSize is 100000000: it is a whole number from 1 to 67108864"],
  [{ pingInterval: 3_000_000, pingTimeout: 3_000_000 }, "pingInterval and pingTimeout together is 6000000"],
])("what no session over HTTP can have is refused when the handler is made: %j", (options, message) => {
  expect(() => socketIo({ path: "/socket.io/*", ...options }, () => undefined)).toThrow(message);
});

test("a socket knows who onUpgrade said that it is; io.sockets is the main namespace", async () => {
  const app = await testHandler(
    socketIo({ path: "/socket.io/*", onUpgrade: () => ({ user: "ada" }) }, (io) => {
      io.on("connection", (socket) => void socket.on("who", () => io.sockets.emit("it is", socket.user)));
    }),
  );
  const ada = await app.connect(url);
  await ada.send("40");
  await ada.send('42["who"]');
  expect(events(ada)).toEqual(['42["it is","ada"]']);
});

test("what is a listener's own is over in a timer, which a worker survives: see run.ts", async () => {
  const thrown: unknown[] = [];
  const { client } = await serve((io) => {
    io.on("connection", (socket) => {
      socket.on("later", () => {
        setTimeout(() => {
          for (const use of [() => socket.data, () => socket.rooms]) {
            try {
              use();
            } catch (error) {
              thrown.push(error);
            }
          }
        });
      });
    });
  });
  await (await client()).send('42["later"]');
  const over = { code: "turn.over", message: expect.stringContaining("before you set it, and emit with io.to(socket.id).emit(…)") };
  await expect.poll(() => thrown).toMatchObject([over, over]);
});

const missing = new URL("none.js", import.meta.url).href;

test.each<[string, object, unknown, string]>([
  [
    "serveClient that is no URL",
    { serveClient: "socket.io-client" },
    () => undefined,
    "serveClient is 'socket.io-client': it is the URL of",
  ],
  ["serveClient as Socket.IO has it", { serveClient: true }, () => undefined, "serveClient is true: it is the URL of a file"],
  ["serveClient of no file", { serveClient: missing }, () => undefined, `serveClient is '${missing}': it is the URL of a file`],
  ["cors.origin as Socket.IO has it", { cors: { origin: true } }, () => undefined, "cors.origin is true: it is"],
  ["a pattern as cors.origin", { cors: { origin: /x/ } }, () => undefined, "cors.origin is /x/: it is"],
  ["no function", {}, undefined, "and a function that registers listeners"],
  ["a function that waits", {}, async () => undefined, "listeners are registered without waiting"],
])("%s fails the start, and is named", (_, options, setUp, message) => {
  expect(() => socketIo({ path: "/socket.io/*", ...options } as SocketIoOptions, setUp as () => void)).toThrow(message);
});

test("a page that asks for the client's script, where none is served, is told what is missing", async () => {
  const app = await testHandler(socketIo({ path: "/socket.io/*" }, () => undefined));
  const answer = await app.request("/socket.io/socket.io.js");
  expect([answer.status, await answer.text()]).toEqual([404, "serveClient of this handler names no client\n"]);
});
