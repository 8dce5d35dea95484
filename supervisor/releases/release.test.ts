import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Release } from "./release.ts";
import { type TestClone, testClone } from "./test-clone.ts";

let clone: TestClone;

beforeEach(async () => {
  clone = await testClone();
});

afterEach(() => clone.remove());

function inRelease(release: Release, file: string): Promise<string> {
  return readFile(join(release.folder, file), "utf8");
}

/** A dev release: made in a few milliseconds. */
async function quick(): Promise<Release> {
  return clone.store.make(clone.options({ check: false }));
}

describe("a release", () => {
  test("has a name and says what it is made of", async () => {
    const steps: string[] = [];
    const first = await clone.store.make(clone.options({ onStep: (text) => steps.push(text) }));
    expect(steps).toEqual(["copying sources and packages", "checking types and loading the handlers"]);
    expect(first.id).toBe(basename(first.folder));
    expect(first.id).toMatch(/^\d{8}T\d{6}Z-[0-9a-f]{7}$/);
    expect(first.id.split("-")[1]).toBe(first.manifest.sourceHash.slice(0, 7));
    expect(first.manifest).toMatchObject({ id: first.id, commit: null, dirty: false, previous: null, handlersDir: "worker/handlers" });
    expect(first.manifest.routes.map(({ path }) => path)).toEqual(["/chat/:room", "/echo"]);
    expect(first.manifest.sourceHash).toBe(await clone.store.sourceHash({ handlersDir: "worker/handlers" }));
    const second = await clone.store.make(clone.options({ previous: first.id }));
    expect(second.manifest).toMatchObject({ id: second.id, previous: first.id });
    expect(await clone.store.list()).toEqual([first, second]);
    expect(await clone.store.get(second.id)).toEqual(second);
  });

  test("is not changed by edits or by an npm ci in the clone", async () => {
    const release = await clone.store.make(clone.options());
    const echo = await inRelease(release, "worker/handlers/echo.ts");
    const cookie = await inRelease(release, "node_modules/cookie/package.json");
    await clone.write("worker/handlers/echo.ts", "broken");
    await clone.write("worker/handlers/more.ts", "broken");
    // What npm ci does: it removes the whole folder and writes new files.
    await rm(join(clone.folder, "node_modules"), { recursive: true });
    await clone.write("node_modules/cookie/package.json", "{}");
    expect(await inRelease(release, "worker/handlers/echo.ts")).toBe(echo);
    expect(await inRelease(release, "node_modules/cookie/package.json")).toBe(cookie);
    expect(await readdir(join(release.folder, "worker/handlers"))).not.toContain("more.ts");
  });

  test("links its packages, and only those that a worker needs", async () => {
    const release = await clone.store.make(clone.options());
    const inode = async (folder: string) => (await stat(join(folder, "node_modules/valibot/package.json"))).ino;
    expect(await inode(release.folder)).toBe(await inode(clone.folder));
    const packages = await readdir(join(release.folder, "node_modules"));
    expect(packages).toContain("tsx");
    expect(packages.filter((name) => /^(typescript|vitest|@types|uWebSockets\.js.*|@uwsjs)$/.test(name))).toEqual([]);
  });

  test("takes what git would commit, ignored handlers, and no tests", async () => {
    await clone.write(".gitignore", "node_modules\n.thinstate*\nsecret.txt\nlocal\n");
    execFileSync("git", ["init", "-q"], { cwd: clone.folder });
    execFileSync("git", ["add", "."], { cwd: clone.folder });
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x"], { cwd: clone.folder });
    await clone.write("secret.txt", "");
    await clone.write("lib/new.ts", "export {};");
    await clone.write("lib/new.test.ts", "");
    await clone.write("docs/x.md", "");
    await clone.write("local/handlers/a.ts", "");
    const release = await clone.store.make(clone.options({ check: false, handlersDir: "local/handlers" }));
    const has = async (file: string) => (await stat(join(release.folder, file)).catch(() => undefined)) !== undefined;
    const files = ["lib/new.ts", "local/handlers/a.ts", "worker/handler.ts", "secret.txt", "lib/new.test.ts", "docs/x.md"];
    expect(await Promise.all(files.map(has))).toEqual([true, true, true, false, false, false]);
    expect(release.manifest).toMatchObject({ commit: expect.stringMatching(/^[0-9a-f]{40}$/), dirty: true });
    const named = await clone.store.make(clone.options());
    expect(named.id.replace(/^\w+-/, "")).toBe(`${release.manifest.commit?.slice(0, 7)}-dirty`);
  });

  test("has a source hash that changes with what a worker runs, and with nothing else", async () => {
    const hash = () => clone.store.sourceHash({ handlersDir: "worker/handlers" });
    const before = await hash();
    await clone.write("README.md", "changed");
    await clone.write("gateway/main.ts", "changed");
    await clone.write(".vscode/launch.json", "changed");
    await clone.write("worker/handlers/chat.test.ts", "changed");
    expect(await hash()).toBe(before);
    await clone.write("protocol/route-table.ts", "changed");
    expect(await hash()).not.toBe(before);
  });

  test("outside of the clone is refused", async () => {
    await expect(clone.store.make(clone.options({ handlersDir: "../x" }))).rejects.toThrow(/must be inside the clone/);
  });
});

test("a dev release borrows the clone's packages and is not checked", async () => {
  await clone.write("worker/handlers/echo.ts", "broken(");
  const release = await quick();
  expect(release.id).toMatch(/^dev-\d+$/);
  expect(release.manifest.routes).toEqual([]);
  expect(await inRelease(release, "node_modules/valibot/package.json")).toContain("valibot");
  expect(await inRelease(release, "worker/handlers/echo.ts")).toBe("broken(");
});

describe("nothing is left", () => {
  const hidden = async () => (await readdir(clone.releases)).filter((name) => /^\.(making|removing)/.test(name));

  test.each(["copying", "checking"])("of a release that was aborted while %s", async (step) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const onStep = (text: string) => {
      if (text.startsWith(step)) setImmediate(() => controller.abort(reason));
    };
    await expect(clone.store.make(clone.options({ signal: controller.signal, onStep }))).rejects.toBe(reason);
    expect(await hidden()).toEqual([]);
    expect(await clone.store.list()).toEqual([]);
  });

  test("of what a process that was killed had begun, once somebody cleans", async () => {
    const gone = execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }).trim();
    for (const name of [`.making-${gone}-ab`, `.removing-${gone}-ab`, `.making-${process.pid}-ab`, ".making-1-ab"]) {
      await mkdir(join(clone.releases, name, "deep"), { recursive: true });
    }
    await mkdir(join(clone.releases, "7"));
    await writeFile(join(clone.releases, "7", "manifest.json"), "{");
    const release = await quick();
    expect(await clone.store.list()).toEqual([release]);
    await clone.store.clean();
    // Process 1 is alive, so it may still be making.
    expect(await hidden()).toEqual([".making-1-ab"]);
  });
});

test("a release that an earlier version has numbered is found, and is the oldest", async () => {
  const made = await clone.store.make(clone.options());
  const folder = join(clone.releases, "7");
  await mkdir(folder);
  const createdAt = "2026-01-01T00:00:00.000Z";
  await writeFile(join(folder, "manifest.json"), JSON.stringify({ ...made.manifest, id: "7", createdAt }));
  expect((await clone.store.list()).map(({ id }) => id)).toEqual(["7", made.id]);
  expect(await clone.store.get("7")).toMatchObject({ id: "7", folder });
  await clone.store.remove("7");
  expect(await clone.store.list()).toEqual([made]);
});

test("prune keeps the newest and the protected ones", async () => {
  const ids: string[] = [];
  for (let made = 0; made < 5; made++) ids.push((await quick()).id);
  const [first, second, third, fourth, fifth] = ids as [string, string, string, string, string];
  expect(await clone.store.prune(2, [second])).toEqual([first, third]);
  expect((await clone.store.list()).map(({ id }) => id)).toEqual([second, fourth, fifth]);
});
