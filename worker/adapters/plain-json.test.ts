import fc from "fast-check";
import { expect, test } from "vitest";
import { plainJson } from "./plain-json.ts";

test("is JSON's string, of every text of printable ASCII without quotes and backslashes, and of no other", () => {
  const all = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));
  const isPlain = (character: string) => character >= " " && character <= "~" && character !== '"' && character !== "\\";
  expect(all.filter((character) => plainJson(`a${character}b`) !== undefined)).toEqual(all.filter(isPlain));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(plainJson(text) ?? JSON.stringify(text)).toBe(JSON.stringify(text));
    }),
  );
  expect(plainJson("")).toBe('""');
});
