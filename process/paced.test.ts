import { expect, test } from "vitest";
import { Paced } from "./paced.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("so many are worked on at a time, each once at a time, and again where it was asked for meanwhile", async () => {
  const begun: string[] = [];
  const ends: Array<() => void> = [];
  const paced = new Paced<string>(2, (item) => {
    begun.push(item);
    return new Promise((resolve) => ends.push(resolve));
  });
  for (const item of ["a", "b", "c", "a"]) paced.begin(item);
  expect(begun).toEqual(["a", "b"]);
  ends.shift()?.();
  await settle();
  expect(begun).toEqual(["a", "b", "c"]);
  for (const end of ends.splice(0)) end();
  await settle();
  expect(begun).toEqual(["a", "b", "c", "a"]);
});
