import fc from "fast-check";
import { expect, test } from "vitest";
import type { Batch } from "../protocol/envelope.ts";
import { TopicInbox } from "./topic-inbox.ts";

/** The only part of a batch that an inbox looks at. @param before the batch in front of it; 0: the sender knows of none. */
function batch(seq: number, before = seq - 1): Batch {
  return { header: { seq, ack: before } } as Batch;
}

function numbers(batches: readonly Batch[]): number[] {
  return batches.map(({ header }) => header.seq);
}

test("whatever is lost, doubled and out of order, and repaired: each batch comes once, in order", () => {
  const steps = fc.array(fc.tuple(fc.nat(30), fc.boolean()), { maxLength: 200, size: "max" });
  fc.assert(
    fc.property(steps, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 31, maxLength: 31 }), (arrivals, gaps) => {
      // Numbers may skip; each batch names the one before.
      let seq = 0;
      const sent = gaps.map((gap) => {
        const before = seq;
        seq += gap;
        return batch(seq, before);
      });
      const inbox = new TopicInbox();
      const delivered: number[] = [];
      for (const [index] of arrivals) delivered.push(...numbers(inbox.take(sent[index] as Batch, false)));
      // The repair: all of it again.
      for (const again of sent) delivered.push(...numbers(inbox.take(again, false)));
      // The first that arrived decides where this one begins: what came before is not its.
      expect(delivered).toEqual(numbers(sent).filter((number) => number >= (delivered[0] as number)));
      expect(inbox.missed).toBe(0);
      expect(inbox.wantsRepair(1_000_000)).toBe(false);
    }),
  );
});

test("what follows a gap waits; a repair is asked for five times, then what is missing is counted and the rest goes on", () => {
  const inbox = new TopicInbox();
  expect(numbers(inbox.take(batch(1), false))).toEqual([1]);
  expect(inbox.wantsRepair(0)).toBe(false);
  expect(numbers(inbox.take(batch(4), false))).toEqual([]);
  const asked = [0, 100, 250, 300, 749, 750, 1_749, 1_750, 3_749, 3_750, 60_000].filter((now) => inbox.wantsRepair(now));
  expect(asked).toEqual([0, 250, 750, 1_750, 3_750]);
  expect(numbers(inbox.overdue(7_749))).toEqual([]);
  expect(numbers(inbox.overdue(7_750))).toEqual([4]);
  expect([inbox.missed, inbox.seen]).toEqual([2, 4]);
});

test("what the publisher does not have any more is given up as soon as it says so; gaps that it had not been asked about are not", () => {
  const inbox = new TopicInbox();
  for (const seq of [1, 4, 6, 9]) inbox.take(batch(seq), false);
  expect(inbox.wantsRepair(0)).toBe(true);
  // It sent 5 again, and had sent 6 by then.
  expect(numbers(inbox.take(batch(5), false))).toEqual([]);
  expect(numbers(inbox.repaired(6))).toEqual([4, 5, 6]);
  expect([inbox.missed, inbox.seen]).toEqual([2, 6]);
  expect(numbers(inbox.repaired(7))).toEqual([]);
  expect(inbox.wantsRepair(1)).toBe(true);
  expect(numbers(inbox.repaired(8))).toEqual([9]);
  expect(inbox.missed).toBe(4);
});

test("a first batch is taken as the first, but for after a fault, when there may have been others, until the publisher says that there were none", () => {
  expect(numbers(new TopicInbox().take(batch(7), false))).toEqual([7]);
  const inbox = new TopicInbox();
  expect(numbers(inbox.take(batch(7), true))).toEqual([]);
  expect(numbers(inbox.take(batch(6, 0), true))).toEqual([6, 7]);
  const answered = new TopicInbox();
  expect(numbers(answered.repaired(6))).toEqual([]);
  expect(numbers(answered.take(batch(7), true))).toEqual([7]);
  expect(answered.missed).toBe(0);
});

test("what was published before it was wanted is passed over, however much it is, until something was delivered", () => {
  const inbox = new TopicInbox();
  expect([1, 2, 3].flatMap((seq) => [...inbox.passOver(seq), ...inbox.take(batch(seq), true)])).toEqual([]);
  expect(numbers(inbox.take(batch(4), true))).toEqual([4]);
  // By a publisher's clock that is behind ours.
  expect(numbers(inbox.passOver(6))).toEqual([]);
  expect(numbers(inbox.take(batch(5), true))).toEqual([5]);
  expect(inbox.missed).toBe(0);
});

test("what waited for a batch that is passed over is delivered with that", () => {
  const inbox = new TopicInbox();
  expect(numbers(inbox.take(batch(3), true))).toEqual([]);
  expect(numbers(inbox.passOver(1))).toEqual([]);
  expect(numbers(inbox.passOver(2))).toEqual([3]);
  expect([inbox.missed, inbox.wantsRepair(0)]).toEqual([0, false]);
});

test("more than a thousand that wait are not kept: the gap is given up", () => {
  const inbox = new TopicInbox();
  inbox.take(batch(1), false);
  let delivered: number[] = [];
  for (let seq = 3; delivered.length === 0 && seq < 2_000; seq++) delivered = numbers(inbox.take(batch(seq), false));
  expect(delivered).toHaveLength(1_001);
  expect(inbox.missed).toBe(1);
});
