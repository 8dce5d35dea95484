// What topics keep, in the test gateway; and what a turn may say of it.

import { expect, test } from "vitest";
import { type App, defineHandler, type HistoryEntry } from "../handler.ts";
import { testHandler } from "../testing.ts";
import { Bench, message } from "./turn-bench.ts";

const keep = { messages: 3, seconds: 60 };

/** Keeps what it is told. @returns its test app, and the app that its turns have, once one has run. */
async function startRoom() {
  const apps: App[] = [];
  const handler = defineHandler({
    path: "/room/:last",
    onOpen(conn, { app }) {
      apps.push(app);
      conn.send("hello");
      conn.subscribe("room", { last: Number(conn.params.last) });
      conn.send("in");
    },
    onMessage: (conn, text) => conn.publish("room", text, { self: true, keep }),
  });
  return { room: await testHandler(handler), history: async (last: number) => (await apps[0]?.history("room", { last })) ?? [], apps };
}

function texts(entries: readonly HistoryEntry[]): string[] {
  return entries.map(({ data }) => data.text());
}

test("a topic keeps as many as was said, for as long; who subscribes gets them in place, and what is new once", async () => {
  const { room, history, apps } = await startRoom();
  const ada = await room.connect("/room/10");
  for (const text of ["1", "2", "3", "4"]) await ada.send(text);
  const bob = await room.connect("/room/2");
  await ada.send("5");
  expect(bob.received).toEqual(["hello", 3, 4, "in", 5]);
  expect(texts(await history(10))).toEqual(["3", "4", "5"]);
  await apps[0]?.publish("room", new Uint8Array([1]), { keep });
  const [last] = await history(1);
  expect([last?.data.isBinary, [...(last?.data.bytes() ?? [])], last?.position]).toEqual([true, [1], "3x60:6"]);
  room.advance(60_000);
  expect(await history(10)).toEqual([]);
});

test("who has read what a topic keeps subscribes behind that: neither a gap nor a double", async () => {
  let last: HistoryEntry | undefined;
  const handler = defineHandler({
    path: "/:what",
    async onMessage(conn, text, { app }) {
      if (conn.params.what === "say") return conn.publish("room", text, { keep });
      if (text.text() === "read") last = (await app.history("room", { last: 1 }))[0];
      else conn.subscribe("room", { after: last?.position ?? "" });
    },
  });
  const app = await testHandler(handler);
  const [ada, bob] = [await app.connect("/say"), await app.connect("/hear")];
  await ada.send("1");
  await bob.send("read");
  await ada.send("2");
  await bob.send("subscribe");
  await ada.send("3");
  expect([last?.data.text(), bob.received]).toEqual(["1", [2, 3]]);
});

test("who subscribes to several topics behind a position gets what they keep in the order in which it was stored", async () => {
  let first: HistoryEntry | undefined;
  const handler = defineHandler({
    path: "/",
    async onMessage(conn, text, { app }) {
      for (const [index, topic] of ["a", "b", "a", "b", "a"].entries()) await app.publish(topic, String(index), { keep });
      first ??= (await app.history("a", { last: 3 }))[0];
      for (const topic of ["a", "b"]) conn.subscribe(topic, { after: first?.position ?? "", as: text.text() });
      conn.send("in");
    },
  });
  const ada = await (await testHandler(handler)).connect("/");
  await ada.send("ada");
  expect(ada.received).toEqual([1, 2, 3, 4, "in"]);
});

test("a turn that is rolled back keeps nothing, and one that runs again keeps it once", async () => {
  const { room, history } = await startRoom();
  const ada = await room.connect("/room/1");
  room.crashNext("before commit");
  await ada.send("once");
  expect(texts(await history(10))).toEqual(["once"]);
});

test("what is wrong with keep or last is told before anything happens; a gateway that is too old is told of, too", () => {
  const asked: Array<[unknown, unknown]> = [
    [{ keep: { messages: 0, seconds: 1 } }, undefined],
    [{ keep: { messages: 1_001, seconds: 1 } }, undefined],
    [{ keep: { messages: 1.5, seconds: 1 } }, undefined],
    [{ keep: { messages: 1 } }, undefined],
    [{ keep: { messages: 1, seconds: 2_678_401 } }, undefined],
    [undefined, { last: 0 }],
    [undefined, { last: 1_001 }],
    [undefined, { last: "3" }],
    [undefined, { after: "3" }],
    [undefined, { after: "e:1", last: 3 }],
  ];
  for (const [publish, subscribe] of asked) {
    const handler = defineHandler({
      path: "/a",
      onMessage(conn) {
        if (publish !== undefined) conn.publish("room", "x", publish as object);
        if (subscribe !== undefined) conn.subscribe("room", subscribe as object);
      },
    });
    const bench = new Bench(handler, { level: 1 }).take(message());
    expect(bench.thrown).toMatchObject([{ error: { code: "history.invalid" } }]);
    expect(bench.effects).toEqual(["close 1011 history.invalid"]);
  }
  const subscriber = defineHandler({ path: "/a", onMessage: (conn) => conn.subscribe("room", { last: 1 }) });
  expect(new Bench(subscriber, { level: 0 }).take(message()).thrown).toMatchObject([{ error: { code: "gateway.outdated" } }]);
});
