import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePlainList, plainJson } from "./plain-json.ts";

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

test("a list of plain strings is what JSON.parse makes of it, and nothing else is one", () => {
  const strings = fc.array(fc.string({ unit: fc.constantFrom("a", "€", "😀", "\ud800", '"', "\\", ",", "[", "]", "\n", "\u001f", " ") }), {
    maxLength: 4,
  });
  const texts = fc.oneof(
    strings.map((list) => JSON.stringify(list)),
    // Nearly JSON.
    strings.map((list) => `["${list.join('","')}"]`),
    fc.string({ unit: fc.constantFrom("[", "]", '"', ",", "a", "\\", " ", "1"), maxLength: 9 }),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom("", "2", "3/a,1"), (text, head) => {
      const list = parsePlainList(head + text, head.length);
      if (list !== undefined) expect(list).toEqual(JSON.parse(text));
    }),
  );
  const plain = [["a"], ["", "b"], ["[", "]", ","], ["€ 😀 \u2028 __proto__"], ["x".repeat(900)]];
  expect(plain.map((list) => parsePlainList(JSON.stringify(list)))).toEqual(plain);
  const others = ["", "[", "[]", '["', '["a', '["a"', '["a",', '["a",]', '["a"],', '["a"] ', '[ "a"]', '["a", "b"]', '["a" "b"]', '"a"]'];
  const parsed = ['["a",1]', '[["a"]]', '["\\u0061"]', '["\n"]', '{"a":1}', `["${"x".repeat(1_000)}"]`];
  expect([...others, ...parsed].filter((text) => parsePlainList(text) !== undefined)).toEqual([]);
});
