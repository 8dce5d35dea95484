import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compiledFolder, isNative } from "../../process/native-typescript.mjs";
import { commonFlags, typeScriptLoader } from "../node-flags.ts";
import { inheritCompiled } from "./compiled.ts";
import { testClone } from "./test-clone.ts";

const run = promisify(execFile);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "compiled-"));
});

afterEach(() => rm(folder, { recursive: true }));

test("a release has the files of the one before, and no second copy of them", async () => {
  const [before, after] = [join(folder, "before"), join(folder, "after")];
  await mkdir(join(before, compiledFolder, "v24"), { recursive: true });
  await writeFile(join(before, compiledFolder, "v24", "1234"), "code");
  await inheritCompiled({ from: before, to: after, user: undefined });
  expect(await readFile(join(after, compiledFolder, "v24", "1234"), "utf8")).toBe("code");
  const inode = async (release: string) => (await stat(join(release, compiledFolder, "v24", "1234"))).ino;
  expect(await inode(after)).toBe(await inode(before));
});

test.each([undefined, "/nowhere"])("with %s before it, it has an empty folder", async (from) => {
  await inheritCompiled({ from, to: folder, user: undefined });
  expect(await readdir(join(folder, compiledFolder))).toEqual([]);
});

test("a release of a version that had tsx alone is run by tsx", async () => {
  expect(typeScriptLoader(folder)).toBe("tsx");
  await mkdir(join(folder, "process"));
  await writeFile(join(folder, "process", "typescript.mjs"), "");
  expect(typeScriptLoader(folder)).toBe("./process/typescript.mjs");
});

// Older ones keep nothing.
test.runIf(isNative)("what a trial has compiled, a worker of the release and the next release find", async () => {
  const clone = await testClone();
  try {
    const first = await clone.store.make(clone.options());
    const second = await clone.store.make(clone.options({ previous: first.id }));
    for (const release of [first, second]) {
      const args = [...commonFlags, "--import", typeScriptLoader(release.folder), "worker/main.ts"];
      const env = { PATH: process.env.PATH, NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
      // It ends at once, for want of settings: what it runs it has loaded by then.
      const { stderr } = await run(process.execPath, args, { cwd: release.folder, env }).catch((failed: { stderr: string }) => failed);
      expect(stderr).toMatch(/worker\/run\.ts.*was accepted/);
      expect(stderr).toMatch(/worker\/turns\.ts.*was accepted/);
    }
    const inode = async ({ folder: release }: { folder: string }) => {
      const [version = ""] = await readdir(join(release, compiledFolder));
      const [name = ""] = (await readdir(join(release, compiledFolder, version))).sort();
      return (await stat(join(release, compiledFolder, version, name))).ino;
    };
    expect(await inode(second)).toBe(await inode(first));
  } finally {
    clone.remove();
  }
});
