import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SettingsFile } from "./settings-file.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-settings-"));
  path = join(folder, "settings.env");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("reads lines as systemd and Node.js do", () => {
  writeFileSync(path, "# comment\nA=1\n\nB='two words'\nC=\"three\"\nD=\n");
  expect(new SettingsFile(path, {}).read()).toEqual({ A: "1", B: "two words", C: "three", D: "" });
});

test("reads a file of another system: with a byte order mark, and carriage returns", () => {
  writeFileSync(path, "\uFEFFA=1\r\nB='two words'\r\n");
  const file = new SettingsFile(path, {});
  expect(file.read()).toEqual({ A: "1", B: "two words" });
  expect(file.names).toEqual(["A", "B"]);
});

test("without a file there is the environment", () => {
  expect(new SettingsFile("", { A: "1", B: undefined, C: "" }).read()).toEqual({ A: "1" });
});

test("what came from the file follows the file, also where systemd has put it into the environment", () => {
  writeFileSync(path, "A=1\nB=2\n");
  const file = new SettingsFile(path, { A: "1", B: "2", PATH: "/bin" });
  writeFileSync(path, "A=3\n");
  expect(file.read()).toEqual({ A: "3", PATH: "/bin" });
  expect(file.overruled()).toEqual([]);
});

test("where the environment says otherwise it wins, also over what the file says later", () => {
  writeFileSync(path, "A=1\n");
  const file = new SettingsFile(path, { A: "9", B: "8", C: "" });
  expect(file.read()).toEqual({ A: "9", B: "8" });
  writeFileSync(path, "A=2\nB=8\nC=3\n");
  expect(file.read()).toEqual({ A: "9", B: "8", C: "3" });
  expect(file.overruled()).toEqual(["A"]);
});

test("a file that is not there is a mistake, at the start and later", () => {
  expect(() => new SettingsFile(path, {})).toThrow(`config.invalid: SETTINGS_FILE=${path} cannot be read: ENOENT`);
  writeFileSync(path, "A=1\n");
  const file = new SettingsFile(path, {});
  rmSync(path);
  expect(() => file.read()).toThrow("config.invalid");
});
