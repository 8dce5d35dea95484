import { expect, test } from "vitest";
import { Party } from "../parties.ts";
import { SessionsElsewhere } from "./sessions-elsewhere.ts";

test("a session elsewhere counts for its address, once, until nothing was heard of it for a minute", () => {
  let now = 0;
  const [address, other] = [new Party("a"), new Party("b")];
  const elsewhere = new SessionsElsewhere(() => now);
  const counts = () => [address.sessions, other.sessions];
  elsewhere.heard("one", address);
  elsewhere.heard("two", address);
  elsewhere.heard("one", address);
  expect(counts()).toEqual([2, 0]);
  now = 50_000;
  elsewhere.heard("one", other);
  expect(counts()).toEqual([1, 1]);
  now = 60_000;
  elsewhere.sweep();
  expect(counts()).toEqual([0, 1]);
  now = 110_000;
  elsewhere.sweep();
  expect(counts()).toEqual([0, 0]);
});
