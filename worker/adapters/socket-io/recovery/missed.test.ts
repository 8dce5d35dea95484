// What a socket that comes back is sent, and where nobody knows that: without sockets. Of what was ordered: ordered.test.ts.

import { EventEmitter, once } from "node:events";
import { expect, test, vi } from "vitest";
import { ReceivedMessage } from "../../../adapter.ts";
import type { HistoryEntry } from "../../../handler.ts";
import { testHandler } from "../../../testing.ts";
import type { SocketRecovery } from "../protocol/turn.ts";
import { Client, chat, handler, pass } from "../testing/returning-client.ts";
import { missedOf, orderedOf, type Returning, relayedLimit } from "./missed.ts";

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

test.each([
  ["is recovered where all of them have 4 MiB at most", 40, true],
  ["is a new socket where they have more", 44, false],
])("who is in many busy rooms %s", async (_, count, isRecovered) => {
  const app = await testHandler(handler({}));
  const [ada, bob] = [await Client.open(app), await Client.open(app)];
  const rooms = Array.from({ length: count }, (_, index) => `room ${index}`);
  for (const room of rooms) await ada.emit("join", room);
  for (const room of rooms) await bob.emit("room", room, "x".repeat(100_000));
  await bob.emit("all", "0");
  await ada.cut();
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

function entry(number: number, value: unknown, epoch = "one"): HistoryEntry {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { data: new ReceivedMessage(Buffer.from(text), false), position: `${epoch}:${number}`, at: new Date(1_000_000 + number) };
}

/** Each has its number for its text, and a letter for its offset. */
function said(number: number, letter: string, epoch?: string): HistoryEntry {
  return entry(number, `42["said",${number},"${offsetOf(letter)}"]`, epoch);
}

function ordered(number: number, letter: string): HistoryEntry {
  return entry(number, { rooms: ["a", "b"], except: [], emit: { text: `2["said",${number},"${offsetOf(letter)}"]`, attachments: [] } });
}

function offsetOf(letter: string): string {
  return `${(1_000_000).toString(36)}-${letter.repeat(8)}`;
}

/** That what was ordered with this letter had been sent. */
function receipt(number: number, letter: string): HistoryEntry {
  return entry(number, `6${offsetOf(letter)}`);
}

/** The text of what is missed by a client in room "a" whose socket began at 1, in order. */
function missedBy(
  client: Partial<Returning> & Pick<SocketRecovery, "passed" | "relayed">,
  rooms: HistoryEntry[][],
  orders: HistoryEntry[] = [],
) {
  const { passed = "", relayed, ...rest } = client;
  const recovery = { pid: "", since: 1_000_000, isRecovered: false, passed, relayed };
  const keep = { messages: 1_000, seconds: 100 };
  const usual = {
    socketId: "x",
    rooms: new Set(["a"]),
    offset: undefined,
    beginning: entry(1, "new"),
    claim: entry(9, "claim"),
    mark: entry(10, "mark"),
    keep,
  };
  return missedOf(rooms, orders.map(orderedOf), { ...usual, recovery, ...rest })?.map(({ text }) => JSON.parse(text.slice(2))[1]);
}

test("what was ordered is missed where no turn of the socket has dealt with it, whatever has arrived since; else where it is newer", () => {
  const orders = [ordered(2, "b"), ordered(4, "d")];
  const rooms = [[said(3, "c"), said(5, "e")]];
  expect(missedBy({ offset: offsetOf("e") }, rooms, orders)).toEqual([2, 4]);
  expect(missedBy({ offset: offsetOf("e"), passed: offsetOf("b") }, rooms, orders)).toEqual([4]);
  expect(missedBy({ offset: offsetOf("e"), passed: offsetOf("d") }, rooms, orders)).toEqual([]);
  expect(missedBy({ offset: offsetOf("c"), passed: offsetOf("d") }, rooms, orders)).toEqual([4, 5]);
  // It has had none yet, since it began.
  expect(missedBy({ offset: offsetOf("e"), beginning: entry(3, "new") }, rooms, orders)).toEqual([4]);
  // It is older than all that is kept.
  expect(missedBy({ offset: offsetOf("e"), passed: offsetOf("a") }, rooms, orders)).toEqual([2, 4]);
});

test("a client that has got nothing has missed what came since its socket began; it is a new one where that is not kept any more", () => {
  const rooms = [[said(0, "a"), said(2, "b")]];
  expect(missedBy({}, rooms)).toEqual([2]);
  // What was before it is a client's from another socket.
  expect(missedBy({ offset: offsetOf("a") }, rooms)).toEqual([2]);
  expect(missedBy({ beginning: undefined }, rooms)).toBeUndefined();
  expect(missedBy({ beginning: undefined, offset: offsetOf("a") }, rooms)).toEqual([2]);
});

test("positions of another stream are not compared: who has seen one of them is a new socket, and they do not count as missed", () => {
  const other = said(1_000, "o", "other");
  expect(missedBy({ offset: offsetOf("o") }, [[other, said(2, "b")]])).toBeUndefined();
  expect(missedBy({ offset: offsetOf("b") }, [[said(2, "b"), said(3, "c")], [{ ...other, at: new Date(1_000_000) }]])).toEqual([3]);
  // Stored later than what the client has seen: it may have missed it.
  expect(missedBy({ offset: offsetOf("b") }, [[said(2, "b"), said(3, "c")], [other]])).toBeUndefined();
});

test("what was stored behind the mark is not among what was missed: it comes by its topics, in the order of all", () => {
  const rooms = [[said(2, "b"), said(11, "k")], [said(10, "j"), said(12, "l")], [said(13, "c")]];
  expect(missedBy({ offset: offsetOf("b") }, rooms, [ordered(14, "n")])).toEqual([10]);
  // What a socket was sent of an order is by its room, although it is stored so late.
  const copy = entry(13, `42["said",3,"${offsetOf("c")}"]`);
  expect(missedBy({ offset: offsetOf("b"), passed: offsetOf("c") }, [[said(2, "b")], [copy]], [ordered(3, "c")])).toEqual([]);
});

test("who was sent an event of a room while a large one was on its way is a new socket: nobody knows which was first", () => {
  const orders = [ordered(2, "b"), ordered(4, "d")];
  const passed = offsetOf("d");
  const rooms = [[said(3, "c"), receipt(5, "b"), said(6, "f"), receipt(7, "d"), said(8, "h")]];
  expect(missedBy({ passed }, rooms, orders)).toEqual([3, 2, 6, 4, 8]);
  for (const letter of ["b", "c", "d", "f"]) expect(missedBy({ passed, offset: offsetOf(letter) }, rooms, orders)).toBeUndefined();
  expect(missedBy({ passed, offset: offsetOf("h") }, rooms, orders)).toEqual([]);
  // With nothing in between, it is known.
  const quiet = [[receipt(3, "b"), said(6, "f"), receipt(5, "d")]];
  expect(missedBy({ passed, offset: offsetOf("b") }, quiet, orders)).toEqual([4, 6]);
  expect(missedBy({ passed, offset: offsetOf("d") }, quiet, orders)).toEqual([6]);
});

test("what was ordered and was lost with the gateway, on its way to the socket's room, is missed once that can be known", () => {
  const orders = [ordered(2, "b"), ordered(3, "c"), ordered(4, "d")];
  const all = ["b", "c", "d"].map(offsetOf);
  const client = { passed: offsetOf("d"), relayed: all, offset: offsetOf("f"), end: "end" };
  const copy = entry(5, `42["said",2,"${offsetOf("b")}"]`);
  const room = [copy, said(6, "f")];
  expect(missedBy(client, [[...room, entry(7, "6end")]], orders)).toEqual([3, 4]);
  // It may still come by the room.
  expect(missedBy(client, [room], orders)).toEqual([]);
  expect(missedBy({ ...client, end: undefined }, [room], orders)).toEqual([]);
  // There may be more.
  const many = [...Array.from({ length: relayedLimit - 3 }, () => "x"), ...all];
  expect(missedBy({ ...client, relayed: many }, [[...room, entry(7, "6end")]], orders)).toEqual([3, 4]);
  expect(
    missedBy({ ...client, relayed: [...all.slice(1), ...many].slice(0, relayedLimit) }, [[...room, entry(7, "6end")]], orders),
  ).toBeUndefined();
  // It was not for the socket then.
  expect(missedBy({ ...client, relayed: all.slice(0, 2) }, [[...room, entry(7, "6end")]], orders)).toEqual([3]);
});

test("who may have got a large event that was ordered, before the gateway ended, is a new socket", () => {
  const large = entry(3, { rooms: [], except: [], emit: { text: `2["${"x".repeat(3_000)}",3,"${offsetOf("c")}"]`, attachments: [] } });
  const client = { passed: offsetOf("c"), relayed: [offsetOf("c")], end: "end" };
  const missed = (offset: string, ...more: HistoryEntry[]) =>
    missedBy({ ...client, offset }, [[said(2, "b"), ...more, entry(7, "6end")]], [large]);
  expect(missed(offsetOf("b"))).toBeUndefined();
  expect(missed(offsetOf("b"), receipt(6, "c"))).toEqual([3]);
  expect(missed(offsetOf("c"))).toEqual([]);
});
