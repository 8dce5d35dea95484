import { beforeEach, expect, test } from "vitest";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { unpackValue } from "../protocol/msgpack.ts";
import { responseWindowBytes, toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { AnswerStreams } from "./answer-streams.ts";
import type { ParkingOwner } from "./parking.ts";
import { Party } from "./parties.ts";
import { WorkerPeer } from "./worker-peer.ts";

const limitBytes = 2 * responseWindowBytes;

let streams: AnswerStreams;
let kept: number;
/** By owner, of those that have one. */
let owned: Map<ParkingOwner, number>;
/** What workers are told. */
let told: string[];
/** What answers are told. */
let events: string[];
/** By number. */
let onTaken: Map<number, (bytes: number) => void>;
let worker: WorkerPeer;

beforeEach(() => {
  kept = 0;
  owned = new Map();
  told = [];
  events = [];
  onTaken = new Map();
  worker = workerOf("w");
  const memory = {
    keepBody(bytes: number, owner?: ParkingOwner) {
      if (kept + bytes > limitBytes) return false;
      kept += bytes;
      if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) + bytes);
      return true;
    },
    dropBody(bytes: number, owner?: ParkingOwner) {
      kept -= bytes;
      if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) - bytes);
    },
  };
  streams = new AnswerStreams({ memory });
});

function workerOf(id: string): WorkerPeer {
  const note = (batch: Batch) => {
    for (let index = 0; index < batch.records; index++) {
      const isCredit = batch.type(index) === toWorker.credit;
      told.push(`${isCredit ? `credit ${unpackValue(batch.payload(index))}` : "cancel"} of ${batch.slot(index)}`);
    }
  };
  const link = new Link({
    self: "g",
    peer: id,
    session: 1,
    now: () => 0,
    transmit: (bytes) => note(decodeBatch(bytes)),
    onBegun: () => undefined,
    onCredit: () => undefined,
    onLost: () => undefined,
  });
  return new WorkerPeer({ id, release: "1", table: compileRoutes([]), link, now: 0 });
}

function begin(number: number, owner?: ParkingOwner): void {
  const body = {
    write: (bytes: Uint8Array) => events.push(`${number} gets ${bytes.length}`),
    end: () => events.push(`${number} is all written`),
    cut: () => events.push(`${number} is cut`),
  };
  streams.begin(worker, number, {
    owner,
    begin: (given) => {
      onTaken.set(number, given);
      return body;
    },
    onEnd: () => events.push(`${number} is whole`),
    onCut: (reason) => events.push(`${number}: ${reason}`),
  });
}

const bytes = (count: number) => new Uint8Array(count);

test("what the client's socket takes is credit for the worker, in pieces; what it has not taken is counted", () => {
  begin(1);
  streams.chunk(worker, 1, bytes(100_000));
  streams.chunk(worker, 1, bytes(50_000));
  expect(kept).toBe(150_000);
  onTaken.get(1)?.(60_000);
  worker.link.flush();
  expect(told).toEqual([]);
  onTaken.get(1)?.(40_000);
  worker.link.flush();
  expect([told, kept]).toEqual([["credit 100000 of 1"], 50_000]);
});

test("what waits for a client is counted with its address, until the socket has taken it or it is over", () => {
  const [first, second] = [new Party("192.0.2.1"), new Party("192.0.2.2")];
  begin(1, first);
  begin(2, second);
  begin(3, second);
  streams.chunk(worker, 1, bytes(10));
  streams.chunk(worker, 2, bytes(200));
  streams.chunk(worker, 3, bytes(1_000));
  onTaken.get(2)?.(50);
  expect([owned.get(first), owned.get(second)]).toEqual([10, 1_150]);
  streams.gone(3);
  streams.lost(worker);
  expect([owned.get(first), owned.get(second), kept]).toEqual([0, 0, 0]);
});

test("an answer is whole when the socket has taken what its worker has sent", () => {
  begin(1);
  streams.chunk(worker, 1, bytes(10));
  streams.ended(worker, 1, true);
  expect(events).toEqual(["1 gets 10", "1 is all written"]);
  // Its worker may go now: it has done its part.
  streams.lost(worker);
  onTaken.get(1)?.(10);
  expect(events.slice(2)).toEqual(["1 is whole"]);
  worker.link.flush();
  expect([told, kept, streams.size]).toEqual([[], 0, 0]);
});

test("an answer that its worker gives up, or loses with its life, is cut", () => {
  begin(1);
  begin(2);
  streams.chunk(worker, 2, bytes(10));
  streams.ended(worker, 1, false);
  streams.lost(worker);
  expect(events).toEqual(["2 gets 10", "1 is cut", "1: its worker could not go on with it", "2 is cut", "2: its worker is gone"]);
  expect([kept, streams.size]).toEqual([0, 0]);
});

test("a worker that another one has taken over from says nothing of it", () => {
  begin(1);
  const other = workerOf("other");
  streams.chunk(other, 1, bytes(10));
  streams.ended(other, 1, false);
  streams.lost(other);
  streams.chunk(worker, 2, bytes(10));
  expect([events, kept, streams.size]).toEqual([[], 0, 1]);
});

test("a client that goes: its worker is told, and what waited is forgotten", () => {
  begin(1);
  streams.chunk(worker, 1, bytes(10));
  streams.gone(1);
  streams.gone(1);
  streams.chunk(worker, 1, bytes(10));
  worker.link.flush();
  expect([told, kept, streams.size]).toEqual([["cancel of 1"], 0, 0]);
});

test("a body that nobody wants, as after HEAD, is not sent", () => {
  streams.begin(worker, 1, { begin: () => undefined, onEnd: () => events.push("whole"), onCut: () => undefined });
  worker.link.flush();
  expect([told, events, streams.size]).toEqual([["cancel of 1"], ["whole"], 0]);
});

test("an answer that is refused instead is not told as whole: the refusal is what counts", () => {
  streams.begin(worker, 1, { begin: () => null, onEnd: () => events.push("whole"), onCut: () => events.push("cut") });
  worker.link.flush();
  expect([told, events, streams.size]).toEqual([["cancel of 1"], [], 0]);
});

test("a worker that sends more than it has credit for is refused, and the answer cut", () => {
  begin(1);
  streams.chunk(worker, 1, bytes(responseWindowBytes));
  expect(() => streams.chunk(worker, 1, bytes(1))).toThrow("envelope.malformed");
  worker.link.flush();
  expect(events.slice(1)).toEqual(["1 is cut", "1: its worker sent more than it may"]);
  expect([told, kept]).toEqual([["cancel of 1"], 0]);
});

test("past the memory that all have together, the answer that would need more is cut, and no other", () => {
  for (const number of [1, 2, 3]) begin(number);
  for (const number of [1, 2, 3]) streams.chunk(worker, number, bytes(responseWindowBytes));
  expect(events.slice(2)).toEqual(["3 is cut", "3: too much waits for slow clients (PARKED_TOTAL_BYTES)"]);
  expect([kept, streams.size]).toEqual([limitBytes, 2]);
});
