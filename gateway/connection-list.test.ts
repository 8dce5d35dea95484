import fc from "fast-check";
import { expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { ConnectionList } from "./connection-list.ts";

function connection(slot: number): Connection {
  const rest = { path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  return new Connection({ slot, epoch: 0, id: `c${slot}`, ...rest });
}

const anyStep = fc.oneof(
  fc.record({ kind: fc.constantFrom("add" as const, "delete" as const), slot: fc.nat(7) }),
  fc.record({ kind: fc.constantFrom("begin" as const, "next" as const, "give up" as const), iteration: fc.nat(2) }),
);

test("it is what a Set would be, also for several iterations while it changes", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 80, size: "max" }), (steps) => {
      const all = Array.from({ length: 8 }, (_, slot) => connection(slot));
      const list = new ConnectionList();
      const set = new Set<Connection>();
      const iterations = new Map<number, [Generator<Connection, void>, IterableIterator<Connection>]>();
      for (const step of steps) {
        if ("slot" in step) {
          const one = all[step.slot] as Connection;
          if (step.kind === "add") {
            list.add(one);
            set.add(one);
          } else expect(list.delete(one)).toBe(set.delete(one));
        } else if (step.kind === "begin") {
          iterations.get(step.iteration)?.[0].return();
          const generator = list[Symbol.iterator]();
          const iterator = set.values();
          iterations.set(step.iteration, [generator, iterator]);
          // As `for` does: a generator begins with its first step.
          expect(generator.next().value).toBe(iterator.next().value);
        } else if (step.kind === "next") {
          const [ours, theirs] = iterations.get(step.iteration) ?? [];
          expect(ours?.next().value).toBe(theirs?.next().value);
        } else {
          iterations.get(step.iteration)?.[0].return();
          iterations.delete(step.iteration);
        }
        expect([list.size, all.map((one) => list.has(one))]).toEqual([set.size, all.map((one) => set.has(one))]);
      }
      for (const [ours] of iterations.values()) ours.return();
      expect([...list]).toEqual([...set]);
      expect(list.iterations).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test("a connection leaves one list for another", () => {
  const [one, other, third] = [connection(0), connection(1), connection(2)];
  const [from, to] = [new ConnectionList(), new ConnectionList()];
  for (const each of [one, other, third]) from.add(each);
  for (const each of from) {
    from.delete(each);
    to.add(each);
  }
  expect([[...from], [...to]]).toEqual([[], [one, other, third]]);
  expect(from.delete(one)).toBe(false);
});
