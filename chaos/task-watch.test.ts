import { expect, test } from "vitest";
import { wrongProducers } from "./task-watch.ts";

test("one producer after the other is right", () => {
  expect(wrongProducers(["5 a", "5 a", "7 b", "7 b", "8 a"])).toEqual([]);
});

test("one that publishes after its successor, and two with one fence, are told of", () => {
  expect(wrongProducers(["5 a", "7 b", "5 a"])).toEqual(["a has published with fence 5 behind 7"]);
  expect(wrongProducers(["5 a", "5 b"])).toEqual(["fence 5 is of a and of b"]);
});
