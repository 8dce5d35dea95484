import { beforeEach, describe, expect, test } from "vitest";
import { encodePublished, encodeTimer } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import { type Alone, CrashAttribution, poisonOf } from "./crash-attribution.ts";
import { ConnectionEvent } from "./event.ts";
import type { Loss, WorkerPeer } from "./worker-peer.ts";

let crashes: CrashAttribution;
let event: ConnectionEvent;
let connection: Connection;
let workers = 0;

beforeEach(() => {
  crashes = new CrashAttribution();
  event = new ConnectionEvent(toWorker.message, Buffer.from("a"));
  connection = { events: [event], crashes: undefined } as unknown as Connection;
});

/** A worker with the event in hand is lost. @returns its id. */
function lose(loss: Loss, alone: Alone = "not", inHand = event): string {
  const worker = { id: `w${++workers}`, loss } as WorkerPeer;
  if (loss === "unreachable") crashes.unreachable(worker);
  crashes.add(worker, { connection, event: inHand, alone });
  return worker.id;
}

function known() {
  const { deaths, unconfirmed, isSuspicious, poison } = connection.crashes ?? {};
  return { deaths, unconfirmed, isSuspicious, poison };
}

test("a worker that left, or forgot this gateway, has died of nothing", () => {
  lose("left");
  lose("forgotUs");
  expect(connection.crashes).toBeUndefined();
});

test("a death counts once it is confirmed, and a second loss makes suspicious before that", () => {
  const first = lose("unreachable");
  expect(known()).toEqual({ deaths: 0, unconfirmed: 1, isSuspicious: false, poison: undefined });
  lose("exited");
  expect(known()).toEqual({ deaths: 1, unconfirmed: 1, isSuspicious: true, poison: undefined });
  expect(crashes.confirm(first)).toEqual([connection]);
  expect(known()).toEqual({ deaths: 2, unconfirmed: 0, isSuspicious: true, poison: undefined });
});

test("of a worker that lives nothing is counted, and each is decided once", () => {
  lose("exited");
  const worker = lose("unreachable");
  expect(crashes.clear(worker)).toEqual([connection]);
  expect(known()).toEqual({ deaths: 1, unconfirmed: 0, isSuspicious: false, poison: undefined });
  expect([crashes.clear(worker), crashes.confirm(worker), crashes.confirm("stranger")]).toEqual([[], [], []]);
});

test("what has committed meanwhile is innocent", () => {
  const worker = lose("unreachable");
  connection.crashes = undefined;
  lose("exited");
  expect(crashes.confirm(worker)).toEqual([]);
  expect(known()).toMatchObject({ deaths: 1, unconfirmed: 0 });
});

test("what is taken back of a worker whose end is known already counts as that", () => {
  const worker = { id: "w", loss: "unreachable" } as WorkerPeer;
  crashes.unreachable(worker);
  crashes.confirm("w");
  crashes.add(worker, { connection, event, alone: "not" });
  expect(known()).toMatchObject({ deaths: 1, unconfirmed: 0 });
});

describe("poison", () => {
  test("is what three workers died with, the last of them while nothing else ran", () => {
    for (let deaths = 0; deaths < 2; deaths++) lose("exited", "begun");
    expect(known().poison, "before the third death").toBeUndefined();
    lose("exited", "toRun");
    expect(known().poison, "others may have run").toBeUndefined();
    lose("exited", "begun");
    expect(known().poison).toBe("event");
  });

  test("is what eight died with that had nothing else to run, though none said that it began", () => {
    for (let deaths = 0; deaths < 7; deaths++) lose("exited", "toRun");
    expect(known().poison).toBeUndefined();
    lose("exited", "toRun");
    expect(known().poison).toBe("event");
  });

  test("is never what others ran beside", () => {
    for (let deaths = 0; deaths < 20; deaths++) lose("exited", "not");
    expect(known().poison).toBeUndefined();
  });

  test("is not what has been discarded since", () => {
    for (let deaths = 0; deaths < 2; deaths++) lose("exited");
    const worker = lose("unreachable", "begun");
    connection.events.length = 0;
    crashes.confirm(worker);
    expect(known()).toMatchObject({ deaths: 3, poison: undefined });
  });

  test("may be the adoption", () => {
    const adopt = new ConnectionEvent(toWorker.adopt, new Uint8Array(0));
    for (let deaths = 0; deaths < 3; deaths++) lose("exited", "begun", adopt);
    expect(known().poison).toBe("adoption");
  });
});

test("what is set aside is named as its turn would be, and a timer by its name, too", () => {
  const named = (type: number, payload: Uint8Array) =>
    poisonOf({ id: "g-0-1", firstEvent: 7, events: [new ConnectionEvent(type, payload)] }, "event");
  expect(named(toWorker.message, Buffer.from("a"))).toEqual({ message: "g-0-1:7" });
  expect(named(toWorker.expire, new Uint8Array(8))).toEqual({ message: "g-0-1:expire" });
  const published = encodePublished(4, "room", Buffer.from("x"));
  expect(named(toWorker.published, published)).toEqual({ message: "g-0-1:published-4", topic: "room" });
  expect(named(toWorker.timer, encodeTimer(3, "move"))).toEqual({ message: "g-0-1:timer-3", timer: "move" });
  expect(poisonOf({ id: "g-0-1", firstEvent: 7, events: [] }, "adoption")).toEqual({ message: "g-0-1:adopt" });
});
