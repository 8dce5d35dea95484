// Turns that wait: for too long, for longer than their connection is here, or for a flush.

import { describe, expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import { type Connection, defineHandler, type Turn } from "./handler.ts";
import { Mailbox } from "./mailbox.ts";
import { ReceivedMessage } from "./message.ts";
import { Bench, bench, type Count, close, deferred, fresh, message } from "./testing/turn-bench.ts";

describe("a turn that takes too long", () => {
  test("is treated as thrown when its time is up, not before; what it does afterwards has no effect", async () => {
    const slow = deferred();
    let late: unknown;
    let signal: AbortSignal | undefined;
    const it = bench({
      async onMessage(conn, incoming, turn) {
        if (incoming.text() === "2") return conn.send("next");
        signal = turn.signal;
        conn.send("never");
        await slow.promise;
        try {
          conn.send("too late");
        } catch (error) {
          late = error;
        }
      },
      onError: (conn, error) => conn.send(error.code),
    }).take(message("1"), message("2"));

    it.now = 999;
    it.turns.sweep();
    expect(it.commits).toEqual([]);
    it.now = 1_000;
    it.turns.sweep();
    await it.settle();
    expect(it.effects).toEqual(["turn.timeout", "next"]);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toMatchObject({ code: "turn.timeout" });
    expect(it.turns.counters.timedOut).toBe(1);

    slow.resolve();
    await it.settle();
    expect(late).toMatchObject({ code: "turn.over" });
    expect(it.effects).toEqual(["turn.timeout", "next"]);
  });

  test("and whose onError does so too, closes with 1011", async () => {
    const it = bench({ onMessage: () => new Promise(() => undefined), onError: () => new Promise(() => undefined) }).take(message());
    it.now = 1_000;
    it.turns.sweep();
    expect(it.commits).toEqual([]);
    it.now = 2_000;
    it.turns.sweep();
    expect(it.effects).toEqual(["close 1011 turn.timeout"]);
  });

  test("a rejection after the cut is nobody's", async () => {
    const slow = deferred();
    const it = bench({ onMessage: () => slow.promise, onError: () => undefined }).take(message());
    it.now = 1_000;
    it.turns.sweep();
    slow.reject(new Error("late"));
    await it.settle();
    expect(it.thrown).toHaveLength(1);
    expect(it.commits).toHaveLength(1);
  });
});

test("a turn that waits has its message's bytes to itself", async () => {
  const batch = Buffer.from("mine");
  const slow = deferred();
  const it = bench({
    async onMessage(conn, incoming) {
      await slow.promise;
      conn.send(incoming.text());
    },
  }).take({ type: toWorker.message, message: new ReceivedMessage(batch, false), ...fresh });
  batch.fill("x");
  slow.resolve();
  await it.settle();
  expect(it.effects).toEqual(["mine"]);
});

describe("after its turn", () => {
  test("also one that threw: its conn throws turn.over", () => {
    const kept: Connection<unknown, Count>[] = [];
    bench({
      onMessage(conn) {
        kept.push(conn);
        throw new Error("no");
      },
    }).take(message());
    expect(() => kept[0]?.send("x")).toThrow(/^turn\.over: /);
  });

  test("everything of a conn throws turn.over", () => {
    const kept: Connection<unknown, Count>[] = [];
    bench({ onMessage: (conn) => void kept.push(conn) }).take(message());
    const conn = kept[0] as Connection<unknown, Count>;
    const uses: Array<() => unknown> = [
      () => conn.send("x"),
      () => conn.publish("a", "x"),
      () => conn.subscribe("a"),
      () => conn.unsubscribe("a"),
      () => conn.setState({ count: 1 }),
      () => conn.close(),
      () => conn.state,
      () => conn.topics,
      () => conn.id,
    ];
    for (const use of uses) expect(use).toThrow(/^turn\.over: /);
    return expect(conn.flush()).rejects.toThrow(/^turn\.over: /);
  });

  test("a connection that its gateway took away says nothing more, and its turn's signal aborts", async () => {
    const slow = deferred();
    let turn: Turn | undefined;
    const it = bench({
      async onMessage(conn, _, own) {
        turn = own;
        own.signal;
        conn.send("never");
        await slow.promise;
      },
    }).take(message(), message());
    it.turns.forget(it.mailbox);
    expect(turn?.signal.aborted).toBe(true);
    slow.resolve();
    await it.settle();
    expect(it.commits).toEqual([]);
  });
});

test("turns of a gateway that is lost are ended one by one, without a look at all the others for each", () => {
  const it = bench({ onMessage: () => new Promise<void>(() => undefined) });
  const mailboxes = Array.from({ length: 30_000 }, () => new Mailbox(it.mailbox.pin));
  for (const mailbox of mailboxes) {
    mailbox.push(message());
    it.turns.run(mailbox);
  }
  const before = process.cpuUsage();
  for (const mailbox of mailboxes) it.turns.forget(mailbox);
  // 30 ms; a look at all of them takes 3 s and more.
  expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  expect(it.turns.waiting).toBe(0);
});

describe("flush", () => {
  test("commits early, and goes on when the gateway has it", async () => {
    const flushed: number[] = [];
    const it = bench({
      async onMessage(conn, _, turn) {
        conn.send("a");
        await conn.flush();
        flushed.push(turn.flushed);
        conn.send("b");
      },
    }).take(message());
    await it.settle();
    expect(it.commits).toEqual([{ end: "flush", effects: ["a"] }]);
    expect(flushed).toEqual([]);
    it.confirm();
    await it.settle();
    expect(it.commits.slice(1)).toEqual([{ end: "commit", effects: ["b"] }]);
    expect(flushed).toEqual([1]);
  });

  test("counts for whoever runs the event again once the gateway has it", async () => {
    const it = bench({
      async onClose(conn) {
        await conn.flush();
        await conn.flush();
      },
    }).take(close);
    await it.settle();
    expect(it.mailbox.closeHandoff().close).toMatchObject({ redelivered: true, flushed: 0 });
    it.confirm();
    await it.settle();
    expect(it.mailbox.closeHandoff().close).toMatchObject({ redelivered: true, flushed: 1 });
  });

  test("gives the turn its bytes anew", async () => {
    const it = bench({
      async onMessage(conn) {
        for (let count = 0; count < 3; count++) {
          conn.send("x".repeat(150));
          await conn.flush();
        }
      },
    }).take(message());
    for (let count = 0; count < 3; count++) {
      await it.settle();
      it.confirm();
    }
    await it.settle();
    expect(it.commits.map(({ end }) => end)).toEqual(["flush", "flush", "flush", "commit"]);
  });

  test("what it committed stays when the turn throws later, and onError is told how often", async () => {
    const flushed: number[] = [];
    const it = bench({
      async onMessage(conn) {
        conn.setState({ count: 1 });
        conn.subscribe("kept");
        await conn.flush();
        conn.setState({ count: 2 });
        conn.subscribe("lost");
        throw new Error("no");
      },
      onError(conn, _, turn) {
        flushed.push(turn.flushed);
        conn.send(conn.state);
      },
    }).take(message());
    await it.settle();
    it.confirm();
    await it.settle();
    expect(it.effects).toEqual(["subscribe kept", { count: 1 }, { count: 1 }]);
    expect(it.mailbox.state).toEqual({ count: 1 });
    expect([...it.mailbox.topics]).toEqual(["kept"]);
    expect(flushed).toEqual([1]);
  });

  test("rejects where the state is invalid, and nothing has happened", async () => {
    const it = bench({
      async onMessage(conn) {
        conn.send("never");
        conn.setState({ count: 1, more: "x".repeat(20) } as Count);
        await conn.flush();
      },
      onError: (conn, error) => conn.send(error.code),
    }).take(message());
    await it.settle();
    expect(it.commits).toEqual([{ end: "commit", effects: ["state.tooLarge"] }]);
  });
});

describe("a connection that was asked back", () => {
  function leave({ turns, mailbox }: Bench, hasStayed = false): void {
    mailbox.leave(hasStayed);
    turns.run(mailbox);
  }

  const staying = () =>
    new Bench(
      defineHandler({
        path: "/a",
        async onMessage(conn, sent) {
          await Promise.resolve();
          if (sent.text() === "flush") {
            conn.stay(5_000);
            await conn.flush();
          } else conn.stay(sent.text() === "end" ? 0 : 5_000);
        },
      }),
      { level: 1 },
    );

  test("stays for as long as the turn under way asks for, with what waits behind it and what comes", async () => {
    const it = staying().take(message("first"), message("second"));
    leave(it);
    it.take(message("third"));
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([3, false]);
    it.take(message("end"), message("another worker's"));
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([4, true]);
  });

  test("stays from a flush on, while its turn goes on", async () => {
    const it = staying().take(message("flush"));
    leave(it);
    await it.settle();
    it.confirm();
    it.take(message("second"));
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([3, false]);
  });

  test("stays no longer than that, however often it asks, and is given back then", async () => {
    const it = staying().take(message("first"));
    leave(it);
    await it.settle();
    it.now += 4_999;
    it.take(message("second"));
    await it.settle();
    it.turns.sweep();
    expect([it.commits.length, it.mailbox.release()]).toEqual([2, false]);
    it.now += 1;
    it.take(message("third"));
    it.turns.sweep();
    it.take(message("another worker's"));
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([3, true]);
  });

  test("does not stay where its gateway has waited for that", async () => {
    const it = staying().take(message("first"), message("another worker's"));
    leave(it, true);
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([1, true]);
  });

  test("stays 5 s where its worker drains", async () => {
    const it = staying();
    it.turns.stays.drain();
    it.now += 4_000;
    it.take(message("first"));
    leave(it);
    await it.settle();
    expect(it.mailbox.release()).toBe(false);
    it.now += 1_000;
    it.turns.sweep();
    expect(it.mailbox.release()).toBe(true);
  });

  test("is given back behind the turn under way where that asks for nothing, and what waits is another worker's", async () => {
    const it = bench({ onMessage: () => Promise.resolve() }).take(message("first"), message("second"));
    leave(it);
    await it.settle();
    expect([it.commits.length, it.mailbox.release()]).toEqual([1, true]);
  });
});
