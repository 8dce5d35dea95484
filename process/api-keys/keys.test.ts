// Keys of the HTTP API: what a pattern matches, and what becomes of the file.

import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeyRefused, keyLines, withKey, withoutKey } from "./changes.ts";
import { type ApiKey, hashOfKey, isKeyShaped, loadKeys, newKey, readKeys, writeKeys } from "./key-file.ts";
import { matchesPattern } from "./patterns.ts";

const rights = { publish: ["room:*"], users: [], members: [], history: [] };
const now = new Date("2026-01-02T03:04:05Z");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "api-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  ["room:*", "room:", true],
  ["room:*", "room:a*b", true],
  ["room:*", "rooms:a", false],
  ["room:*", "a room:b", false],
  ["*", "", true],
  ["*:news", "de:news", true],
  ["*:news", "de:news:old", false],
  ["a*b*c", "aXbYc", true],
  ["a*b*c", "acb", false],
  ["ab*ba", "aba", false],
  ["a.c", "abc", false],
  ["news", "news", true],
  ["news", "news:a", false],
  ["", "a", false],
])("pattern %j and topic %j: %s", (pattern, topic, isMatch) => {
  expect(matchesPattern(pattern, topic)).toBe(isMatch);
});

test("a key is shown nowhere but to whoever adds it: the file has its hash, for its owner alone", async () => {
  const file = join(folder, "keys.json");
  const key = newKey();
  expect(isKeyShaped(key)).toBe(true);
  writeKeys(file, withKey(readKeys(file), { name: "shop", rights, key, now }));
  expect(readFileSync(file, "utf8")).not.toContain(key);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await loadKeys(file)).toEqual([{ name: "shop", sha256: hashOfKey(key), created: "2026-01-02T03:04:05.000Z", rights }]);
});

test("a file that others could read is not left behind", () => {
  const file = join(folder, "keys.json");
  writeFileSync(`${file}.new`, "", { mode: 0o644 });
  writeKeys(file, []);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("two keys are never the same", () => {
  expect(newKey()).not.toBe(newKey());
});

test("a name is given once, and revoked by itself", () => {
  const one = withKey([], { name: "shop", rights, key: newKey(), now });
  expect(() => withKey(one, { name: "shop", rights, key: newKey(), now })).toThrow(KeyRefused);
  expect(() => withKey(one, { name: "a shop", rights, key: newKey(), now })).toThrow('letters, digits, ".", "_" and "-"');
  expect(() => withKey(one, { name: "b", rights: { ...rights, publish: [""] }, key: newKey(), now })).toThrow("1 to 256 characters");
  expect(() => withoutKey(one, "shops")).toThrow('there is no key "shops"');
  expect(withoutKey(one, "shop")).toEqual([]);
});

test("there are at most 1,000", () => {
  const many = Array.from({ length: 1_000 }, (_, index): ApiKey => {
    return { name: String(index), sha256: hashOfKey(String(index)), created: now.toISOString(), rights };
  });
  expect(() => withKey(many, { name: "shop", rights, key: newKey(), now })).toThrow("1000 keys already");
});

test("the list says what each may do", () => {
  const none = { publish: [], users: [], members: [], history: [] };
  const keys = withKey(withKey([], { name: "shop", rights, key: newKey(), now }), { name: "a", rights: none, key: newKey(), now });
  expect(
    keyLines(
      withKey(keys, { name: "b", rights: { publish: [], users: ["a-*"], members: ["*"], history: ["log:*"] }, key: newKey(), now }),
    )[2],
  ).toBe("b     2026-01-02  users a-*, members *, history log:*");
  expect(keyLines(keys)).toEqual(["shop  2026-01-02  publish room:*", "a     2026-01-02  counts only"]);
});

test("a file that is none of keys is refused, and what a newer release has written is understood", () => {
  const file = join(folder, "keys.json");
  writeFileSync(file, "{");
  expect(() => readKeys(file)).toThrow("is not a file of API keys");
  const newer = { name: "a", sha256: hashOfKey("a"), created: now.toISOString(), rights: { ...rights, future: ["x"] }, expires: 1 };
  writeFileSync(file, JSON.stringify({ keys: [newer], version: 2 }));
  expect(readKeys(file)).toEqual([{ name: "a", sha256: hashOfKey("a"), created: now.toISOString(), rights }]);
});

test("a file of before there were patterns of users, and a right to history, is understood: all, or none; and none", () => {
  const file = join(folder, "keys.json");
  const keys = [true, false].map((users) => ({
    ...{ name: String(users), sha256: hashOfKey("a"), created: now.toISOString() },
    rights: { publish: [], users, members: [] },
  }));
  writeFileSync(file, JSON.stringify({ keys }));
  expect(readKeys(file).map(({ rights: { users, history } }) => [users, history])).toEqual([
    [["*"], []],
    [[], []],
  ]);
});

test("a link beside the file, in a folder that may be somebody else's, is not followed", () => {
  const file = join(folder, "keys.json");
  const other = join(folder, "other");
  writeFileSync(other, "whose?");
  symlinkSync(other, `${file}.new`);
  writeKeys(file, []);
  expect(readFileSync(other, "utf8")).toBe("whose?");
  expect(readKeys(file)).toEqual([]);
});
