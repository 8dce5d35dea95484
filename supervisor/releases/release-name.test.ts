import { expect, test } from "vitest";
import { devReleaseName, isDevRelease, isReleaseName, releaseName, timeOf } from "./release-name.ts";

const at = new Date("2026-11-22T04:30:00.900Z");
const commit = "1a2b3c4d5e6f708192a3b4c5d6e7f80912a3b4c5";
const hash = "0123456789abcdef".repeat(4);

test.each([
  [{ commit, dirty: false }, "20261122T043000Z-1a2b3c4"],
  [{ commit, dirty: true }, "20261122T043000Z-1a2b3c4-dirty"],
  [{ commit: null, dirty: false }, "20261122T043000Z-0123456"],
])("%o is called %s", (revision, name) => {
  expect(releaseName(at, revision, hash, [])).toBe(name);
  expect(isReleaseName(name)).toBe(true);
  expect(timeOf(name)).toBe(Date.parse("2026-11-22T04:30:00Z"));
});

test("two of one second have different names, and names grow although the clock goes back", () => {
  const revision = { commit, dirty: true };
  const names: string[] = [];
  for (let made = 0; made < 70; made++) names.push(releaseName(at, revision, hash, [...names, "7", "dev-1"]));
  names.push(releaseName(new Date("2026-11-21T00:00:00Z"), revision, hash, names));
  expect(names.at(-1)).toBe("20261122T043110Z-1a2b3c4-dirty");
  expect([...names].sort()).toEqual(names);
  expect(new Set(names).size).toBe(71);
});

test.each(["7", "dev-1795325058644"])("%s is a name, too", (name) => expect(isReleaseName(name)).toBe(true));

test.each(["", "0", "..", ".making-1-ab", "20261122T043000Z", "20261122T043000Z-1a2b3c4/..", "current"])("%s is none", (name) => {
  expect(isReleaseName(name)).toBe(false);
});

test("a dev release is told by its name", () => {
  expect([devReleaseName(at), "7", "20261122T043000Z-1a2b3c4"].map(isDevRelease)).toEqual([true, false, false]);
});
