import { expect, test } from "vitest";
import type { LoggedError } from "../../process/scrape.ts";
import { KnownErrors } from "./known-errors.ts";

const worker = { id: "w1", release: "2" };
const error: LoggedError = {
  number: 1,
  at: 5,
  text: "onMessage was rolled back",
  message: "no",
  stack: "",
  place: "a.ts:1:2",
  about: { route: "/a" },
};

test("alike errors are one, of whichever worker of a release, with how often and when last", () => {
  const errors = new KnownErrors();
  expect(errors.hear(worker, [error, { ...error, number: 2, at: 9, about: { route: "/a", connection: "c7", gateway: "g1" } }])).toBe(true);
  errors.hear({ id: "w2", release: "2" }, [{ ...error, at: 7 }]);
  errors.hear({ id: "w3", release: "3" }, [error]);
  expect(errors.all).toMatchObject([
    { release: "2", times: 3, at: 9 },
    { release: "3", times: 1, at: 5 },
  ]);
});

test("what is told again is known", () => {
  const errors = new KnownErrors();
  errors.hear(worker, [error, { ...error, number: 2 }]);
  expect(errors.hear(worker, [error, { ...error, number: 2 }])).toBe(false);
  expect(errors.all).toMatchObject([{ times: 2 }]);
  expect(errors.known).toEqual({ w1: 2 });
});

test("the last fifty are kept, and for a few thousand workers what is known of them", () => {
  const errors = new KnownErrors();
  for (let index = 1; index <= 80; index++)
    errors.hear(worker, [{ ...error, number: index, at: index, message: String(index), place: `a.ts:${index}:1` }]);
  expect(errors.all).toHaveLength(50);
  expect(errors.all.at(-1)?.message).toBe("31");
  for (let index = 0; index < 5_000; index++) errors.hear({ id: `w${index}`, release: "2" }, [error]);
  expect(Object.keys(errors.known).length).toBeLessThanOrEqual(2_000);
});

test("a worker that dies is an error, too", () => {
  const errors = new KnownErrors();
  errors.died(worker, 12);
  expect(errors.all).toMatchObject([{ at: 12, release: "2", text: "a worker died", about: { worker: "w1" }, times: 1 }]);
});

test("of very many workers it is forgotten how far those were told that were heard least lately, and no others", () => {
  const errors = new KnownErrors();
  for (let index = 0; index <= 2_000; index++) errors.hear({ id: `w${index}`, release: "2" }, [error]);
  expect(errors.hear({ id: "w1", release: "2" }, [error])).toBe(false);
  expect(errors.hear({ id: "w2000", release: "2" }, [error])).toBe(false);
  expect(errors.hear({ id: "w0", release: "2" }, [error])).toBe(true);
});
