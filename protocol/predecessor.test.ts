import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Place } from "./predecessor.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-place-"));
  file = join(folder, "id");
});

afterEach(() => rmSync(folder, { recursive: true }));

test("whoever ends without a word is known to those that come after, until that is settled", () => {
  expect(new Place({ file, id: "g1" }).before).toEqual([]);
  expect(new Place({ file, id: "g2" }).before).toEqual(["g1"]);
  const third = new Place({ file, id: "g3" });
  expect(third.before).toEqual(["g2", "g1"]);
  third.settle(["g1"]);
  const fourth = new Place({ file, id: "g4" });
  expect(fourth.before).toEqual(["g3", "g2"]);
  fourth.settle(fourth.before);
  expect(fourth.before).toEqual([]);
  expect(new Place({ file, id: "g5" }).before).toEqual(["g4"]);
});

test("whoever leaves in order leaves what it has not settled, and nothing of itself", () => {
  new Place({ file, id: "g1" });
  new Place({ file, id: "g2" }).leave();
  const third = new Place({ file, id: "g3" });
  expect(third.before).toEqual(["g1"]);
  third.settle(["g1"]);
  third.leave();
  expect(readFileSync(file, "utf8")).toBe("");
  expect(readdirSync(folder)).toEqual(["id"]);
});

test("an earlier version left its id alone, without a line's end", () => {
  writeFileSync(file, "g1");
  expect(new Place({ file, id: "g2" }).before).toEqual(["g1"]);
});

test("without a file nobody was here before", () => {
  const place = new Place({ file: "", id: "g1" });
  place.settle(["g0"]);
  place.leave();
  expect(place.before).toEqual([]);
});

test("what cannot be kept throws, and names the file", () => {
  expect(() => new Place({ file: join(folder, "missing", "id"), id: "g1" })).toThrow(/ENOENT.*missing/);
});
