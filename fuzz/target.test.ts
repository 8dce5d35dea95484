import fc from "fast-check";
import { expect, test } from "vitest";
import type { Scene } from "./scene.ts";
import { target } from "./target.ts";

// These targets send nothing.
const scene = {} as Scene;
const check = async () => undefined;

function collecting(seen: number[], wrongFrom = Number.POSITIVE_INFINITY) {
  return target({
    ...{ name: "numbers", title: "numbers", cases: 100, arbitrary: fc.nat() },
    strike: (_scene, number) => {
      seen.push(number);
      if (number >= wrongFrom) throw new Error("too large");
    },
  });
}

test("a seed repeats its cases", async () => {
  const seen: number[][] = [[], [], []];
  for (const [index, seed] of [1, 1, 2].entries()) {
    await collecting(seen[index] ?? []).run(scene, { seed, limitMs: 60_000, check, recover: check });
  }
  expect(seen[0]).toHaveLength(100);
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).not.toEqual(seen[0]);
});

test("what fails is made smaller, and everybody recovers from each failure", async () => {
  let recovered = 0;
  const recover = async () => {
    recovered++;
  };
  const { failure } = await collecting([], 1_000).run(scene, { seed: 1, limitMs: 60_000, check, recover });
  expect(failure?.input).toBe("[1000]");
  expect(failure?.why).toContain("too large");
  expect(recovered).toBeGreaterThan(1);
});

test("past its time a round tries nothing further, and keeps what it has found", async () => {
  const seen: number[] = [];
  const { cases, failure } = await collecting(seen, 0).run(scene, { seed: 1, limitMs: 0, check, recover: check });
  expect(cases).toBe(1);
  expect(seen).toHaveLength(1);
  expect(failure?.input).toBe(`[${seen[0]}]`);
});

test("a case fails where somebody is not well after it", async () => {
  let checks = 0;
  const unwell = async () => {
    checks++;
    throw new Error("the gateway ended");
  };
  const { failure } = await collecting([]).run(scene, { seed: 1, limitMs: 0, check: unwell, recover: check });
  expect(checks).toBe(1);
  expect(failure?.why).toContain("the gateway ended");
});
