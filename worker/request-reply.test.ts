import * as v from "valibot";
import { expect, test } from "vitest";
import { defineHandler, type Turn, type } from "./handler.ts";
import { deferred } from "./testing/turn-bench.ts";
import { testHandler } from "./testing.ts";

const message = v.variant("type", [
  v.object({ type: v.literal("say"), text: v.string() }),
  v.object({ type: v.literal("move"), x: v.number(), y: v.number() }),
  v.object({ type: v.literal("fail"), how: v.picklist(["throw", "topic", "bytes", "function", "close"]) }),
]);

const on = {
  say: (_: unknown, { text }: { text: string }) => (text === "" ? undefined : { said: text }),
  move: async (_: unknown, { x, y }: { x: number; y: number }) => x + y,
  fail(conn: { send(data: string): void; subscribe(topic: string): void; close(code: number): void }, { how }: { how: string }) {
    conn.send("rolled back");
    if (how === "throw") throw new Error("the password of the database is 1234");
    if (how === "topic") conn.subscribe("");
    if (how === "close") conn.close(4000);
    return how === "bytes" ? new Uint8Array(1) : how === "function" ? () => 1 : "gone";
  },
};

const game = defineHandler({ path: "/game", message, on });

test("each message goes to the function of its type, and what that returns to a client that has asked", async () => {
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  await ada.send({ type: "say", text: "hi", id: 1 });
  await ada.send({ type: "move", x: 1, y: 2, id: "a" });
  await ada.send({ type: "move", x: 1, y: 2, id: "" });
  await ada.send({ type: "say", text: "nobody waits for an answer" });
  await ada.send({ type: "say", text: "nor here", id: null });
  await ada.send({ type: "say", text: "", id: 2 });
  expect(ada.received).toEqual([
    { id: 1, data: { said: "hi" } },
    { id: "a", data: 3 },
    { id: "", data: 3 },
  ]);
  expect(ada.commits.length).toBe(7);
});

test("a function that throws is rolled back, and the client is told no more than the code; it stays connected", async () => {
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  for (const [id, how] of ["throw", "topic", "bytes", "function"].entries()) await ada.send({ type: "fail", how, id });
  expect(ada.received).toEqual([
    { id: 0, error: { code: "handler.thrown" } },
    { id: 1, error: { code: "topic.invalid" } },
    { id: 2, error: { code: "send.invalid" } },
    { id: 3, error: { code: "send.invalid" } },
  ]);
  expect(ada.closed).toBeUndefined();
  expect(ada.errors.map(({ code }) => code)).toEqual(["handler.thrown", "topic.invalid", "send.invalid", "send.invalid"]);
});

test("without an id, the connection is closed as it is without `on`", async () => {
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  await ada.send({ type: "fail", how: "throw" });
  expect([ada.received, ada.closed]).toEqual([[], { code: 1011, reason: "handler.thrown" }]);
});

test("a client that closes with its own answer gets both", async () => {
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  await ada.send({ type: "fail", how: "close", id: 1 });
  expect([ada.received, ada.closed?.code]).toEqual([["rolled back", { id: 1, data: "gone" }], 4000]);
});

test("a message that does not fit is answered with its issues", async () => {
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  await ada.send({ type: "move", x: "1", y: 2, id: 7 });
  expect(ada.received).toEqual([
    { id: 7, error: { code: "message.invalid", message: expect.any(String), issues: [{ path: "x", message: expect.any(String) }] } },
  ]);
  expect(ada.closed).toBeUndefined();
});

test("what is told of a message is bounded, however many faults it has", async () => {
  const list = v.object({ type: v.literal("list"), all: v.array(v.picklist(["x".repeat(1_000)])) });
  const app = await testHandler(defineHandler({ path: "/list", message: v.variant("type", [list]), on: { list: () => 1 } }));
  const ada = await app.connect("/list");
  await ada.send({ type: "list", all: Array.from({ length: 1_000 }, () => "y".repeat(1_000)), id: 1 });
  const [{ error }] = ada.received as [{ error: { message: string; issues: { message: string }[] } }];
  expect([error.message.length, error.issues.length, error.issues[0]?.message.length]).toEqual([200, 10, 200]);
});

test("a client is told the code alone where EFFECTS_BYTES allows no more", async () => {
  const app = await testHandler(game, { effectsBytes: 100 });
  const ada = await app.connect("/game");
  await ada.send({ type: "move", x: "1", y: "2", id: 7 });
  expect(ada.received).toEqual([{ id: 7, error: { code: "message.invalid" } }]);
});

test("a type that nobody handles does not fit, whatever objects have by that name", async () => {
  const open = defineHandler({ path: "/open", message: type<{ type: string }>(), on: { say: () => 1 } });
  const app = await testHandler(open);
  const ada = await app.connect("/open");
  for (const name of ["shout", "constructor", "toString", "hasOwnProperty"]) await ada.send({ type: name, id: name });
  await ada.send('{"type":"__proto__","id":"__proto__"}');
  await ada.send({ type: 1, id: "number" });
  await ada.send({ id: "none" });
  await ada.send({ type: "say", id: "say" });
  expect(ada.received.map((value) => (value as { error?: { code: string } }).error?.code)).toEqual([
    ...Array.from({ length: 7 }, () => "message.invalid"),
    undefined,
  ]);
  expect(ada.received[0]).toMatchObject({ error: { issues: [{ path: "type", message: '"shout" is not one of say' }] } });
});

test("an id that no answer could name is refused, since its client would wait for ever", async () => {
  for (const id of ["x".repeat(65), "ü".repeat(33), {}, [1], true]) {
    const app = await testHandler(game);
    const ada = await app.connect("/game");
    await ada.send({ type: "say", text: "hi", id });
    expect([ada.received, ada.closed]).toEqual([[], { code: 1007, reason: "message.invalid" }]);
  }
  const app = await testHandler(game);
  const ada = await app.connect("/game");
  await ada.send('{"type":"say","text":"hi","id":1e999}');
  expect(ada.closed?.code).toBe(1007);
});

test("onError runs before the client is told, and nothing is told where it closes or throws", async () => {
  for (const [what, received, code] of [
    ["tells", [{ heard: "handler.thrown" }, { id: 1, error: { code: "handler.thrown" } }], undefined],
    ["closes", [{ heard: "handler.thrown" }], 4001],
    ["throws", [], 1011],
  ] as const) {
    const app = await testHandler(
      defineHandler({
        path: "/game",
        message,
        on,
        onError(conn, error) {
          conn.send({ heard: error.code });
          if (what === "closes") conn.close(4001);
          if (what === "throws") throw error;
        },
      }),
    );
    const ada = await app.connect("/game");
    await ada.send({ type: "fail", how: "throw", id: 1 });
    expect([ada.received, ada.closed?.code]).toEqual([received, code]);
  }
});

test("a turn that is cut off is answered, too, and what it returns later is not", async () => {
  const late = deferred();
  const slow = defineHandler({ path: "/slow", message: type<{ type: "wait" }>(), on: { wait: () => late.promise.then(() => "late") } });
  const app = await testHandler(slow, { turnTimeoutMs: 1_000 });
  const ada = await app.connect("/slow");
  const sent = ada.send({ type: "wait", id: 1 });
  app.advance(1_000);
  await sent;
  late.resolve();
  expect(ada.received).toEqual([{ id: 1, error: { code: "turn.timeout" } }]);
});

test("a worker that dies before it has committed: the client is answered once", async () => {
  const runs: boolean[] = [];
  const handler = defineHandler({
    path: "/once",
    message: type<{ type: "say" }>(),
    on: {
      say(_conn, _data, turn: Turn) {
        runs.push(turn.redelivered);
        return runs.length;
      },
    },
  });
  const app = await testHandler(handler);
  const ada = await app.connect("/once");
  app.crashNext("before commit");
  await ada.send({ type: "say", id: 1 });
  app.crashNext("after commit");
  await ada.send({ type: "say", id: 2 });
  expect(ada.received).toEqual([
    { id: 1, data: 2 },
    { id: 2, data: 3 },
  ]);
  expect(runs).toEqual([false, true, false]);
});

test("what a schema that waits finds is handled in the same way", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/a",
      message: v.pipeAsync(
        message,
        v.checkAsync(async ({ type: name }) => name !== "move", "not now"),
      ),
      on,
    }),
  );
  const ada = await app.connect("/a");
  await ada.send({ type: "say", text: "hi", id: 1 });
  await ada.send({ type: "move", x: 1, y: 1, id: 2 });
  expect(ada.received).toMatchObject([
    { id: 1, data: { said: "hi" } },
    { id: 2, error: { code: "message.invalid", message: "message.invalid: not now" } },
  ]);
});

test("a connection that sends more messages than limits.messages allows is closed with 1008, and others are not", async () => {
  const app = await testHandler(defineHandler({ path: "/few", limits: { messages: "3/3s" }, onMessage: (conn) => conn.send("got it") }));
  const [ada, bob] = [await app.connect("/few"), await app.connect("/few")];
  for (let count = 0; count < 3; count++) await ada.send("x");
  app.advance(1_000);
  await ada.send("x");
  expect(ada.closed).toBeUndefined();
  await ada.send("x");
  await bob.send("x");
  expect([ada.closed, ada.received.length, bob.closed]).toEqual([{ code: 1008, reason: "rate.sent" }, 4, undefined]);
});
