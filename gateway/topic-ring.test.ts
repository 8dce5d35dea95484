import fc from "fast-check";
import { expect, test } from "vitest";
import { entryBytes, TopicRing } from "./topic-ring.ts";

test("holds the last entries that fit, in order, and nothing else, whatever came before", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.array(fc.nat(40), { maxLength: 400, size: "max" }), fc.nat(400), (entries, sizes, from) => {
      const limitBytes = entries * (entryBytes + 20);
      const ring = new TopicRing(limitBytes);
      for (const [seq, size] of sizes.entries()) ring.add({ topic: "t", seq, bytes: new Uint8Array(size).fill(seq), at: seq });
      // The model: the longest tail that fits.
      const cost = (seq: number) => (sizes[seq] as number) + entryBytes;
      let first = sizes.length;
      for (let bytes = 0; first > 0 && bytes + cost(first - 1) <= limitBytes; ) bytes += cost(--first);
      const kept = [...ring.since(from)];
      expect(kept.map(({ seq }) => seq)).toEqual(sizes.map((_, seq) => seq).filter((seq) => seq >= first && seq >= from));
      for (const { seq, bytes } of kept) expect([...bytes]).toEqual(new Array(sizes[seq]).fill(seq % 256));
    }),
  );
});

test("keeps bytes of its own: what they were a view of may change", () => {
  const ring = new TopicRing(entryBytes + 2);
  const bytes = new Uint8Array([1, 2]);
  ring.add({ topic: "t", seq: 1, bytes, at: 0 });
  bytes.fill(9);
  expect([...ring.since(0)].map((entry) => [...entry.bytes])).toEqual([[1, 2]]);
});

test("with a limit of 0, or for what is larger than the limit, keeps nothing", () => {
  for (const limitBytes of [0, entryBytes + 5]) {
    const ring = new TopicRing(limitBytes);
    ring.add({ topic: "t", seq: 1, bytes: new Uint8Array(6), at: 0 });
    expect([...ring.since(0)]).toEqual([]);
  }
});
