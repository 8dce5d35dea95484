import { describe, expect, test } from "vitest";
import { CodedError } from "../protocol/errors.ts";
import { toWorker } from "../protocol/records.ts";
import { defineHandler } from "./handler.ts";
import type { MailboxEvent } from "./mailbox.ts";
import { Bench, bench, close, deferred, fresh, message, open, state } from "./testing/turn-bench.ts";

describe("a turn that returns", () => {
  test("commits all that it asked for at once, without a promise where its hook is synchronous", () => {
    const { commits, mailbox } = bench({
      onMessage(conn) {
        conn.subscribe("room");
        conn.setState({ count: 1 });
        conn.send("a");
        conn.setState({ count: conn.state.count + 1 });
        conn.publish("room", "b");
        conn.close(3000, "done");
      },
    }).take(message());
    expect(commits).toEqual([{ end: "commit", effects: ["subscribe room", "a", "publish room", { count: 2 }, "close 3000 done"] }]);
    expect(mailbox.state).toEqual({ count: 2 });
    expect([...mailbox.topics]).toEqual(["room"]);
  });

  test("holds up the connection's next one while it waits", async () => {
    const first = deferred();
    const it = bench({
      async onMessage(conn, incoming) {
        if (incoming.text() === "1") await first.promise;
        conn.send(incoming);
      },
    }).take(message("1"), message("2"));
    await it.settle();
    expect(it.effects).toEqual([]);
    first.resolve();
    await it.settle();
    expect(it.effects).toEqual([1, 2]);
  });

  test("commits an event for which the handler has no hook", () => {
    expect(bench({}).take(open, message(), close).commits).toHaveLength(3);
  });

  test("asks for a topic once, and closes with what it said first", () => {
    const it = bench({
      onMessage(conn) {
        conn.subscribe("a");
        conn.subscribe("a");
        conn.unsubscribe("b");
        conn.close(4000, "first");
        conn.close(4001, "second");
      },
    });
    expect(it.take(message()).effects).toEqual(["subscribe a", "close 4000 first"]);
  });

  test("stores a state that the next turn cannot change in place", () => {
    const it = bench({
      onMessage(conn, incoming) {
        if (incoming.text() === "1") conn.setState({ count: 1 });
        else Object.assign(conn.state, { count: 2 });
      },
    });
    expect(it.take(message("1"), message("2")).effects).toEqual([{ count: 1 }, "close 1011 handler.thrown"]);
    expect(it.mailbox.state).toEqual({ count: 1 });
  });

  test("runs only while its link takes more", () => {
    const it = bench({ onMessage: (conn) => conn.send("a") });
    it.hasCredit = false;
    it.take(message());
    expect(it.commits).toEqual([]);
    it.hasCredit = true;
    expect(it.take().effects).toEqual(["a"]);
  });

  test("has an id that stays when it runs again, and tells of it", () => {
    const turns: unknown[] = [];
    const it = bench({ onMessage: (_, __, turn) => void turns.push([turn.id, turn.redelivered, turn.flushed, turn.release]) });
    it.take({ ...message(), redelivered: true, flushed: 2 } as MailboxEvent, message());
    expect(turns).toEqual([
      ["g-0-1:0", true, 2, "1"],
      ["g-0-1:1", false, 0, "1"],
    ]);
  });
});

test("a connection whose stored state does not fit is closed by its first event, without a hook but onClose", () => {
  const called: string[] = [];
  const handler = defineHandler({
    path: "/a",
    state,
    onAdopt: () => void called.push("onAdopt"),
    onMessage: () => void called.push("onMessage"),
    onError: () => void called.push("onError"),
    onClose: () => void called.push("onClose"),
  });
  const fault = new CodedError("state.incompatible", "count: is missing");
  const it = new Bench(handler, { state: undefined, fault }).take({ type: toWorker.adopt, ...fresh }, message(), message(), close);
  // One commit for the event that the gateway keeps at a close, one for the close: a third would be taken for another's.
  expect(it.commits.map(({ effects }) => effects)).toEqual([["close 1012 state.incompatible"], []]);
  expect(called).toEqual(["onClose"]);
});

test("its onClose knows everything of it but the state: that throws the reason, until the turn has set another", () => {
  const seen: unknown[] = [];
  const handler = defineHandler({
    path: "/a",
    state,
    onClose(conn) {
      seen.push(conn.id, conn.topics.size);
      expect(() => conn.state).toThrow(fault);
      conn.setState({ count: 1 });
      seen.push(conn.state);
    },
  });
  const fault = new CodedError("state.incompatible", "count: is missing");
  const it = new Bench(handler, { state: undefined, fault }).take(message(), close);
  expect(seen).toEqual(["g-0-1", 0, { count: 1 }]);
  expect(it.thrown).toEqual([]);
});
