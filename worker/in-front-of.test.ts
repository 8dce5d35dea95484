import { expect, test } from "vitest";
import { InFrontOf } from "./in-front-of.ts";

class Counter {
  #count = 0;
  readonly name = "counter";

  get count(): number {
    return this.#count;
  }

  add(more: number): void {
    this.#count += more;
  }
}

class Doubling extends InFrontOf<Counter> implements Pick<Counter, "add"> {
  add(more: number): void {
    this.inner.add(2 * more);
  }
}

test("it has what the other one has, but for what it says itself", () => {
  const inner = new Counter();
  const outer = new Doubling(inner) as unknown as Counter;
  outer.add(2);
  expect([outer.name, outer.count, inner.count]).toEqual(["counter", 4, 4]);
  const { add } = Object.assign(new InFrontOf(inner), {}) as unknown as Counter;
  // Also without its object.
  add(1);
  expect([outer.count, "other" in outer, (outer as { other?: unknown }).other]).toEqual([5, false, undefined]);
});
