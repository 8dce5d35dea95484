import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { joinPlaces, Place } from "./predecessor.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-place-"));
  file = join(folder, "id");
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A process begins in the place. */
function begin(id: string): Place {
  const place = new Place({ file, id });
  place.take();
  return place;
}

test("whoever ends without a word is known to those that come after, until that is settled", () => {
  expect(begin("g1").before).toEqual([]);
  expect(begin("g2").before).toEqual(["g1"]);
  const third = begin("g3");
  expect(third.before).toEqual(["g2", "g1"]);
  third.settle(["g1"]);
  const fourth = begin("g4");
  expect(fourth.before).toEqual(["g3", "g2"]);
  fourth.settle(fourth.before);
  expect(fourth.before).toEqual([]);
  expect(begin("g5").before).toEqual(["g4"]);
});

test("whoever could not begin, and has told of those before, is no loss", () => {
  begin("g1");
  begin("g2");
  new Place({ file, id: "g3" }).settle(["g1"]);
  expect(begin("g4").before).toEqual(["g2"]);
});

test("what places leave that there are no more goes to the first one", () => {
  const numbered = (number: number, id: string) => {
    const place = new Place({ file: join(folder, String(number)), id });
    place.take();
    return place;
  };
  numbered(1, "g1");
  numbered(2, "g2");
  numbered(3, "g3");
  numbered(10, "g4");
  joinPlaces(folder, 2);
  expect(readdirSync(folder).sort()).toEqual(["1", "2"]);
  expect(numbered(1, "g5").before).toEqual(["g1", "g4", "g3"]);
  expect(numbered(2, "g6").before).toEqual(["g2"]);
  joinPlaces(folder, 2);
  expect(readdirSync(folder).sort()).toEqual(["1", "2"]);
});

test("whoever leaves in order leaves what it has not settled, and nothing of itself", () => {
  begin("g1");
  begin("g2").leave();
  const third = begin("g3");
  expect(third.before).toEqual(["g1"]);
  third.settle(["g1"]);
  third.leave();
  expect(readFileSync(file, "utf8")).toBe("");
  expect(readdirSync(folder)).toEqual(["id"]);
});

test("an earlier version left its id alone, without a line's end", () => {
  writeFileSync(file, "g1");
  expect(begin("g2").before).toEqual(["g1"]);
});

test("without a file nobody was here before", () => {
  const place = new Place({ file: "", id: "g1" });
  place.take();
  place.settle(["g0"]);
  place.leave();
  expect(place.before).toEqual([]);
});

test("what cannot be kept throws, and names the file", () => {
  const place = new Place({ file: join(folder, "missing", "id"), id: "g1" });
  expect(() => place.take()).toThrow(/ENOENT.*missing/);
});
