// What is loaded is what we know. In processes of their own: a binary that is loaded stays.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseBuild, findBinary, thisMachine } from "./choice.mjs";

/** A process that begins, and copies of 7 MB, where a machine is busy. */
const timeout = 180_000;

const clone = join(import.meta.dirname, "..", "..");
const tries = `import { loadLibrary } from "./gateway/uws/library.ts";
try { console.log("version", loadLibrary().version); } catch (error) { console.log(error.message); }`;

let folder: string;
let binary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "thinstate-library-"));
  for (const part of ["gateway/uws/library.ts", "gateway/uws/choice.mjs", "protocol/errors.ts", "package.json"])
    await cp(join(clone, part), join(folder, part));
  await writeFile(join(folder, "try.ts"), tries);
  const build = chooseBuild(thisMachine());
  if (typeof build === "string") return expect.fail(build);
  binary = join(folder, "node_modules", build.binary);
  await mkdir(dirname(binary), { recursive: true });
  await cp(findBinary(build) ?? expect.fail("not installed"), binary);
});

afterEach(() => rm(folder, { recursive: true }));

async function load(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", import.meta.resolve("tsx"), "try.ts"], { cwd: folder });
  return stdout;
}

test("the binary alone is loaded: nothing else of its package is needed", { timeout }, async () => {
  expect(await load()).toMatch(/^version 20\.(30|69)\n$/);
});

test("a binary that is not the one we know is not loaded", { timeout }, async () => {
  const bytes = await readFile(binary);
  // Past the code, where it would not be noticed.
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  await writeFile(binary, bytes);
  expect(await load()).toMatch(
    /^library\.unfit: .* is not the binary that we know: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\. See SECURITY\.md\n$/,
  );
});

test("a binary that is missing is said to be, and how it comes", { timeout }, async () => {
  await rm(binary);
  expect(await load()).toMatch(/^library\.unfit: .* is missing: run npm ci with this Node\n$/);
});
