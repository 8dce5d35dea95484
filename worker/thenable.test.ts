import { expect, test } from "vitest";
import { after } from "./thenable.ts";

// biome-ignore lint/suspicious/noThenProperty: as a query builder has one, but that it returns nothing.
const thenable = { then: (resolve: (value: unknown) => void) => void resolve("settled") };

test.each([
  ["a promise", Promise.resolve("settled")],
  ["any thenable, also one whose then returns nothing", thenable],
])("after %s, what is next gets its value, and is waited for", async (_, settling) => {
  expect(await after<unknown, string>(settling, (value) => `${value}, and next`)).toBe("settled, and next");
});

test("where nothing is waited for, next comes at once", () => {
  expect(after(1, (value) => value + 1)).toBe(2);
});
