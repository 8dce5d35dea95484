import { expect, test } from "vitest";
import { toSession } from "../../protocol/pipe-records.ts";
import type { Socket } from "../connection.ts";
import { ConnectionMeter } from "../connection-meter.ts";
import { Parking } from "../parking.ts";
import { Party } from "../parties.ts";
import { PeerLink } from "./peer-link.ts";
import { PipeClient, type PipeClientOptions } from "./pipe-client.ts";

const body = { key: "k", path: "/p", query: "", ip: "::1", subprotocol: "", expiresAt: 0 };

type Match = ReturnType<PipeClientOptions["routeOf"]>;

/** A client whose messages the other gateway acknowledges when it is told to. */
function stage(limits: { parkedMessages: number; parkedBytes: number; parkedTotalBytes?: number }, match?: Match) {
  const room = {
    hasCredit: true,
    ackedBatch: 0,
    lastBatch: 0,
    heardAt: 0,
    sent: [] as number[],
    probe: () => undefined,
    ackAtFlush: () => undefined,
  };
  const append = ({ type }: { type: number }) => {
    room.sent.push(type);
    room.lastBatch = room.sent.length;
    return 0;
  };
  const link = new PeerLink({
    ...room,
    append,
    get ackedBatch() {
      return room.ackedBatch;
    },
    get lastBatch() {
      return room.lastBatch;
    },
  });
  const broken: string[] = [];
  const parking = new Parking({ parkedTotalBytes: 1_000_000, ...limits });
  const clients = {
    break: (_: unknown, code: string) => broken.push(code),
    tooLarge: (_: unknown, bytes: number, limitBytes: number) => broken.push(`${bytes} of ${limitBytes}`),
  };
  const client = new PipeClient({
    ...{ number: 1, id: "g:pipe-1", peer: "g2", link, body, parking, limits },
    clients: clients as unknown as PipeClientOptions["clients"],
    messageBytes: () => 100,
    routeOf: () => match,
    onClose: () => undefined,
  });
  return { client, room, link, broken, parking };
}

const say = (client: PipeClient, bytes: number) => client.receive(new Uint8Array(bytes), true);

test("what has not arrived is bounded as what is parked, in messages, bytes and in total, and takes room as long as it has not", () => {
  const few = stage({ parkedMessages: 2, parkedBytes: 1_000 });
  for (let count = 0; count < 3; count++) say(few.client, 1);
  expect(few.broken).toEqual(["parked.tooMuch"]);
  few.room.ackedBatch = 2;
  say(few.client, 1);
  expect(few.broken).toEqual(["parked.tooMuch"]);
  few.room.ackedBatch = few.room.lastBatch;
  few.link.settle();
  expect(few.parking.bytes).toBe(0);
  const bytes = stage({ parkedMessages: 100, parkedBytes: 150 });
  for (let count = 0; count < 2; count++) say(bytes.client, 100);
  expect(bytes.broken).toEqual(["parked.tooMuch"]);
  const total = stage({ parkedMessages: 100, parkedBytes: 1_000, parkedTotalBytes: 1_300 });
  for (let count = 0; count < 3; count++) say(total.client, 1);
  expect(total.broken).toEqual(["parked.total"]);
  // What has arrived takes none, looked at or not.
  for (const limits of [
    { parkedMessages: 1, parkedBytes: 999 },
    { parkedMessages: 9, parkedBytes: 999, parkedTotalBytes: 600 },
  ]) {
    const arriving = stage(limits);
    for (let count = 1; count <= 3; count++) {
      say(arriving.client, 1);
      arriving.room.ackedBatch = count;
    }
    expect(arriving.broken).toEqual([]);
  }
});

test("a message that is too large does not travel; nor does anything once its gateway ends", () => {
  const { client, room, broken } = stage({ parkedMessages: 9, parkedBytes: 999 });
  say(client, 101);
  expect(broken).toEqual(["101 of 100"]);
  client.intake = "closing";
  say(client, 1);
  expect(room.sent).toEqual([toSession.leave]);
});

test("a client that reads slowly, and answers pings, is told of as alive", () => {
  const { client, room, link } = stage({ parkedMessages: 9, parkedBytes: 999 });
  const socket = { waitingBytes: 0 };
  client.opened(socket as unknown as Socket);
  for (let sweep = 1; sweep <= 3; sweep++) {
    // What was said at the sweep before has arrived by then.
    room.ackedBatch = room.lastBatch;
    link.settle();
    socket.waitingBytes = sweep;
    client.tellUnread();
    client.pinged(false);
    client.pinged(false);
  }
  const { open, waits, alive } = toSession;
  expect(room.sent).toEqual([open, waits, alive, waits, alive, waits, alive]);
});

test("its route's own limit holds for it, as its workers have it by then", () => {
  const most = Number.POSITIVE_INFINITY;
  const rates = { connection: { messages: most, bytes: most, pings: most }, addressFactor: most, userFactor: most };
  const route = { messages: { count: 2, ms: 1_000 } } as { messages?: { count: number; ms: number } };
  const { client, broken } = stage({ parkedMessages: 99, parkedBytes: 999 }, { route, params: {} } as unknown as Match);
  client.meter = new ConnectionMeter({ now: () => 0, rates, count: () => undefined }, new Party("a"), undefined);
  for (let count = 0; count < 2; count++) say(client, 1);
  expect(broken).toEqual([]);
  say(client, 1);
  expect(broken).toEqual(["rate.sent"]);
  expect(client.meter.passed).toBe("route messages");
  delete route.messages;
  say(client, 1);
  expect(broken).toEqual(["rate.sent"]);
});

test("pings are limited, but not the pongs that the gateway has asked for", () => {
  const most = Number.POSITIVE_INFINITY;
  const rates = { connection: { messages: most, bytes: most, pings: 1 }, addressFactor: most, userFactor: most };
  const { client, broken } = stage({ parkedMessages: 99, parkedBytes: 999 });
  client.meter = new ConnectionMeter({ now: () => 0, rates, count: () => undefined }, new Party("a"), undefined);
  for (let count = 0; count < 20; count++) client.pinged(true);
  expect(broken).toEqual([]);
  for (let count = 0; count < 7; count++) client.pinged(false);
  expect(broken).toEqual(["rate.sent"]);
});
