// A handler behind SockJS: its hooks get plain messages, and what they send is framed.

import * as v from "valibot";
import { expect, test } from "vitest";
import { type HandlerLimits, type } from "../../handler.ts";
import { testHandler } from "../../testing.ts";
import { sockjs } from "./sockjs.ts";

const ws = (session: string, base = "/chat/blue") => `${base}/000/${session}/websocket`;

const chat = sockjs({
  path: "/chat/:room",
  state: type<{ said: number }>({ said: 0 }),
  onUpgrade: ({ query }) => ({ user: query.get("name") ?? "guest" }),
  onOpen(conn) {
    conn.subscribe(conn.params.room, { as: conn.user });
    conn.send({ welcome: conn.user });
  },
  async onMessage(conn, message) {
    if (message.text() === "who") return conn.send(await conn.members(conn.params.room));
    if (message.text() === "bye") return conn.close(3000, "Go away!");
    conn.setState({ said: conn.state.said + 1 });
    conn.publish(conn.params.room, `${conn.user}: ${message}`, { self: true });
  },
  onClose(conn, { code }) {
    conn.publish(conn.params.room, `${conn.user} left with ${code}`);
  },
});

test("opens with o, then what onOpen sends; messages go to all, framed once", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect(`${ws("a")}?name=Ada`);
  const bob = await app.connect(`${ws("b")}?name=Bob`);
  expect(ada.frames).toEqual(["o", 'a["{\\"welcome\\":\\"Ada\\"}"]']);
  await ada.send('["hi"]');
  expect(ada.frames.at(-1)).toBe('a["Ada: hi"]');
  expect(bob.frames.at(-1)).toBe('a["Ada: hi"]');
});

test("several messages in one frame are one turn, in order", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect(`${ws("a")}?name=Ada`);
  await ada.send('["1","2"]');
  expect(ada.frames.slice(2)).toEqual(['a["Ada: 1"]', 'a["Ada: 2"]']);
  expect(ada.state).toEqual({ said: 2 });
});

// biome-ignore lint/suspicious/noThenProperty: as a query builder has one.
const later = (act: () => void) => ({ then: (resolve: (value: unknown) => void) => void setImmediate(() => resolve(act())) });

test("a hook that returns any thenable is waited for, one message after the other", async () => {
  const app = await testHandler(
    sockjs({ path: "/later", onMessage: (conn, message) => later(() => conn.send(message)) as unknown as Promise<void> }),
  );
  const ada = await app.connect(ws("a", "/later"));
  await ada.send('["1"]');
  await ada.send('["2","3"]');
  expect([ada.frames, ada.errors]).toEqual([["o", 'a["1"]', 'a["2"]', 'a["3"]'], []]);
});

const few = (messages: NonNullable<HandlerLimits["messages"]>) =>
  sockjs({ path: "/few", limits: { messages }, onMessage: (conn, message) => conn.send(message) });
const frameOf = (count: number) => JSON.stringify(Array.from({ length: count }, String));

test("each message of a frame counts for the limit of the handler", async () => {
  const app = await testHandler(few("10/10s"));
  const ada = await app.connect(ws("a", "/few"));
  await ada.send(frameOf(10));
  expect([ada.frames.length, ada.closed]).toEqual([11, undefined]);
  await ada.send('["one more"]');
  expect([ada.frames.length, ada.closed]).toEqual([11, { code: 1008, reason: "rate.sent" }]);
});

test("messages of a frame whose turn is rolled back have counted", async () => {
  const failing = () => {
    throw new Error("not today");
  };
  const app = await testHandler(sockjs({ path: "/few", limits: { messages: "10/10s" }, onMessage: failing, onError: () => undefined }));
  const ada = await app.connect(ws("a", "/few"));
  await ada.send(frameOf(6));
  expect(ada.closed).toBeUndefined();
  await ada.send(frameOf(6));
  expect(ada.closed).toEqual({ code: 1008, reason: "rate.sent" });
});

test("a frame whose worker dies behind a flush of the handler is counted once", async () => {
  const told: number[] = [];
  const app = await testHandler(
    sockjs({
      path: "/few",
      limits: { messages: "10/10s" },
      async onMessage(conn, _message, turn) {
        told.push(turn.flushed);
        if (turn.flushed === 0) await conn.flush();
      },
    }),
  );
  const ada = await app.connect(ws("a", "/few"));
  app.crashNext("after flush");
  await ada.send(frameOf(6));
  expect(told).toEqual([0, 1, 1, 1, 1, 1, 1]);
  await ada.send(frameOf(4));
  expect(ada.closed).toBeUndefined();
  await ada.send('["one more"]');
  expect(ada.closed).toEqual({ code: 1008, reason: "rate.sent" });
});

test.each([
  ["1000/1s", 100],
  ["20/10s", 20],
] as const)("where %s may come, a frame has at most %d", async (messages, most) => {
  const app = await testHandler(few(messages));
  const [ada, bob] = [await app.connect(ws("a", "/few")), await app.connect(ws("b", "/few"))];
  await ada.send(frameOf(most));
  expect([ada.frames.length, ada.closed]).toEqual([1 + most, undefined]);
  await bob.send(frameOf(most + 1));
  expect([bob.frames.length, bob.closed]).toEqual([1, { code: 3000, reason: "Too many messages in one frame." }]);
});

test.each(["", "[]"])("a frame with no message (%j) is ignored", async (frame) => {
  const app = await testHandler(chat);
  const ada = await app.connect(ws("a"));
  await ada.send(frame);
  expect(ada.frames).toHaveLength(2);
  expect(ada.closed).toBeUndefined();
});

test.each(['["a', "[1]", new Uint8Array([1])])("a broken frame (%j) closes, without a c frame", async (frame) => {
  const app = await testHandler(chat);
  const ada = await app.connect(ws("a"));
  await ada.send(frame);
  expect(ada.closed).toEqual({ code: 3000, reason: "Broken framing." });
  expect(ada.frames).toHaveLength(2);
});

test("a close is told in a c frame, behind all that its turn sends", async () => {
  const app = await testHandler(
    sockjs({
      path: "/close",
      onOpen(conn) {
        conn.close(3000, "Go away!");
        conn.send("last words");
      },
    }),
  );
  const client = await app.connect(ws("a", "/close"));
  expect(client.frames).toEqual(["o", 'a["last words"]', 'c[3000,"Go away!"]']);
  expect(client.closed).toEqual({ code: 3000, reason: "Go away!" });
  const raw = await app.connect("/close/websocket");
  expect(raw.frames).toEqual(["last words"]);
  expect(raw.closed).toEqual({ code: 3000, reason: "Go away!" });
});

test("a client hears every 25 s that its session is there, or as often as is asked for; on a raw WebSocket it does not", async () => {
  for (const [heartbeatMs, options] of [
    [25_000, {}],
    [1_000, { heartbeatMs: 1_000 }],
  ] as const) {
    const app = await testHandler(sockjs({ path: "/echo", ...options }));
    const [framed, raw] = [await app.connect(ws("a", "/echo")), await app.connect("/echo/websocket")];
    app.advance(heartbeatMs - 1);
    expect(framed.frames).toEqual(["o"]);
    app.advance(1);
    app.advance(heartbeatMs);
    expect(framed.frames).toEqual(["o", "h", "h"]);
    expect(raw.frames).toEqual([]);
  }
});

test("a raw WebSocket has no frames", async () => {
  const app = await testHandler(sockjs({ path: "/echo", onMessage: (conn, message) => conn.send(message) }));
  const raw = await app.connect("/echo/websocket");
  await raw.send("Hello world!\uffff");
  expect(raw.frames).toEqual(["Hello world!\uffff"]);
});

test("what is published reaches framed and raw connections alike, in their own ways", async () => {
  const app = await testHandler(
    sockjs({
      path: "/news",
      onOpen: (conn) => conn.subscribe("news"),
      onMessage: (conn, message) => conn.publish("news", message, { self: true }),
    }),
  );
  const [framed, raw] = [await app.connect(ws("a", "/news")), await app.connect("/news/websocket")];
  await framed.send('["one"]');
  await raw.send("two");
  expect(framed.frames).toEqual(["o", 'a["one"]', 'a["two"]']);
  expect(raw.frames).toEqual(["one", "two"]);
});

test("onPublish gets plain messages", async () => {
  const app = await testHandler(
    sockjs({
      path: "/hook",
      onOpen: (conn) => conn.subscribe("inbox", { hook: true }),
      onMessage: (conn, message) => conn.publish("inbox", message, { self: true }),
      onPublish: (conn, topic, message) => conn.send({ topic, message }),
    }),
  );
  const client = await app.connect(ws("a", "/hook"));
  await client.send('["one"]');
  expect(client.frames).toEqual(["o", 'a["{\\"topic\\":\\"inbox\\",\\"message\\":\\"one\\"}"]']);
});

test("a schema gets each message's JSON, and what does not fit is onError's", async () => {
  const app = await testHandler(
    sockjs({
      path: "/add",
      state: type<number>(0),
      message: v.object({ n: v.number() }),
      onMessage(conn, { n }) {
        conn.setState(conn.state + n);
        conn.send(conn.state);
      },
      onError: (conn, { code }) => conn.send(code),
    }),
  );
  const client = await app.connect(ws("a", "/add"));
  await client.send(JSON.stringify(['{"n":1}', '{"n":2}']));
  expect(client.frames).toEqual(["o", 'a["1"]', 'a["3"]']);
  // One turn: none of it happens.
  await client.send(JSON.stringify(['{"n":1}', '{"m":2}']));
  expect(client.frames.slice(3)).toEqual(['a["message.invalid"]']);
  expect(client.state).toBe(3);
  const raw = await app.connect("/add/websocket");
  await raw.send('{"n":5}');
  expect(raw.frames).toEqual(["5"]);
});

test("turn.app and onStart's app speak SockJS, too, and history is read back", async () => {
  const app = await testHandler(
    sockjs({
      path: "/app",
      onOpen: (conn) => conn.subscribe("all"),
      async onMessage(conn, message, { app, release }) {
        conn.publish("all", message, { self: true, keep: { messages: 10, seconds: 60 } });
        await conn.flush();
        await app.publish("all", { release });
        await app.send(conn.id, "to you");
        conn.send((await app.history("all", { last: 1 })).map(({ data }) => data.text()));
      },
    }),
  );
  const client = await app.connect(ws("a", "/app"));
  await client.send('["kept"]');
  expect(client.frames.slice(1).toSorted()).toEqual(['a["[\\"kept\\"]"]', 'a["kept"]', 'a["to you"]', 'a["{\\"release\\":\\"1\\"}"]']);
});

test("a deploy and a crash are no business of a client's; members are told", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect(`${ws("a")}?name=Ada`);
  await app.deploy(chat);
  app.crashNext("before commit");
  await ada.send('["who"]');
  expect(ada.frames.at(-1)).toContain('\\"user\\":\\"Ada\\"');
  await ada.send('["bye"]');
  expect(ada.closed).toEqual({ code: 3000, reason: "Go away!" });
});

test("other paths, and any where WebSockets are off, are no WebSocket's", async () => {
  const app = await testHandler(chat);
  for (const path of ["/chat/blue/a", "/chat/blue/000/a/xhr", "/chat/blue/0.0/a/websocket"])
    expect((await app.refused(path)).status).toBe(404);
  const without = await testHandler(sockjs({ path: "/chat/:room", websocket: false }));
  for (const path of [ws("a"), "/chat/blue/websocket"]) expect((await without.refused(path)).status).toBe(404);
});

test("onUpgrade is asked with the handler's own params, and may refuse", async () => {
  const app = await testHandler(
    sockjs({ path: "/chat/:room", onUpgrade: ({ params }) => new Response(JSON.stringify(params), { status: 401 }) }),
  );
  const response = await app.refused(ws("a"));
  expect([response.status, await response.json()]).toEqual([401, { room: "blue" }]);
});

test.each([
  [{ heartbeatMs: 99 }, "heartbeatMs is 99: it is a whole number of milliseconds from 100 to 2147483647"],
  [{ path: "/chat/*" }, "a path of SockJS is what clients have as their URL: /chat, not /chat/*"],
])("what could not be served is refused when it is defined: %o", (options, message) => {
  expect(() => sockjs({ path: "/chat", ...options })).toThrow(`handler.invalid: ${message}`);
});

test.each([{ on: {} }, { onRequest: () => new Response() }, { transports: [] }])("an option that there is not: %o", (option) => {
  expect(() => sockjs({ path: "/echo", ...option })).toThrowError(expect.objectContaining({ code: "handler.invalid" }));
});

test("what is behind a message whose hook closes is not handled, though it came in the same frame", async () => {
  const app = await testHandler(chat);
  const [ada, bob] = [await app.connect(ws("a")), await app.connect(ws("b"))];
  await ada.send('["bye","one more"]');
  expect(ada.closed).toEqual({ code: 3000, reason: "Go away!" });
  expect(bob.frames.slice(2)).toEqual(['a["guest left with 3000"]']);
});

test("a page of another site can read why onUpgrade refuses it", async () => {
  const onUpgrade = () => new Response("log in first", { status: 401 });
  const app = await testHandler(sockjs({ path: "/chat", origins: ["*"], onUpgrade }));
  const request = { method: "POST", headers: { origin: "https://app.example" }, sessionMissing: true };
  const refused = await app.request("/chat/000/a/xhr", request);
  expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.example"]);
});

test.each([{ disconnectMs: 0 }, { disconnectMs: 3_600_001 }, { responseBytes: 2 ** 30 }])(
  "what no session can have is refused when the handler is made: %j",
  (options) => {
    expect(() => sockjs({ path: "/chat", ...options })).toThrow(/(disconnectMs|responseBytes) is \d+: it is a whole number from 1 to/);
  },
);

test("an option that SockJS does not have is named, with those that it has", () => {
  expect(() => sockjs({ path: "/chat", hearbeatMs: 1_000 } as never)).toThrow("SockJS has no option hearbeatMs: it has path, websocket, ");
});
