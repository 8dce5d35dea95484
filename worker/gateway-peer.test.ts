import { beforeEach, expect, test } from "vitest";
import { decodeBatch, encodeEmptyBatch } from "../protocol/envelope.ts";
import { Link, linkLimits } from "../protocol/link.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { Effects } from "./effects.ts";
import { GatewayPeer } from "./gateway-peer.ts";
import { defineHandler } from "./handler.ts";
import { Mailbox, type MailboxEvent } from "./mailbox.ts";

const handler = defineHandler({ path: "/a" });

let gateway: GatewayPeer;
/** What the link has sent: the types of its records. */
let sent: number[];

beforeEach(() => {
  sent = [];
  const link = new Link({
    self: "w",
    peer: "g",
    session: 1,
    now: () => 0,
    transmit: (bytes) => {
      const batch = decodeBatch(bytes);
      for (let index = 0; index < batch.records; index++) sent.push(batch.type(index));
    },
    onBegun: () => undefined,
    onCredit: () => undefined,
    onLost: () => undefined,
    limits: { ...linkLimits, unackedRecords: 2 },
  });
  gateway = new GatewayPeer("g", link, 0);
});

function pin(slot: number, epoch = 1, level = 1): Mailbox {
  const client = { id: `g-${slot}-1`, user: undefined, path: "/a", params: {}, query: new URLSearchParams(), ip: "", subprotocol: "" };
  const kept = { state: undefined, isMigrated: false, topics: new Set<string>(), next: 1, fault: undefined };
  const mailbox = new Mailbox({ gateway, slot, epoch, level, handler, ...client, ...kept });
  gateway.add(mailbox);
  return mailbox;
}

test("a worker that ends waits until its connections are given back and all is acknowledged; for one that is silent while a turn runs", () => {
  expect(gateway.isAwaited).toBe(false);
  const mailbox = pin(1);
  pin(2);
  mailbox.push({ type: toWorker.open, redelivered: false, flushed: 0 });
  const event = mailbox.begin();
  gateway.isSilent = true;
  expect(gateway.isAwaited).toBe(true);
  if (event !== undefined) mailbox.done(event, false);
  gateway.commit(mailbox, new Effects(Number.POSITIVE_INFINITY), flag.commit);
  expect(gateway.isAwaited).toBe(false);
  gateway.isSilent = false;
  expect(gateway.isAwaited).toBe(true);
  for (const { pin } of [...gateway.all()]) gateway.forget(gateway.get(pin.slot) as Mailbox);
  expect([gateway.connections, gateway.isAwaited]).toEqual([0, true]);
});

test("flushes are confirmed in their order; the others are over when the connection has gone elsewhere", async () => {
  const mailbox = pin(1);
  const results: string[] = [];
  const flush = (name: string) =>
    gateway.flushed(mailbox).then(
      () => results.push(name),
      (error) => results.push(`${name} ${error.code}`),
    );
  const all = [flush("first"), flush("second"), flush("third")];
  gateway.confirmFlush(mailbox);
  mailbox.forget();
  gateway.forget(mailbox);
  gateway.confirmFlush(mailbox);
  await Promise.all([...all, flush("late")]);
  expect(results.sort()).toEqual(["first", "late turn.over", "second turn.over", "third turn.over"]);
});

test("a mailbox that was asked back is given back once nothing of it runs", () => {
  const mailbox = pin(1);
  gateway.idle(mailbox);
  expect(gateway.get(1)).toBe(mailbox);
  mailbox.leave(false);
  gateway.idle(mailbox);
  gateway.idle(mailbox);
  gateway.link.flush();
  expect(sent).toEqual([toGateway.released]);
  expect([gateway.get(1), gateway.connections]).toEqual([undefined, 0]);
});

test("a mailbox that ends leaves its place to the one that has it now", () => {
  const before = pin(1);
  const now = pin(1, 2);
  before.forget();
  gateway.idle(before);
  expect(gateway.get(1)).toBe(now);
});

test("without credit mailboxes wait until it is back, each once", () => {
  const [first, second] = [pin(1), pin(2)];
  for (const mailbox of [first, second]) gateway.commit(mailbox, new Effects(0), flag.commit);
  expect([first, first, second].map((mailbox) => gateway.takesMore(mailbox))).toEqual([false, false, false]);
  gateway.forget(second);
  expect([...gateway.creditBack()]).toEqual([first]);
  expect([...gateway.creditBack()]).toEqual([]);
});

test("what an onClose publishes is kept until its gateway has acknowledged it, which older ones do later than they publish it", () => {
  const events = { redelivered: false, flushed: 0 };
  const commit = (mailbox: Mailbox, event: MailboxEvent, end: number) => {
    const effects = new Effects(100);
    effects.add(toGateway.publish, new Uint8Array(1));
    if (end === flag.commit) mailbox.done(event, false);
    gateway.commit(mailbox, effects, end);
    gateway.link.flush();
  };
  const close: MailboxEvent = { type: toWorker.close, code: 1000, reason: "", ...events };
  const slots = () => gateway.closes.map(({ mailbox }) => mailbox.pin.slot);
  commit(pin(1), { type: toWorker.open, ...events }, flag.commit);
  commit(pin(2), close, flag.commit);
  commit(pin(3), close, flag.flush);
  commit(pin(4), close, flag.commit);
  commit(pin(5, 1, 0), close, flag.commit);
  gateway.forgetAcked();
  expect(slots()).toEqual([2, 4]);
  // The first two batches, then all.
  for (const [ack, left] of [
    [2, [4]],
    [5, []],
  ] as const) {
    gateway.link.receive(decodeBatch(encodeEmptyBatch({ from: "g", to: "w", session: 1, peerSession: 1, seq: 0, ack, gap: false })));
    gateway.forgetAcked();
    expect(slots()).toEqual(left);
  }
});
