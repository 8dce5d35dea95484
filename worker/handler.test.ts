// The promises that handler.ts makes in types are checked by `tsc -p .`, as part of `npm run check`; what it does at run
// time, by vitest.

import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { defineHandler, isHandler, type Message, type } from "./handler.ts";

interface Named {
  readonly name: string;
}

describe("types", () => {
  test("what has JSON can be sent, and a promise of it cannot", () => {
    const late = async (): Promise<Named> => ({ name: "Ada" });
    defineHandler({
      path: "/send",
      state: type<{ list: Named[]; map: Map<string, Date> }>(),
      async onMessage(conn, message) {
        const named: Named = await late();
        for (const data of ["text", 1, null, [named], named, message, new Uint8Array(1), conn.state, conn.state.map]) conn.send(data);
        conn.send({ from: named, at: new Date() });
        // @ts-expect-error: a promise
        conn.send(late());
        // @ts-expect-error: a promise
        conn.publish("topic", late());
        // @ts-expect-error: nothing
        conn.send(undefined);
      },
      onStart(app) {
        // @ts-expect-error: a promise
        app.send("id", late());
      },
    });
  });

  test("params come from the path", () => {
    defineHandler({
      path: "/chat/:room/:seat",
      onUpgrade({ params }) {
        expectTypeOf(params.seat).toEqualTypeOf<string>();
      },
      onRequest(_request, { params }) {
        expectTypeOf(params.room).toEqualTypeOf<string>();
        return new Response();
      },
      onOpen(conn) {
        expectTypeOf(conn.params.room).toEqualTypeOf<string>();
        // @ts-expect-error: no such parameter
        conn.params.rom;
        // @ts-expect-error: readonly
        conn.params.room = "x";
      },
    });
    defineHandler({
      path: "/echo",
      onOpen(conn) {
        // @ts-expect-error: the path has no parameter
        conn.params.room;
      },
    });
    defineHandler({
      path: "/files/*",
      onOpen(conn) {
        expectTypeOf(conn.params["*"]).toEqualTypeOf<string>();
      },
    });
  });

  test("state is deeply readonly, and what setState and onUpgrade take fits the schema", () => {
    defineHandler({
      path: "/a",
      state: v.object({ name: v.string(), tags: v.array(v.string()), sent: v.optional(v.number(), 0) }),
      migrate: (stored) => {
        expectTypeOf(stored).toBeUnknown();
        return { name: "guest", tags: [] };
      },
      onUpgrade: async () => ({ user: "ada", state: { name: "ada", tags: ["x"] } }),
      onOpen(conn) {
        expectTypeOf(conn.state.name).toEqualTypeOf<string>();
        expectTypeOf(conn.state.sent).toEqualTypeOf<number>();
        expectTypeOf(conn.state.tags).toEqualTypeOf<readonly string[]>();
        conn.setState({ ...conn.state, sent: conn.state.sent + 1 });
        // @ts-expect-error: readonly
        conn.state.name = "x";
        // @ts-expect-error: readonly
        conn.state = { name: "x", tags: [], sent: 0 };
        // @ts-expect-error: readonly
        conn.state.tags.push("x");
        // @ts-expect-error: a wrong type
        conn.setState({ ...conn.state, sent: "1" });
        // @ts-expect-error: a field is missing
        conn.setState({ name: "x", tags: [] });
      },
    });
    defineHandler({
      path: "/a",
      state: v.object({ name: v.string() }),
      // @ts-expect-error: a wrong state for a new connection
      onUpgrade: () => ({ state: { name: 1 } }),
    });
    defineHandler({
      path: "/a",
      state: v.object({ name: v.string() }),
      // @ts-expect-error: migrate returns what does not fit
      migrate: () => ({}),
    });
  });

  test("type<T>() is a schema for people without a library", () => {
    defineHandler({
      path: "/a",
      state: type<{ cells: { x: number }[] }>({ cells: [] }),
      onMessage(conn) {
        expectTypeOf(conn.state.cells[0]?.x).toEqualTypeOf<number | undefined>();
        // @ts-expect-error: readonly, all the way down
        for (const cell of conn.state.cells) cell.x = 1;
      },
    });
    // @ts-expect-error: the initial state does not fit
    type<{ a: number }>({ a: "1" });
  });

  test("without a schema there is no state", () => {
    defineHandler({
      path: "/a",
      onOpen(conn) {
        expectTypeOf(conn.state).toEqualTypeOf<undefined>();
        // @ts-expect-error: there is none to set
        conn.setState({ a: 1 });
      },
    });
  });

  test("a message is what the schema makes of it, or raw", () => {
    defineHandler({
      path: "/a",
      message: v.object({ text: v.string(), at: v.pipe(v.string(), v.transform(Number)) }),
      async onMessage(_conn, message, turn) {
        expectTypeOf(message).toEqualTypeOf<{ text: string; at: number }>();
        // @ts-expect-error: no such field
        message.txt;
        expectTypeOf(turn.signal).toEqualTypeOf<AbortSignal>();
      },
    });
    defineHandler({
      path: "/a",
      onMessage(_conn, message) {
        expectTypeOf(message).toEqualTypeOf<Message>();
        expectTypeOf(message.json()).toBeUnknown();
        expectTypeOf(message.bytes()).toEqualTypeOf<Uint8Array>();
      },
    });
  });

  test("each function of on gets the member of the union that has its type", () => {
    const message = v.variant("type", [
      v.object({ type: v.literal("say"), text: v.string() }),
      v.object({ type: v.picklist(["up", "down"]), by: v.pipe(v.string(), v.transform(Number)) }),
    ]);
    defineHandler({
      path: "/a/:room",
      state: type<{ name: string }>({ name: "guest" }),
      message,
      on: {
        say(conn, data, turn) {
          expectTypeOf(data).toEqualTypeOf<{ type: "say"; text: string }>();
          expectTypeOf(conn.params.room).toEqualTypeOf<string>();
          expectTypeOf(conn.state.name).toEqualTypeOf<string>();
          expectTypeOf(turn.signal).toEqualTypeOf<AbortSignal>();
          // @ts-expect-error: of another member
          data.by;
          return { any: "value" };
        },
        up: (_conn, { by }) => expectTypeOf(by).toEqualTypeOf<number>(),
        async down(_conn, data) {
          expectTypeOf(data).toEqualTypeOf<{ type: "up" | "down"; by: number }>();
        },
      },
    });
    // @ts-expect-error: nobody handles down
    defineHandler({ path: "/a", message, on: { say: () => 1, up: () => 2 } });
    // @ts-expect-error: no message has this type
    defineHandler({ path: "/a", message, on: { say: () => 1, up: () => 2, down: () => 3, left: () => 4 } });
    defineHandler({ path: "/a", message: type<{ type: "one" } | { type: "two"; n: 2 }>(), on: { one: () => 1, two: (_, { n }) => n } });
    // @ts-expect-error: messages have no type
    expect(() => defineHandler({ path: "/a", message: type<{ text: string }>(), on: {} })).toThrow(/has a function for each type/);
  });

  test("effects return nothing, flush a promise; they take what can be sent", () => {
    defineHandler({
      path: "/a",
      onMessage(conn, message) {
        expectTypeOf(conn.send("x")).toBeVoid();
        expectTypeOf(conn.flush()).toEqualTypeOf<Promise<void>>();
        expectTypeOf(conn.topics).toEqualTypeOf<ReadonlySet<string>>();
        for (const sendable of ["x", new Uint8Array(), new ArrayBuffer(1), message, { a: [1] }, [1], 1, true, null]) conn.send(sendable);
        conn.publish("t", message, { self: true });
        // @ts-expect-error: not JSON
        conn.send(undefined);
        // @ts-expect-error: not JSON
        conn.publish("t", 1n);
        // @ts-expect-error: the query is the client's
        conn.query.set("a", "b");
        expectTypeOf(conn.query.get("a")).toEqualTypeOf<string | null>();
      },
      onClose(_conn, { code, reason }, turn) {
        expectTypeOf({ code, reason }).toEqualTypeOf<{ code: number; reason: string }>();
        expectTypeOf(turn.flushed).toEqualTypeOf<number>();
      },
      onError(conn, error) {
        if (error.code === "message.invalid") conn.send(error.issues);
        // @ts-expect-error: no such code
        if (error.code === "nope") conn.close();
      },
      onStart(app, { signal, generation }) {
        expectTypeOf(generation).toEqualTypeOf<number>();
        expectTypeOf(app.send("id", "x")).toEqualTypeOf<Promise<boolean>>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      },
    });
  });

  test("names that no option has, and hooks that return the wrong thing, do not pass", () => {
    const misspelt = () =>
      // @ts-expect-error: onMesage
      defineHandler({ path: "/a", onMesage() {} });
    expect(misspelt).toThrow(/^handler\.invalid: there is no option onMesage/);
    // @ts-expect-error: plain HTTP wants a Response
    defineHandler({ path: "/a", onRequest: () => "x" });
    // @ts-expect-error: neither a welcome nor a Response
    defineHandler({ path: "/a", onUpgrade: () => ({ usr: "x" }) });
  });
});

test("a handler is frozen, recognised, and independent of what it was made from", () => {
  const origins = ["https://example.com"];
  const handler = defineHandler({ path: "/a", origins });
  origins.push("*");
  expect(handler.origins).toEqual(["https://example.com"]);
  expect(handler.subprotocols).toEqual([]);
  expect(Object.isFrozen(handler)).toBe(true);
  expect(isHandler(handler)).toBe(true);
  expect([{ path: "/a" }, undefined, null, "x"].map(isHandler)).toEqual([false, false, false, false]);
});

test("on and onMessage exclude each other, and on needs a schema and functions", () => {
  const message = type<{ type: "a" }>();
  const a = () => 1;
  expect(() => defineHandler({ path: "/a", message, on: { a }, onMessage() {} })).toThrow(/^handler\.invalid: on and onMessage exclude/);
  // @ts-expect-error: no schema
  expect(() => defineHandler({ path: "/a", on: { a } })).toThrow(/^handler\.invalid: on needs a message schema/);
  // @ts-expect-error: no function
  expect(() => defineHandler({ path: "/a", message, on: { a: 1 } })).toThrow(/^handler\.invalid: on\.a must be a function/);
});

test("limits.messages is a number of messages and a time", () => {
  const { limits } = defineHandler({ path: "/a", limits: { messages: "20/10s" } });
  expect(limits).toEqual({ messages: { count: 20, ms: 10_000 } });
  expect(defineHandler({ path: "/a", limits: {} }).limits).toBeUndefined();
  // @ts-expect-error: no time
  expect(() => defineHandler({ path: "/a", limits: { messages: "20" } })).toThrow(
    /^handler\.invalid: limits\.messages is "20": it is a number/,
  );
  expect(() => defineHandler({ path: "/a", limits: { messages: "0/1s" } })).toThrow(/limits\.messages is "0\/1s"/);
  // @ts-expect-error: no such limit
  expect(() => defineHandler({ path: "/a", limits: { bytes: "1/1s" } })).toThrow(/^handler\.invalid: limits has no bytes/);
});

test.each([
  [{ "a b": { run: () => undefined } }, /tasks has "a b": a name is 1 to 64 letters, digits, - and _/],
  [{ ticker: () => undefined }, /tasks\.ticker must be an object with a function run/],
])("a task that could not run is refused, with what it may be", (tasks, text) => {
  expect(() => defineHandler({ path: "/a", tasks: tasks as never })).toThrow(text);
});
