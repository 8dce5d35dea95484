// What happens to a turn that throws, and what makes one throw.

import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import { type Connection, defineHandler, type HandlerError } from "./handler.ts";
import { Bench, bench, type Count, close, message, type Options, open, state } from "./testing/turn-bench.ts";
import { TurnSources } from "./turn-sources.ts";

describe("a turn that throws", () => {
  const hooks = { onError: (conn: Connection, error: HandlerError) => conn.send(error.code) };
  const failing = (conn: Connection<unknown, Count>) => {
    conn.send("never");
    conn.subscribe("never");
    conn.setState({ count: 99 });
    conn.close(4000);
    throw new RangeError("no");
  };

  test.each([
    ["at once", failing],
    [
      "later",
      async (conn: Connection<unknown, Count>) => {
        await null;
        failing(conn);
      },
    ],
  ])("%s is rolled back, and onError has a turn of its own", async (_, onMessage) => {
    const it = bench({ ...hooks, onMessage }).take(message());
    await it.settle();
    expect(it.commits).toEqual([{ end: "commit", effects: ["handler.thrown"] }]);
    expect(it.mailbox.state).toEqual({ count: 0 });
    expect(it.mailbox.topics.size).toBe(0);
    expect(it.thrown.map(({ hook, error }) => [hook, error.code, error.cause])).toEqual([
      ["onMessage", "handler.thrown", new RangeError("no")],
    ]);
    expect(it.turns.counters).toEqual({ committed: 1, thrown: 1, timedOut: 0 });
  });

  test("has counted what its client's message held, once, whether its onError throws or not", async () => {
    const onMessage = async (conn: Connection<unknown, Count>) => {
      conn.countMessages(3);
      await conn.flush();
      conn.countMessages(4);
      conn.countMessages(5);
      throw new RangeError("no");
    };
    const rethrow = (_: Connection, error: HandlerError) => {
      throw error;
    };
    for (const onError of [hooks.onError, rethrow]) {
      const it = new Bench(defineHandler({ path: "/a", state, onError, onMessage }), { level: 1 }).take(message());
      await it.settle();
      it.confirm();
      await it.settle();
      expect(it.commits).toEqual([
        { end: "flush", effects: ["countMessages 3"] },
        { end: "commit", effects: ["countMessages 9", onError === rethrow ? "close 1011 handler.thrown" : "handler.thrown"] },
      ]);
    }
  });

  test("is told with the address of a client that is no user, once for each", () => {
    const it = bench({ onMessage: (_, incoming) => void (incoming.text() === "bad" && fail()) });
    const told = () => [it.turns.sources.hello.heard.length, it.turns.sources.hello.threw.length];
    const fail = () => {
      throw new RangeError("no");
    };
    expect([
      it.take(open) && told(),
      it.take(message()) && told(),
      it.take(message("bad")) && told(),
      it.take(message("bad")) && told(),
    ]).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 1],
    ]);
    expect(it.turns.sources.hello.threw).toEqual(it.turns.sources.hello.heard);
  });

  test("is told with the user, where one is known, whether onUpgrade or a turn has named it", () => {
    const handler = defineHandler({
      path: "/a",
      state,
      onMessage(conn, incoming) {
        if (incoming.text() === "bad") throw new RangeError("no");
        conn.setUser(incoming.text());
      },
    });
    const sources = (pin: object, ...texts: string[]) => new Bench(handler, pin).take(...texts.map(message)).turns.sources.hello;
    const [ada] = sources({ user: "Ada" }, "Ada").heard;
    const bob = new TurnSources();
    bob.blame("", "Bob");
    const nobody = new TurnSources();
    nobody.blame("127.0.0.1");
    expect(sources({ user: "Ada", ip: "192.0.2.1" }, "bad")).toEqual({ heard: [ada], threw: [ada] });
    expect(sources({}, "Bob").heard).toEqual(bob.hello.threw);
    expect(sources({}, "Ada", "Bob").heard).toEqual([ada, ...bob.hello.threw]);
    expect(sources({}, "bad", "Bob")).toEqual({ heard: nobody.hello.threw, threw: nobody.hello.threw });
  });

  describe("for what its client sent is no turn that threw", () => {
    const schema = v.object({ n: v.number() });
    const handler = (options: object) => new Bench(defineHandler({ path: "/a", state, message: schema, ...options }));
    const refused = (it: Bench) =>
      it.refusals.read().samples.map((sample) => ("value" in sample ? [sample.labels.code, sample.value] : []));

    test("where our own parsing threw, with and without an onError, which may throw it again", () => {
      const rethrow = (_: Connection, error: HandlerError) => {
        throw error;
      };
      for (const options of [{}, { onError: () => undefined }, { onError: rethrow }]) {
        const it = handler({ onMessage: () => undefined, ...options }).take(message("no JSON"));
        expect(it.turns.counters).toEqual({ committed: 0, thrown: 0, timedOut: 0 });
        expect(refused(it)).toEqual([["message.notJson", 1]]);
      }
      expect(refused(handler({ onError: () => undefined }).take(message("{}"), message('{"n":"1"}')))).toEqual([["message.invalid", 2]]);
      const it = bench({ ...hooks, onMessage: (_, incoming) => void incoming.json() }).take(message("no JSON"), message("1"));
      expect(it.turns.counters).toEqual({ committed: 1, thrown: 0, timedOut: 0 });
      expect(refused(it)).toEqual([["message.notJson", 1]]);
    });

    test("where a recursive schema gives up a value that is nested too deeply, now or later", async () => {
      interface Tree {
        readonly below: readonly Tree[];
      }
      const tree: v.GenericSchema<Tree> = v.object({ below: v.array(v.lazy(() => tree)) });
      const depth = ({ below: [first] }: Tree): number => (first === undefined ? 1 : 1 + depth(first));
      const later = v.pipeAsync(
        v.any(),
        v.transformAsync(async (value: Tree) => depth(value)),
      );
      const deep = `${'{"below":['.repeat(20_000)}${"]}".repeat(20_000)}`;
      for (const each of [tree, later]) {
        const it = handler({ message: each }).take(message(deep));
        await it.settle();
        expect(refused(it)).toEqual([["message.invalid", 1]]);
        expect(it.turns.counters.thrown).toBe(0);
      }
    });

    test("unless the handler's own code throws: its schema, its hook, or an onError that is told of it", () => {
      const fail = () => {
        throw new Error("no");
      };
      const own = [
        handler({ message: v.pipe(schema, v.check(fail)) }).take(message('{"n":1}')),
        handler({ onMessage: fail }).take(message('{"n":1}')),
        bench({ onMessage: (_, incoming) => JSON.parse(incoming.text()) }).take(message("no JSON")),
      ];
      for (const it of own) {
        expect(it.turns.counters).toEqual({ committed: 1, thrown: 1, timedOut: 0 });
        expect(refused(it)).toEqual([]);
      }
      const told = handler({ onError: fail }).take(message("no JSON"));
      expect(told.turns.counters).toEqual({ committed: 1, thrown: 1, timedOut: 0 });
    });
  });

  test("goes on with the next message", () => {
    const onMessage: Options["onMessage"] = (conn, incoming) => {
      if (incoming.text() === "1") throw new Error("no");
      conn.send(incoming);
    };
    expect(bench({ ...hooks, onMessage }).take(message("1"), message("2")).effects).toEqual(["handler.thrown", 2]);
  });

  test("closes with 1011 where there is no onError, and where that one throws too", () => {
    expect(bench({ onMessage: failing }).take(message(), message()).commits).toEqual([
      { end: "commit", effects: ["close 1011 handler.thrown"] },
    ]);
    const onError = () => {
      throw new CodedError("message.invalid", "1007, but not for this");
    };
    const both = bench({ onMessage: failing, onError }).take(message());
    expect(both.effects).toEqual(["close 1011 message.invalid"]);
    expect(both.thrown.map(({ hook }) => hook)).toEqual(["onMessage", "onError"]);
  });

  test("closes with 1011 after its onError when it was onOpen's, unless that closed with a code of its own", () => {
    expect(bench({ ...hooks, onOpen: failing }).take(open, message()).commits).toEqual([
      { end: "commit", effects: ["handler.thrown", "close 1011 onOpen threw"] },
    ]);
    expect(bench({ onOpen: failing, onError: (conn) => conn.close(4001) }).take(open).effects).toEqual(["close 4001 "]);
  });

  test("is only counted when it was onClose's: there is nothing left to close", () => {
    const it = bench({ onClose: failing }).take(close);
    expect(it.commits).toEqual([{ end: "commit", effects: [] }]);
    expect(it.mailbox.isGone).toBe(true);
  });
});

describe("each mistake has its code, and rolls the turn back", () => {
  const mistakes: Array<[string, (conn: Connection<unknown, Count>) => void]> = [
    ["effects.tooLarge", (conn) => conn.send("x".repeat(200))],
    ["state.tooLarge", (conn) => conn.setState({ count: 1, more: "x".repeat(20) } as Count)],
    ["close.invalid", (conn) => conn.close(1001)],
    ["close.invalid", (conn) => conn.close(5000)],
    ["close.invalid", (conn) => conn.close(3000.5)],
    ["close.invalid", (conn) => conn.close(1000, "é".repeat(62))],
    ["topic.invalid", (conn) => conn.subscribe("")],
    ["topic.invalid", (conn) => conn.unsubscribe("x".repeat(257))],
    ["topic.invalid", (conn) => conn.publish("\ud800", "x")],
    ["topics.tooMany", (conn) => ["a", "b", "c"].forEach((topic) => conn.subscribe(topic))],
    ["send.invalid", (conn) => conn.send(undefined as never)],
    ["send.invalid", (conn) => conn.send(Promise.resolve("late") as never)],
    ["send.invalid", (conn) => conn.publish("t", { n: 1n })],
    ["handler.thrown", (conn) => void Object.assign(conn.state, { count: 1 })],
  ];
  test.each(mistakes)("%s (%#)", (code, onMessage) => {
    const frozen = { state: Object.freeze({ count: 0 }) };
    const onError = (conn: Connection, error: HandlerError) => conn.send(error.code);
    const it = new Bench(defineHandler({ path: "/a", state, onMessage, onError }), frozen).take(message());
    expect(it.effects).toEqual([code]);
    expect(it.mailbox.topics.size).toBe(0);
  });

  test("state.invalid: what the schema refuses, and any state without a schema", () => {
    const onMessage = (conn: Connection<unknown, never>) => conn.setState({ count: "1" } as never);
    const schema = v.object({ count: v.number() });
    expect(new Bench(defineHandler({ path: "/a", state: schema, onMessage } as never)).take(message()).effects).toEqual([
      "close 1011 state.invalid",
    ]);
    expect(new Bench(defineHandler({ path: "/a", onMessage } as never)).take(message()).effects).toEqual(["close 1011 state.invalid"]);
  });

  test.each([
    ["synchronous", v.object({ text: v.string() })],
    ["asynchronous", v.objectAsync({ text: v.string() })],
  ])(
    "message.notJson, message.invalid: a client's mistake closes with 1007 where no onError deals with it (%s schema)",
    async (_, schema) => {
      const handler = defineHandler({ path: "/a", message: schema, onMessage: (conn, { text }) => conn.send(text) });
      const results = ['{"text":"ok"}', "{", '{"text":1}'].map((text) => new Bench(handler).take(message(text)));
      await results[0]?.settle();
      expect(results.map(({ effects }) => effects)).toEqual([["ok"], ["close 1007 message.notJson"], ["close 1007 message.invalid"]]);
      expect(results[2]?.thrown[0]?.error.issues).toMatchObject([{ path: "text" }]);
    },
  );
});

test.each([
  ["text", "text"],
  [undefined, "undefined"],
  [{ status: 404 }, "{ status: 404 }"],
  [Object.create(null), "[Object: null prototype] {}"],
  [Symbol("s"), "Symbol(s)"],
])("onError is told of whatever was thrown (%#)", (thrown, text) => {
  const it = bench({
    onMessage() {
      throw thrown;
    },
    onError: (conn, { code, cause, message }) => conn.send([code, message, cause === thrown]),
  });
  expect(it.take(message()).effects).toEqual([["handler.thrown", `handler.thrown: ${text}`, true]]);
});
