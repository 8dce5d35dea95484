import { expect, test } from "vitest";
import type { Member } from "./handler.ts";
import { encodeInfo, listed, membersOf } from "./members.ts";

function member(id: string, user: string | undefined, since: number, info: unknown = id): Member {
  return { id, gateway: "g", user, info, since: new Date(since), connections: 1 };
}

test("members are listed in the order in which they came, from whichever gateway", () => {
  const all = [member("g-1-1", "ada", 30), member("h-1-1", "bob", 10), member("g-2-2", undefined, 20)];
  expect(listed(all).map(({ id }) => id)).toEqual(["h-1-1", "g-2-2", "g-1-1"]);
});

test("a user's connections are one member, there since the first and told as the last", () => {
  const all = [
    member("g-1-1", "ada", 10, "phone"),
    member("h-1-1", "ada", 30, "desk"),
    member("g-2-2", undefined, 20),
    member("g-3-3", undefined, 25),
    member("h-2-2", "connection g-2-2", 40),
  ];
  expect(listed(all, { by: "user" })).toEqual([{ ...member("h-1-1", "ada", 10, "desk"), connections: 2 }, all[2], all[3], all[4]]);
});

test("what is told of a member is JSON of at most 1 KiB", () => {
  expect(encodeInfo({ name: "Ada" })).toBe('{"name":"Ada"}');
  expect(encodeInfo("Ada")).toBe('"Ada"');
  expect(encodeInfo("x".repeat(1_022))).toHaveLength(1_024);
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  for (const wrong of ["x".repeat(1_023), "é".repeat(512), () => 1, 1n, Promise.resolve(1), cycle, new Uint8Array([1])]) {
    expect(() => encodeInfo(wrong)).toThrow("member.invalid");
  }
});

test("columns of what a gateway has told become members; columns of different lengths are refused", () => {
  const told = { ids: ["g-1-1", "g-2-2"], users: ["ada", ""], info: ['{"a":1}', "2"], since: [10, 20] };
  expect(membersOf("g", told)).toEqual([member("g-1-1", "ada", 10, { a: 1 }), member("g-2-2", undefined, 20, 2)]);
  expect(() => membersOf("g", { ...told, users: ["ada"] })).toThrow("envelope.malformed");
});
