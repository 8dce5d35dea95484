import { expect, test } from "vitest";
import { LibraryRecord } from "./library-record.ts";

function connected(...connections: string[]): LibraryRecord {
  const record = new LibraryRecord({ name: "a client", ways: ["answers"] });
  record.opened(connections);
  return record;
}

function hear(record: LibraryRecord, ...numbers: number[]): void {
  record.sent = Math.max(record.sent, ...numbers);
  for (const number of numbers) record.heard("answers", number);
}

test("each number once and in order is right", () => {
  const record = connected("g-1");
  hear(record, 1, 2, 3);
  expect([record.hasBack(3), record.hasBack(4)]).toEqual([true, false]);
  expect(record.verdict()).toEqual([]);
});

test("what is lost, doubled or reordered is told", () => {
  const record = connected("g-1");
  hear(record, 1, 1, 3, 2, 5);
  record.sent = 6;
  expect(record.hasBack(5)).toBe(false);
  expect(record.verdict()).toEqual(["a client: answers: 2 lost, 1 doubled, 1 reordered of 6"]);
});

test("a disconnect is told, but where a gateway of its connections has gone: then only gaps and doubles are", () => {
  const [kept, killed, polling] = [connected("g-1"), connected("h-1"), connected()];
  for (const record of [kept, killed, polling]) {
    hear(record, 1, 2);
    record.sent = 4;
    record.failed("canceled");
    record.ended("transport close");
    record.judge(["h"]);
    record.opened(["g-2"]);
    hear(record, 1);
  }
  expect(kept.verdict()).toEqual(["a client: disconnected: transport close", "a client: an error: canceled"]);
  expect(killed.verdict()).toEqual([]);
  expect(polling.verdict()).toEqual([]);
  hear(killed, 3);
  killed.ended("transport close");
  expect(killed.verdict()).toEqual(["a client: answers: 1 lost of 3", "a client: disconnected: transport close"]);
});

test("an error of a connection that stays is told", () => {
  const record = connected("g-1");
  record.failed("canceled");
  expect(record.verdict()).toEqual(["a client: an error: canceled"]);
});

test("figures are of all connections: of one that has ended only gaps are lost, of the present one all that is not back", () => {
  const record = connected("g-1");
  hear(record, 1, 3, 3);
  record.sent = 9;
  record.ended("transport close");
  record.opened(["h-1"]);
  hear(record, 2, 1);
  record.sent = 5;
  expect(record.figures).toEqual({ client: "a client", sent: 14, lost: 4, doubled: 1, reordered: 1, reconnected: 1 });
});
