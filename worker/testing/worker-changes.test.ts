// Deploys and crashes, as a handler's tests can play them.

import * as v from "valibot";
import { expect, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";
import { deferred } from "./turn-bench.ts";

const counter = defineHandler({
  path: "/counter/:name",
  state: type({ count: 0 }),
  onOpen: (conn) => conn.subscribe(conn.params.name),
  onMessage(conn, _, turn) {
    conn.setState({ count: conn.state.count + 1 });
    conn.publish(conn.params.name, { count: conn.state.count, redelivered: turn.redelivered }, { self: true });
  },
});

// ── deploys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const next = {
  path: "/counter/:name",
  state: v.object({ total: v.number() }),
  migrate: (stored: unknown) => ({ total: (stored as { count: number }).count * 10 }),
} as const;

test("the next version adopts every connection, with its state migrated and its topics kept", async () => {
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a");
  const bob = await app.connect("/counter/a");
  await ada.send("x");
  ada.take();

  await app.deploy(
    defineHandler({
      ...next,
      onAdopt: (conn, turn) => conn.send({ adopted: conn.state, release: turn.release, topics: [...conn.topics] }),
      onMessage: (conn) => conn.publish(conn.params.name, conn.state, { self: true }),
    }),
  );
  expect(app.release).toBe("2");
  expect(ada.take()).toEqual([{ adopted: { total: 10 }, release: "2", topics: ["a"] }]);
  await bob.send("x");
  expect(ada.take()).toEqual([{ total: 0 }]);
  expect(ada.state).toEqual({ total: 10 });
  expect(ada.closed).toBeUndefined();
});

test("turn ids go on through deploys: an adoption is not one of a connection's own events", async () => {
  const ids: string[] = [];
  const noted = defineHandler({
    path: "/",
    onAdopt: (_, turn) => void ids.push(turn.id),
    onMessage: (_, __, turn) => void ids.push(turn.id),
  });
  const app = await testHandler(noted);
  const ada = await app.connect("/");
  await ada.send("x");
  await app.deploy(noted);
  await app.deploy(noted);
  await ada.send("y");
  expect(ids).toEqual([`${ada.id}:1`, `${ada.id}:adopt-2`, `${ada.id}:adopt-3`, `${ada.id}:2`]);
});

test("a state that cannot be migrated refuses a deploy; forced, it closes its connection with 1012, and its onClose runs", async () => {
  const closed: number[] = [];
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a");
  const migrate = () => ({ total: "none" }) as never;
  const unfit = defineHandler({
    ...next,
    migrate,
    onClose(conn, { code }) {
      closed.push(code);
      expect(() => conn.state.total).toThrow(/^state\.incompatible: total/);
    },
  });
  await expect(app.deploy(unfit)).rejects.toThrow(/^the states of 1 of 1 open connections do not fit: state\.incompatible: total/);
  expect([app.release, ada.closed]).toEqual(["1", undefined]);
  await app.deploy(unfit, { force: true });
  expect(app.release).toBe("2");
  expect(() => ada.state).toThrow(/^state\.incompatible: total/);
  expect(ada.closed).toEqual({ code: 1012, reason: "state.incompatible" });
  // onClose has thrown nothing.
  expect(ada.errors).toMatchObject([{ code: "state.incompatible" }]);
  expect(ada.received).toEqual([]);
  expect(closed).toEqual([1012]);
});

test("a deploy waits for the turn that runs; what waits behind it runs once, in order, under the next version", async () => {
  const slow = deferred();
  const version = (name: string, wait: () => Promise<void>) =>
    defineHandler({
      path: "/",
      async onMessage(conn, message, turn) {
        await wait();
        conn.send([name, message.text(), turn.redelivered]);
      },
    });
  const app = await testHandler(version("old", () => slow.promise));
  const ada = await app.connect("/");
  const sent = [ada.send("1"), ada.send("2")];
  const deployed = app.deploy(version("new", async () => undefined));
  sent.push(ada.send("3"));
  expect(ada.received).toEqual([]);
  slow.resolve();
  await Promise.all([...sent, deployed]);
  expect(ada.received).toEqual([
    ["old", "1", false],
    ["new", "2", false],
    ["new", "3", false],
  ]);
});

test("a deploy that removes an open path fails", async () => {
  const app = await testHandler(counter);
  await app.connect("/counter/a");
  await expect(app.deploy(defineHandler({ path: "/other" }))).rejects.toThrow("/other does not serve /counter/a, which is open");
  expect(app.release).toBe("1");
});

// ── crashes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test("a worker that dies before its commit: nothing of the turn happened, and it runs again", async () => {
  const ids: string[] = [];
  const app = await testHandler({ ...counter, onClose: (_, __, turn) => void ids.push(`${turn.id} ${turn.redelivered}`) });
  const ada = await app.connect("/counter/a");
  app.crashNext("before commit");
  await ada.send("x");
  await ada.send("y");
  expect(ada.received).toEqual([
    { count: 1, redelivered: true },
    { count: 2, redelivered: false },
  ]);
  app.crashNext("before commit");
  await ada.close();
  expect(ids).toEqual([`${ada.id}:3 false`, `${ada.id}:3 true`]);
});

test("a worker that dies after its commit: the turn does not run again", async () => {
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a");
  app.crashNext("after commit");
  await ada.send("x");
  await ada.send("y");
  expect(ada.received).toEqual([
    { count: 1, redelivered: false },
    { count: 2, redelivered: false },
  ]);
});

test("a worker that dies after a flush: what was flushed happened once, and turn.flushed says so", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/stream",
      async onMessage(conn, _, turn) {
        for (let chunk = turn.flushed; chunk < 4; chunk++) {
          conn.send(chunk);
          await conn.flush();
        }
        conn.send({ redelivered: turn.redelivered });
      },
    }),
  );
  const ada = await app.connect("/stream");
  app.crashNext("after flush");
  await ada.send("go");
  expect(ada.received).toEqual([0, 1, 2, 3, { redelivered: true }]);
});

test("a worker that dies now: turns that wait run again, and what the old ones still do has no effect", async () => {
  const slow = deferred();
  const late: unknown[] = [];
  const app = await testHandler(
    defineHandler({
      path: "/",
      async onMessage(conn, message, turn) {
        if (!turn.redelivered) await slow.promise;
        try {
          conn.send([message.text(), turn.redelivered]);
        } catch (error) {
          late.push(error);
        }
      },
    }),
  );
  const ada = await app.connect("/");
  const sent = [ada.send("1"), ada.send("2")];
  await app.crash();
  slow.resolve();
  await Promise.all(sent);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ada.received).toEqual([
    ["1", true],
    ["2", true],
  ]);
  expect(late).toMatchObject([{ code: "turn.over" }]);
});

test("a turn that takes too long is cut off by the test's own clock", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/",
      onMessage: () => new Promise(() => undefined),
      onError: (conn, error) => conn.send(error.code),
    }),
    { turnTimeoutMs: 500 },
  );
  const ada = await app.connect("/");
  const sent = ada.send("x");
  app.advance(499);
  expect(ada.received).toEqual([]);
  app.advance(1);
  await sent;
  expect(ada.received).toEqual(["turn.timeout"]);
});
