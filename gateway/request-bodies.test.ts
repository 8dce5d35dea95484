import { beforeEach, expect, test } from "vitest";
import { Parking } from "./parking.ts";
import { Party } from "./parties.ts";
import { type BodyClient, RequestBodies } from "./request-bodies.ts";
import type { BodyReader } from "./uws/request.ts";
import type { WaitingRequest } from "./uws/waiting-client.ts";

let now: number;
let parking: Parking;
let bodies: RequestBodies;
let told: unknown[];

class Client implements Pick<BodyClient, "isGone" | "readBody" | "owner"> {
  isGone = false;
  readonly owner: Party;
  reader: BodyReader | undefined;

  constructor(owner: Party) {
    this.owner = owner;
  }

  readBody(reader: BodyReader): void {
    this.reader = reader;
  }
}

beforeEach(() => {
  now = 0;
  told = [];
  parking = new Parking({ parkedMessages: 10, parkedBytes: 10, parkedTotalBytes: 1_000_000 });
  bodies = new RequestBodies({ parking, now: () => now, limits: { bodyBytes: 900_000 } });
});

/** Exempt from the share of an address. */
function unlimited(): Party {
  const party = new Party("127.0.0.1");
  party.isExempt = true;
  return party;
}

function read(owner = unlimited()): Client {
  const client = new Client(owner);
  bodies.read(client as unknown as BodyClient, undefined, {
    onWhole: (body) => told.push(body.length),
    onRefused: (status, code) => told.push([status, code]),
  });
  return client;
}

test("a body is counted while it arrives, and until it is answered", () => {
  const client = read();
  expect(client.reader?.onGrow(1_000)).toBe(true);
  expect(client.reader?.onGrow(2_000)).toBe(true);
  expect(parking.bytes).toBe(3_000);
  client.reader?.onWhole(new Uint8Array(2_500));
  expect([told, parking.bytes]).toEqual([[2_500], 3_000]);
  bodies.drop(client as unknown as WaitingRequest);
  expect(parking.bytes).toBe(0);
});

test("what there is no room for is refused, and what it had is free once it is answered", () => {
  read().reader?.onGrow(900_000);
  const other = read();
  expect(other.reader?.onGrow(90_000)).toBe(true);
  expect(other.reader?.onGrow(90_000)).toBe(false);
  expect(told).toEqual([[503, "parked.total"]]);
  bodies.drop(other as unknown as WaitingRequest);
  expect(parking.bytes).toBe(900_000);
});

test("bodies of one address have a share of what all may have, and give it back", () => {
  parking = new Parking({ parkedMessages: 10, parkedBytes: 10, parkedTotalBytes: 4_000 });
  bodies = new RequestBodies({ parking, now: () => now, limits: { bodyBytes: 900_000 } });
  const address = new Party("192.0.2.2");
  const first = read(address);
  expect(first.reader?.onGrow(600)).toBe(true);
  expect(first.reader?.onGrow(400)).toBe(true);
  expect(read(address).reader?.onGrow(1)).toBe(false);
  expect(told).toEqual([[503, "parked.total"]]);
  expect(read().reader?.onGrow(1_000)).toBe(true);
  bodies.drop(first as unknown as WaitingRequest);
  expect(read(address).reader?.onGrow(1_000)).toBe(true);
});

test("a body that trickles is refused, one that keeps pace is not", () => {
  const [slow, quick] = [read(), read()];
  for (let second = 1; second <= 7; second++) {
    now = second * 1_000;
    slow.reader?.onArrived(100);
    quick.reader?.onArrived(20_000);
    bodies.sweep();
  }
  expect(told).toEqual([[408, "request.tooSlow"]]);
  now = 14_000;
  bodies.sweep();
  expect(told).toEqual([
    [408, "request.tooSlow"],
    [408, "request.tooSlow"],
  ]);
});

test("a client that goes leaves nothing, whether its body was whole or not", () => {
  const [half, whole] = [read(), read()];
  half.reader?.onGrow(10);
  whole.reader?.onGrow(10);
  whole.reader?.onWhole(new Uint8Array(10));
  half.isGone = true;
  whole.isGone = true;
  bodies.sweep();
  expect(parking.bytes).toBe(0);
  now = 100_000;
  bodies.sweep();
  expect(told).toEqual([10]);
});
