import * as v from "valibot";
import { beforeEach, expect, test } from "vitest";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { packValue } from "../protocol/msgpack.ts";
import { encodeClose, encodePublished } from "../protocol/payloads.ts";
import { flag, type PinBody, toGateway, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { ExclusiveRunner } from "./exclusive-runner.ts";
import type { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import { GatewayPeer } from "./gateway-peer.ts";
import { GatewayRecords } from "./gateway-records.ts";
import { defineHandler } from "./handler.ts";
import type { Mailbox } from "./mailbox.ts";
import { bench } from "./testing/turn-bench.ts";

const body: PinBody = {
  id: "g-0-1",
  path: "/a",
  query: "",
  ip: "",
  user: undefined,
  subprotocol: "",
  state: undefined,
  topics: [],
  next: 1,
};

let faults: unknown[];
let ran: string[];
let gateway: GatewayPeer;
let exclusive: ExclusiveRunner;
let give: (...records: Array<[type: number, payload: Uint8Array, epoch?: number]>) => void;
/** What the gateway is told. */
let said: () => Array<{ type: number; flags: number; slot: number; epoch: number }>;

function link(self: string, peer: string, transmit: (batch: Batch) => void): Link {
  return new Link({
    ...{ self, peer, session: 1, now: () => 0 },
    transmit: (bytes) => transmit(decodeBatch(bytes)),
    ...{ onBegun: () => undefined, onCredit: () => undefined, onLost: () => undefined },
  });
}

beforeEach(() => {
  faults = [];
  ran = [];
  const answers: Batch[] = [];
  gateway = new GatewayPeer(
    "g",
    link("w", "g", (batch) => answers.push(batch)),
    0,
  );
  exclusive = new ExclusiveRunner({ isBusy: () => true, tell: () => Promise.resolve(), run: (mailbox) => turns.run(mailbox) });
  const handler = defineHandler({
    path: "/a",
    onMessage: (_, message) => void ran.push(message.text()),
    onPublish(conn, topic, message, { id }) {
      ran.push(`${id} ${topic} ${message.text()}`);
      // What its pin says is known: neither is asked for again.
      for (const hook of [true, false]) conn.subscribe(hook ? "hooked" : "plain", { hook });
      if (message.text() === "change") for (const hook of [true, false]) conn.subscribe(hook ? "plain" : "hooked", { hook });
      if (message.text() === "leave") conn.unsubscribe(topic);
    },
    onClose: () => void ran.push("close"),
  });
  const unfit = defineHandler({
    path: "/unfit",
    state: v.object({ name: v.string() }),
    async onClose(conn) {
      ran.push("close");
      await conn.flush();
      ran.push("flushed");
    },
  });
  const { turns } = bench({});
  const unused = undefined as never;
  const records = new GatewayRecords({
    handlers: compileRoutes([handler, unfit]),
    turns,
    exclusive,
    gatewayLostHooks: {
      answer: async (_: string, number: number, lost: string) => void ran.push(`${number} lost ${lost}`),
    } as GatewayLostHooks,
    ...{ requests: unused, stateCheck: unused, commands: unused },
    onFault: (error) => faults.push(error),
  });
  const batches: Batch[] = [];
  const fromGateway = link("g", "w", (batch) => batches.push(batch));
  give = (...given) => {
    for (const [type, payload, epoch = 1] of given) fromGateway.append({ type, flags: 0, extra: 0, slot: 0, epoch }, payload);
    fromGateway.flush();
    for (const batch of batches.splice(0)) records.handle(gateway, batch);
  };
  said = () => {
    gateway.link.flush();
    return answers.splice(0).flatMap((batch) =>
      Array.from({ length: batch.records }, (_, index) => ({
        ...{ type: batch.type(index), flags: batch.flags(index), slot: batch.slot(index), epoch: batch.epoch(index) },
      })),
    );
  };
});

const givenUp = (epoch: number) => ({ type: toGateway.released, flags: flag.broken, slot: 0, epoch });

test.each([
  ["cannot be read", Buffer.from([0xc1])],
  ["is for a path that this worker does not serve", packValue({ ...body, path: "/b" })],
])("a pin that %s is given up, and with it what the slot had before", (_, payload) => {
  give([toWorker.pin, packValue(body)]);
  expect([gateway.connections, said()]).toEqual([1, []]);
  give([toWorker.pin, payload, 2], [toWorker.message, Buffer.from("hi"), 2]);
  expect([faults.length, gateway.connections, said(), ran]).toEqual([1, 0, [givenUp(2)], []]);
});

test.each([
  ["level 1", { ...body, level: 1 }, 1],
  ["no level", body, 0],
])("a gateway whose hello has not come is known by its pins: %s", (_, pin, level) => {
  expect(gateway.level).toBe(undefined);
  give([toWorker.pin, packValue(pin)]);
  expect(gateway.level).toBe(level);
});

test("a connection with an event that cannot be read is given up: it would wait for that for ever", () => {
  give([toWorker.pin, packValue(body)], [toWorker.close, Buffer.from([1])], [toWorker.message, Buffer.from("hi")]);
  expect([faults.length, gateway.connections, said(), ran]).toEqual([1, 0, [givenUp(1)], []]);
});

test("what was published is a turn of onPublish, with an id of its own, unless its topic was left; topics stay what their pin says", () => {
  const published = (number: number, text: string): [number, Uint8Array] => [
    toWorker.published,
    encodePublished(number, "hooked", Buffer.from(text)),
  ];
  give([toWorker.pin, packValue({ ...body, level: 1, topics: ["plain", "hooked"], hooked: ["hooked"] })]);
  give(published(7, "a"), [toWorker.message, Buffer.from("hi")], published(9, "change"), published(10, "leave"), published(11, "behind"));
  expect(ran).toEqual(["g-0-1:published-7 hooked a", "hi", "g-0-1:published-9 hooked change", "g-0-1:published-10 hooked leave"]);
  expect(said().map(({ type }) => type)).toEqual([
    ...[toGateway.nothing, toGateway.nothing],
    ...[toGateway.subscribeHook, toGateway.subscribe],
    ...[toGateway.subscribeHook, toGateway.subscribe, toGateway.unsubscribe],
    toGateway.nothing,
  ]);
});

test("an event of an earlier pin, or a record that a later version may know, gives nothing up", () => {
  give([toWorker.pin, packValue(body), 2], [toWorker.close, encodeClose(1000, Buffer.alloc(0)), 1], [31, Buffer.alloc(0), 2]);
  expect([faults.length, gateway.connections, said()]).toEqual([1, 1, []]);
});

test("the confirmation of the close of a connection whose state does not fit is not taken for that of a flush of its onClose", async () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  give([toWorker.pin, packValue({ ...body, path: "/unfit", state: packValue({ name: 1 }) })]);
  expect(said().map(({ type, flags }) => [type, flags])).toEqual([[toGateway.close, flag.flush]]);
  give([toWorker.close, encodeClose(1011, Buffer.alloc(0))], [toWorker.flushed, Buffer.alloc(0)]);
  await settled();
  expect(ran).toEqual(["close"]);
  give([toWorker.flushed, Buffer.alloc(0)]);
  await settled();
  expect(ran).toEqual(["close", "flushed"]);
});

test("onGatewayLost does not run beside a message that may have killed workers", () => {
  give([toWorker.pin, packValue(body)]);
  const suspect = gateway.get(0) as Mailbox;
  exclusive.add(suspect);
  give([toWorker.gatewayLost, packValue("g2")]);
  expect(ran).toEqual([]);
  suspect.forget();
  exclusive.step();
  expect(ran).toEqual(["0 lost g2"]);
});
