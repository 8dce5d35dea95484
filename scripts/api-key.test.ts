import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, readKeys, writeKeys } from "../process/api-keys/key-file.ts";
import { apiKeysFile } from "../supervisor/api-keys-file.ts";
import { run } from "./api-key.ts";

let folder: string;
let file: string;
/** Resolves when it says that it waits. */
let waits: Promise<void>;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/api-key-`);
  file = apiKeysFile(folder);
  vi.stubEnv("THINSTATE_DIR", folder);
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  waits = new Promise((resolve) => {
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      if (String(text).includes("which changes the keys")) resolve();
      return true;
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function add(name: string): void {
  writeKeys(
    file,
    withKey(readKeys(file), { name, rights: { publish: [], users: [], members: [], history: [] }, key: newKey(), now: new Date() }),
  );
}

function names(): string[] {
  return readKeys(file).map(({ name }) => name);
}

test("a key is added by one command at a time: the next one waits, and loses nothing of it", async () => {
  add("first");
  // Another process has read the keys, and is about to write them.
  writeFileSync(`${file}.lock`, `${process.ppid}\n`);
  const adding = run(["add", "third", "--local"]);
  await Promise.race([waits, adding]);
  expect(names()).toEqual(["first"]);
  add("second");
  rmSync(`${file}.lock`);
  expect([await adding, names()]).toEqual([0, ["first", "second", "third"]]);
  expect([await run(["revoke", "first", "--local"]), names(), existsSync(`${file}.lock`)]).toEqual([0, ["second", "third"], false]);
});

test("a command that was killed meanwhile holds up no other", async () => {
  // No process has this id.
  writeFileSync(`${file}.lock`, "4194305\n");
  expect([await run(["add", "one", "--local"]), names()]).toEqual([0, ["one"]]);
});
