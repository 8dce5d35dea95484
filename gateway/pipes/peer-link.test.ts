import { expect, test } from "vitest";
import type { RecordHead } from "../../protocol/envelope.ts";
import { PeerLink } from "./peer-link.ts";

/** A link that has room when it is told so; each record is a batch of its own. */
class Room {
  hasCredit = true;
  ackedBatch = 0;
  heardAt = 0;
  readonly sent: string[] = [];

  get lastBatch(): number {
    return this.sent.length;
  }

  append(_head: RecordHead, payload: Uint8Array): number {
    this.sent.push(Buffer.from(payload).toString());
    return 0;
  }

  probe(): void {}

  ackAtFlush(): void {}
}

function stage() {
  const room = new Room();
  const link = new PeerLink(room);
  const end = {
    number: 1,
    records: 0,
    bytes: 0,
    onWay(records: number, bytes: number) {
      this.records += records;
      this.bytes += bytes;
    },
  };
  const say = (text: string) => link.send(end, { type: 97, payload: Buffer.from(text) });
  return { room, link, end, say };
}

test("what has no room waits in order, and everything behind it; the end knows what has not arrived", () => {
  const { room, link, end, say } = stage();
  say("a");
  room.hasCredit = false;
  say("bb");
  room.hasCredit = true;
  // Its memory is used again as soon as it was said.
  const used = Buffer.from("ccc");
  link.send(end, { type: 97, payload: used });
  used.fill("x");
  expect(room.sent).toEqual(["a"]);
  expect(end).toMatchObject({ records: 3, bytes: 6 });
  link.credit();
  expect(room.sent).toEqual(["a", "bb", "ccc"]);
  room.ackedBatch = 2;
  expect(link.isBusy).toBe(true);
  expect(end).toMatchObject({ records: 1, bytes: 3 });
  room.ackedBatch = 3;
  expect(link.isBusy).toBe(false);
  expect(end).toMatchObject({ records: 0, bytes: 0 });
});

test("of thousands, each is counted once", () => {
  const { room, link, end, say } = stage();
  for (let number = 1; number <= 5_000; number++) {
    say("x");
    room.ackedBatch = number - (number % 7);
    if (number % 3 === 0) link.settle();
  }
  link.settle();
  expect(end.records).toBe(5_000 - room.ackedBatch);
});

test("what waits of an end that is dropped makes room, and is not sent", () => {
  const { room, link, end, say } = stage();
  const other = { number: 2, onWay: () => undefined };
  say("a");
  room.hasCredit = false;
  say("b");
  link.send(other, { type: 104, payload: Buffer.from("c") });
  say("d");
  link.drop(end);
  link.sweep();
  expect(end).toMatchObject({ records: 1, bytes: 1 });
  room.hasCredit = true;
  link.credit();
  expect(room.sent).toEqual(["a", "c"]);
  // Nor where there is room before the next sweep.
  room.hasCredit = false;
  link.send(other, { type: 104, payload: Buffer.from("e") });
  link.drop(other);
  room.hasCredit = true;
  link.credit();
  expect(room.sent).toEqual(["a", "c"]);
});

test("of a link that is lost, nothing is on its way any more", () => {
  const { room, link, end, say } = stage();
  say("a");
  say("b");
  room.ackedBatch = 1;
  room.hasCredit = false;
  say("c");
  link.end();
  say("d");
  expect(end).toMatchObject({ records: 0, bytes: 0 });
  expect(room.sent).toEqual(["a", "b"]);
});
