import fc from "fast-check";
import { expect, test } from "vitest";
import { TopicRing } from "./topic-ring.ts";

test("holds the last entries that fit, in order, and nothing else, whatever came before", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.array(fc.nat(40), { maxLength: 400 }), fc.nat(400), (limitBytes, sizes, from) => {
      const ring = new TopicRing(limitBytes);
      for (const [seq, size] of sizes.entries()) ring.add({ topic: "t", seq, bytes: new Uint8Array(size).fill(seq), at: seq });
      // The model: the longest tail that fits.
      let first = sizes.length;
      for (let bytes = 0; first > 0 && bytes + (sizes[first - 1] as number) <= limitBytes; ) bytes += sizes[--first] as number;
      const kept = [...ring.since(from)];
      // An empty entry in front of the tail may have fallen out with the one before it.
      const wanted = sizes.map((_, seq) => seq).filter((seq) => seq >= first && seq >= from);
      expect(kept.map(({ seq }) => seq).filter((seq) => (sizes[seq] as number) > 0)).toEqual(
        wanted.filter((seq) => (sizes[seq] as number) > 0),
      );
      for (const { seq, bytes } of kept) expect([...bytes]).toEqual(new Array(sizes[seq]).fill(seq % 256));
    }),
  );
});

test("keeps bytes of its own: what they were a view of may change", () => {
  const ring = new TopicRing(10);
  const bytes = new Uint8Array([1, 2]);
  ring.add({ topic: "t", seq: 1, bytes, at: 0 });
  bytes.fill(9);
  expect([...ring.since(0)].map((entry) => [...entry.bytes])).toEqual([[1, 2]]);
});

test("with a limit of 0, or for what is larger than the limit, keeps nothing", () => {
  for (const limitBytes of [0, 5]) {
    const ring = new TopicRing(limitBytes);
    ring.add({ topic: "t", seq: 1, bytes: new Uint8Array(6), at: 0 });
    expect([...ring.since(0)]).toEqual([]);
  }
});
