import { beforeEach, expect, test } from "vitest";
import { decodePublished } from "../protocol/payloads.ts";
import { Connection, ConnectionTopics } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";
import { HookSubscribers } from "./hook-subscribers.ts";
import { Parking } from "./parking.ts";

let parking: Parking;
let later: Array<() => void>;
let closed: string[];
let bugs: string[];
/** Whom parking an event is a bug for. */
let broken: Connection | undefined;
let hooks: HookSubscribers;
let slots: number;

beforeEach(() => {
  parking = new Parking({ parkedMessages: 3, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  [later, closed, bugs, broken, slots] = [[], [], [], undefined, 0];
  hooks = new HookSubscribers({
    later: (run) => void later.push(run),
    park: (connection, event) => {
      if (connection === broken) throw new Error("a bug");
      connection.events.push(event);
      parking.add(connection, event);
    },
    passed: (connection) => parking.passed(connection),
    close: ({ id }, code) => void closed.push(`${id} ${code}`),
    onBug: ({ id }) => void bugs.push(id),
  });
});

function subscriber(...topics: string[]): Connection {
  const slot = slots++;
  const about = { id: `g-${slot}-1`, path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  const connection = new Connection({ slot, epoch: 0, ...about });
  connection.topics = new ConnectionTopics(topics);
  for (const topic of topics) hooks.add(connection, topic);
  return connection;
}

function publish(topic: string, text: string, except?: readonly string[]): void {
  hooks.publish(topic, Buffer.from(text), false, except);
}

function heard({ events }: Connection): string[] {
  return events.map(({ payload }: ConnectionEvent) => {
    const { number, topic, data } = decodePublished(Buffer.from(payload));
    return `${number} ${topic} ${data}`;
  });
}

test("each publish is an event of each of its subscribers, with one number, and of nobody else", () => {
  const [ada, bob] = [subscriber("a", "b"), subscriber("a")];
  publish("nobody's", "x");
  publish("a", "x");
  publish("b", "y");
  publish("a", "z", [bob.id]);
  expect([heard(ada), heard(bob), hooks.counters.events]).toEqual([["1 a x", "2 b y", "3 a z"], ["1 a x"], 4]);
});

test("what is kept of it is a copy, which all share", () => {
  const [ada, bob] = [subscriber("a"), subscriber("a")];
  const data = Buffer.from("x");
  hooks.publish("a", data, true);
  data.write("y");
  expect([heard(ada), ada.events[0]?.isBinary]).toEqual([["1 a x"], true]);
  expect(ada.events[0]?.payload.buffer).toBe(bob.events[0]?.payload.buffer);
});

test("whoever has left the topic, or closes, gets no more", () => {
  const [ada, bob, eve] = [subscriber("a"), subscriber("a"), subscriber("a", "b")];
  expect([hooks.remove(ada, "a"), hooks.remove(ada, "a")]).toEqual([true, false]);
  bob.intake = "closing";
  hooks.forget(eve);
  for (const topic of ["a", "b"]) publish(topic, "x");
  expect([ada, bob, eve].map(heard)).toEqual([[], [], []]);
  expect(hooks.has(eve, "a")).toBe(false);
});

test("beyond its bounds a connection is given no more, and is closed once whoever publishes is done", () => {
  const [ada, bob] = [subscriber("a"), subscriber("b")];
  for (let count = 0; count < 9; count++) publish("a", "x");
  publish("b", "x");
  expect([heard(ada).length, closed]).toEqual([4, []]);
  for (const run of later) run();
  expect([closed, heard(bob)]).toEqual([[`${ada.id} parked.tooMuch`], ["5 b x"]]);
});

test("what its worker has got takes no room: it is not closed where others have taken all of it", () => {
  const [ada, bob] = [subscriber("a"), subscriber("b")];
  parking = new Parking({ parkedMessages: 3, parkedBytes: 100, parkedTotalBytes: 100 });
  publish("b", "x");
  Object.defineProperty(ada, "delivered", { get: () => ada.events.length });
  publish("a", "x");
  for (const run of later) run();
  expect([closed, bob.parked]).toEqual([[`${bob.id} parked.total`], 1]);
});

test("a bug that meets one of them is no other's", () => {
  const [ada, bob] = [subscriber("a"), subscriber("a")];
  broken = ada;
  publish("a", "x");
  expect([bugs, heard(bob)]).toEqual([[ada.id], ["1 a x"]]);
});
