import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { compiledFolder, isNative } from "../../process/native-typescript.mjs";
import { commonFlags, typeScriptLoader } from "../node-flags.ts";
import { copyCompiled, prepareCompiled, takeCompiled } from "./compiled.ts";
import { openReleases } from "./release.ts";
import { type TestClone, testClone } from "./test-clone.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
/** Of Linux and macOS: -2 there. */
const nobody = "nobody";

let folder: string;
let compiled: string;

beforeEach(async () => {
  // Not TMPDIR, which may be a folder that only root may enter.
  folder = await mkdtemp("/tmp/thinstate-compiled-");
  compiled = join(folder, compiledFolder);
});

afterEach(() => rm(folder, { recursive: true }));

test("in dev mode a release has what the one before has, as files of its own", async () => {
  const [before, after] = [join(folder, "before"), join(folder, "after")];
  const file = (release: string) => join(release, compiledFolder, "v24", "1234");
  await mkdir(dirname(file(before)), { recursive: true });
  await writeFile(file(before), "code");
  await prepareCompiled(after, undefined);
  await copyCompiled({ from: before, to: after });
  expect(await readFile(file(after), "utf8")).toBe("code");
  await writeFile(file(after), "other code");
  expect(await readFile(file(before), "utf8")).toBe("code");
});

test("where the one before has nothing, the folder is empty", async () => {
  await prepareCompiled(folder, undefined);
  await copyCompiled({ from: "/nowhere", to: folder });
  expect(await readdir(compiled)).toEqual([]);
});

test("a release of a version that had tsx alone is run by tsx", async () => {
  expect(typeScriptLoader(folder)).toBe("tsx");
  await mkdir(join(folder, "process"));
  await writeFile(join(folder, "process", "typescript.mjs"), "");
  expect(typeScriptLoader(folder)).toBe("./process/typescript.mjs");
});

describe.runIf(isRoot)("what another user's trial has compiled", () => {
  const asNobody = (script: string) => ["setpriv", `--reuid=${nobody}`, "--clear-groups", "sh", "-c", script, compiled] as const;

  /** Runs it as that user; $0 is the folder. */
  async function trial(script: string): Promise<void> {
    const [command, ...args] = asNobody(script);
    await run(command, args);
  }

  beforeEach(async () => {
    await run("chmod", ["755", folder]);
    await prepareCompiled(folder, nobody);
  });

  test("becomes ours, for all to read; a process of the trial that is left cannot change it", async () => {
    await trial('mkdir "$0/v24" && printf code >"$0/v24/1234" && chmod 4777 "$0/v24/1234"');
    const [command, ...args] = asNobody('exec 3<>"$0/v24/1234"; echo; read -r _; printf evil >&3; ! printf evil >"$0/v24/5678"');
    const left = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
    await once(left.stdout, "data");
    await takeCompiled(folder);
    left.stdin.end("\n");
    expect(await once(left, "close")).toEqual([0, null]);
    expect(await readdir(join(compiled, "v24"))).toEqual(["1234"]);
    expect(await readFile(join(compiled, "v24", "1234"), "utf8")).toBe("code");
    const modes = await Promise.all(["", "v24", "v24/1234"].map((name) => stat(join(compiled, name))));
    expect(modes.map(({ uid, mode }) => [uid, mode & 0o7777])).toEqual([
      [0, 0o755],
      [0, 0o755],
      [0, 0o644],
    ]);
  });

  test("is left out where it leads elsewhere, or is no file of that user's; and what it leads to stays as it is", async () => {
    const secret = join(folder, "secret");
    await writeFile(secret, "secret", { mode: 0o600 });
    await mkdir(join(folder, "elsewhere"));
    await writeFile(join(folder, "elsewhere", "1234"), "secret");
    await trial(`cd "$0" && mkdir -p v24/deep/er && ln -s ../../../secret v24/link && mkfifo v24/pipe && ln -s ../../elsewhere v25
      ln -s ../../../../../elsewhere v24/deep/er/link; printf x >loose`);
    await symlink(secret, join(compiled, "v24", "own"));
    await writeFile(join(compiled, "v24", "roots"), "secret");
    await takeCompiled(folder);
    expect(await readdir(compiled)).toEqual(["v24"]);
    expect(await readdir(join(compiled, "v24"))).toEqual([]);
    expect((await lstat(secret)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, "elsewhere"))).toEqual(["1234"]);
    expect((await lstat(join(folder, "elsewhere"))).uid).toBe(0);
  });
});

// Older ones keep nothing.
describe.runIf(isNative)("of a release", () => {
  let clone: TestClone;

  beforeEach(async () => {
    clone = await testClone();
  });

  afterEach(() => clone.remove());

  /** All that it has, by name. */
  async function cacheOf(release: string): Promise<Map<string, Buffer>> {
    const entries = await readdir(join(release, compiledFolder), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    return new Map(await Promise.all(files.map(async (file) => [file, await readFile(file)] as const)));
  }

  /** What Node says of each file that a worker loads, until it ends for want of settings. */
  async function startWorker(release: string, as: readonly string[] = []): Promise<string> {
    const env = { PATH: process.env.PATH, NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
    // To a file: what a pipe cannot take at once, Node leaves out.
    const said = await open(join(folder, "said"), "w+");
    const [program = "", ...args] = [...as, process.execPath, ...commonFlags, "--import", typeScriptLoader(release), "worker/main.ts"];
    await once(spawn(program, args, { cwd: release, env, stdio: ["ignore", "ignore", said.fd] }), "close");
    await said.close();
    return readFile(join(folder, "said"), "utf8");
  }

  test("what its trial has compiled, its workers find", async () => {
    const { folder: release } = await clone.store.make(clone.options());
    const said = await startWorker(release);
    expect(said).toMatch(/worker\/run\.ts.*was accepted/);
    expect(said).toMatch(/worker\/turns\.ts.*was accepted/);
  });

  test("that is refused, nothing is left in another one, whatever its trial has written", async () => {
    const first = await clone.store.make(clone.options());
    const before = await cacheOf(first.folder);
    expect(before.size).toBeGreaterThan(50);
    await clone.write(
      "worker/handlers/evil.ts",
      `import { readdirSync, writeFileSync } from "node:fs";
const files = readdirSync("${compiledFolder}", { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
for (const { parentPath, name } of files) writeFileSync(\`\${parentPath}/\${name}\`, "evil");
throw new Error("refused");\n`,
    );
    await expect(clone.store.make(clone.options({ previous: first.id }))).rejects.toThrow("refused");
    expect(await cacheOf(first.folder)).toEqual(before);
  });

  test.runIf(isRoot)("that another user tries, its workers find it, and may not write to it", async () => {
    const as = ["setpriv", `--reuid=${nobody}`, "--clear-groups"];
    // Where tsx keeps what it has read. Ours may be a folder that only root may enter.
    vi.stubEnv("TMPDIR", "/tmp");
    onTestFinished(() => void vi.unstubAllEnvs());
    await run("chmod", ["-R", "a+rX", clone.folder]);
    const sandboxed = (command: readonly string[]) => [...as, ...command];
    const runAs = { user: nobody, unit: "worker.service", node: process.execPath, sandboxed };
    const store = openReleases({ clone: clone.folder, folder: clone.releases, sharedDir: clone.folder, runAs });
    const { folder: release } = await store.make(clone.options());
    const said = await startWorker(release, as);
    expect(said).toMatch(/worker\/run\.ts.*was accepted/);
    const { stdout } = await run("find", [join(release, compiledFolder), "!", "-user", "root"]);
    expect(stdout).toBe("");
    const { stdout: writable } = await run(as[0] ?? "", [...as.slice(1), "find", release, "-writable", "!", "-type", "l"]);
    expect(writable).toBe("");
  });
});
