import * as v from "valibot";
import { beforeEach, expect, test } from "vitest";
import { packValue } from "../protocol/msgpack.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { defineHandler } from "./handler.ts";
import { StateCheck } from "./state-check.ts";

const handlers = [
  defineHandler({ path: "/a/:b", state: v.object({ total: v.number() }) }),
  defineHandler({
    path: "/migrating",
    state: v.object({ total: v.number() }),
    migrate: (stored) => {
      const { count } = stored as { count?: number };
      if (count === undefined) throw new RangeError("no count");
      return { total: count };
    },
  }),
];

const count = packValue({ count: 1 });
let asked: Array<[gateway: string, number: number, from: number]>;
let done: number;
let strangers: Set<string>;
let check: StateCheck;

beforeEach(() => {
  asked = [];
  strangers = new Set();
  done = 0;
  check = new StateCheck({
    routes: compileRoutes(handlers),
    ask: (...what) => {
      if (strangers.has(what[0])) return false;
      asked.push(what);
      return true;
    },
    onDone: () => void done++,
  });
});

test("each gateway is asked until it has told all, and what does not fit is counted by route and reason", () => {
  check.begin(1, ["g1", "g2"]);
  check.begin(1, ["g1", "g2"]);
  expect(asked.splice(0)).toEqual([
    ["g1", 1, 0],
    ["g2", 1, 0],
  ]);
  check.answered("g1", 1, { states: [{ path: "/a/1", state: count }, { path: "/a/2" }, { path: "/unknown", state: count }], next: 7 });
  expect(asked).toEqual([["g1", 1, 7]]);
  check.answered("g1", 1, {
    states: [
      { path: "/a/3", state: count },
      { path: "/migrating", state: count },
      { path: "/migrating", state: packValue({}) },
    ],
  });
  expect([check.report.isDone, done]).toEqual([false, 0]);
  check.answered("g2", 1, { states: [{ path: "/a/4", state: packValue({ total: 1 }) }] });
  expect(done).toBe(1);
  expect(check.report).toEqual({
    number: 1,
    isDone: true,
    tried: 6,
    unfit: [
      { route: "/a/:b", message: expect.stringContaining("total: "), connections: 2 },
      { route: "/a/:b", message: expect.stringContaining("undefined"), connections: 1 },
      { route: "/migrating", message: "state.incompatible: migrate threw: no count", connections: 1 },
    ],
  });
});

test("what the release had left itself counts, too, as after a rollback", () => {
  check.begin(1, ["g"]);
  const own = { state: packValue({ total: 1 }) };
  check.answered("g", 1, { states: [{ path: "/a/1", state: count, own }] });
  expect(check.report).toMatchObject({ isDone: true, tried: 1, unfit: [] });
});

test("a gateway that goes has told all; answers to an earlier question are none", () => {
  check.begin(1, ["g1"]);
  check.begin(2, ["g1", "g2"]);
  check.answered("g1", 1, { states: [{ path: "/a/1", state: count }] });
  check.lost("g1");
  check.lost("g3");
  expect(check.report).toMatchObject({ number: 2, isDone: false, tried: 0 });
  check.lost("g2");
  expect([check.report.isDone, done]).toEqual([true, 1]);
});

test("a gateway that this worker has not heard of yet is asked when it has, unless it is not asked for any more", () => {
  strangers = new Set(["g2", "g3"]);
  check.begin(1, ["g1", "g2", "g3"]);
  check.answered("g1", 1, { states: [] });
  expect([asked.splice(0), done]).toEqual([[["g1", 1, 0]], 0]);
  strangers.clear();
  for (const gateway of ["g1", "g2", "g2", "g4"]) check.met(gateway);
  expect(asked).toEqual([["g2", 1, 0]]);
  check.answered("g2", 1, { states: [{ path: "/a/1", state: count }] });
  expect([check.report, done]).toMatchObject([{ isDone: false, tried: 1 }, 0]);
  check.begin(1, ["g1", "g2"]);
  expect([check.report, done]).toMatchObject([{ isDone: true, tried: 1 }, 1]);
  check.met("g3");
  expect(asked).toHaveLength(1);
});

test("without a gateway there is nothing to adopt", () => {
  check.begin(1, []);
  expect([check.report, done]).toEqual([{ number: 1, isDone: true, tried: 0, unfit: [] }, 1]);
});

test("however many kinds there are, each connection is counted; what states hold is told of the first, and not at length", () => {
  const route = {
    path: "/a/:b",
    state: v.objectWithRest({ name: v.literal("none") }, v.literal("none")),
  };
  check = new StateCheck({ routes: compileRoutes([defineHandler(route)]), ask: () => true, onDone: () => undefined });
  check.begin(1, ["g1"]);
  const wrong = (count: number, field: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => ({
      path: "/a/1",
      state: packValue({ name: "none", [field(index)]: `secret ${index}`.repeat(100) }),
    }));
  check.answered("g1", 1, { states: [...wrong(1_000, () => "same"), ...wrong(50, (index) => `field${index}`)] });
  const { unfit, tried } = check.report;
  expect(unfit.reduce((sum, { connections }) => sum + connections, 0)).toBe(tried);
  expect(unfit[0]).toMatchObject({ route: "/a/:b", connections: 1_000 });
  expect(unfit).toHaveLength(21);
  expect(unfit.at(-1)).toEqual({ route: "*", message: "for other reasons", connections: 31 });
  for (const { message } of unfit) expect(message.length).toBeLessThan(202);
});
