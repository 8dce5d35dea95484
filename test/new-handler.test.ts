// A demo that is copied, and then served in place of the demo: by the command and the check of a deploy, as a user runs them.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const clone = join(import.meta.dirname, "..");
const run = promisify(execFile);
let folder: string;

beforeEach(() => {
  // Deeper than worker/handlers: imports have to be changed.
  folder = join(mkdtempSync(join(clone, ".thinstate-copies-")), "a", "b");
});

afterEach(() => rmSync(join(folder, "..", ".."), { recursive: true }));

function newHandler(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, HANDLERS_DIR: relative(clone, folder) };
  return run(process.execPath, ["scripts/start.mjs", "new-handler", ...args], { cwd: clone, env });
}

test.each(readdirSync(join(clone, "examples", "demos")).filter((name) => !["index", "site"].includes(name)))(
  "the demo %s is copied with all that it needs, and loads where it is",
  async (demo) => {
    const { stdout } = await newHandler(demo);
    expect(stdout).toContain(`copied ${relative(clone, folder)}/site and ${relative(clone, folder)}/${demo}\n`);
    expect(existsSync(join(folder, demo, "public", "index.html"))).toBe(true);
    expect(readFileSync(join(folder, demo, `${demo}.ts`), "utf8")).toContain('from "../../../../worker/handler.ts"');
    const loaded = await run(process.execPath, ["--import", "./process/typescript.mjs", "worker/trial.ts", folder, "examples/demos"], {
      cwd: clone,
    });
    const { routes } = JSON.parse(loaded.stdout.trimEnd().split("\n").at(-1) ?? "") as { routes: { path: string }[] };
    expect(routes.filter(({ path }) => path === `/demos/${demo}/*`)).toHaveLength(1);
  },
);

test("where nothing can be written, one line says so", async () => {
  const [demo = ""] = readdirSync(join(clone, "examples", "demos")).filter((name) => !["index", "site"].includes(name));
  mkdirSync(join(folder, ".."), { recursive: true });
  writeFileSync(folder, "a file");
  await expect(newHandler(demo)).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^\w+: .+\n$/) });
});

test("nothing is overwritten, and an unknown demo is answered with those that there are", async () => {
  const [demo = ""] = readdirSync(join(clone, "examples", "demos")).filter((name) => !["index", "site"].includes(name));
  await newHandler(demo);
  await expect(newHandler(demo)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("is there already") });
  await expect(newHandler("nonsense")).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(`  ${demo}`) });
  await expect(newHandler()).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("Which demo?") });
});
