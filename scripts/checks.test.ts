import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { adviceOn, chooseBuild, thisMachine } from "../gateway/uws/choice.mjs";
import { parseTally } from "./checks.ts";

const clone = join(import.meta.dirname, "..");

test.each([
  ["1 passed, 0 failed\nlater\n\n12 passed, 3 failed, 4 skipped\nand more", { passed: 12, failed: 3, skipped: 4, failures: [], skips: [] }],
  [
    "failed: a.test.ts > b\n    why\n2 passed, 1 failed\n",
    { passed: 2, failed: 1, skipped: 0, failures: [{ name: "a.test.ts > b", why: "why" }], skips: [] },
  ],
  [
    "skipped: a.test.ts: needs b\n2 passed, 0 failed, 1 skipped\n",
    { passed: 2, failed: 0, skipped: 1, failures: [], skips: ["a.test.ts: needs b"] },
  ],
  ["12 passed, 0 failed\n", { passed: 12, failed: 0, skipped: 0, failures: [], skips: [] }],
  ["it began, and was killed: 12 passed, 0 failed", { passed: 0, failed: 1, skipped: 0, failures: [], skips: [] }],
])("the last tally of a run counts, and a run without one has failed", (said, tally) => {
  expect(parseTally(said)).toEqual(tally);
});

/** @returns what the check of format and lint says of a file. */
function checked(file: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-checks-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, file, ".."), { recursive: true });
  writeFileSync(join(folder, file), text);
  cpSync(join(clone, "biome.jsonc"), join(folder, "biome.jsonc"));
  symlinkSync(join(clone, "node_modules"), join(folder, "node_modules"));
  const args = [join(clone, "node_modules/@biomejs/biome/bin/biome"), "check", "--vcs-enabled=false", "worker"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  return status === 0 ? "fine" : `${stdout}${stderr}`;
}

const messy = `import { readFileSync } from 'node:fs'
import {defineHandler} from '../handler.ts'
var seen: any = null, word = 'got '

export default defineHandler({
\tpath: '/messy', onMessage: function (conn, m) { seen = m; [1].forEach(function (n) { conn.send(word + n) })
\t\treadFileSync('/dev/null') }
})
`;

test("how a handler is written is its author's taste; mistakes, and imports that are not for handlers, are found", () => {
  expect(checked("worker/handlers/messy.ts", messy)).toBe("fine");
  expect(checked("worker/other.ts", messy)).toContain("format");
  expect(checked("worker/handlers/messy.ts", messy.replace("seen = m", "if (m.text() == 'x') seen = m"))).toContain("noDoubleEquals");
  expect(checked("worker/handlers/messy.ts", messy.replace("node:fs", "../../gateway/fs.ts"))).toContain("noRestrictedImports");
});

function runCommand(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["scripts/start.mjs", ...args], { cwd: clone, encoding: "utf8" });
}

test("tests that are chosen run alone, and no file is named that is gone afterwards", () => {
  const { status, stdout, stderr } = runCommand("test", "worker/handlers");
  expect(status, `${stdout}${stderr}`).toBe(0);
  expect(stdout).not.toContain("check:");
  expect(`${stdout}${stderr}`).not.toContain("report written");
  expect(stdout).toMatch(/\n[1-9]\d* passed, 0 failed\n$/);
});

test("the last lines name what has failed, and say why", () => {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-checks-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(clone, "node_modules"), join(folder, "node_modules"));
  const first = 'import { expect, test } from "vitest";';
  writeFileSync(join(folder, "a.test.ts"), `${first}\ntest("adds", () => {\n  expect(1 + 1).toBe(3);\n});\ntest("is", () => {});\n`);
  writeFileSync(join(folder, "b.test.ts"), `${first}\nimport "./gone.ts";\ntest("never runs", () => expect(1).toBe(1));\n`);
  const { status, stdout } = runCommand("test", "--root", folder);
  expect(status).toBe(1);
  const last = stdout.slice(stdout.indexOf("\nfailed: "));
  expect(last).toMatch(/^failed: a\.test\.ts > adds\n {4}at a\.test\.ts:3\n {4}AssertionError: expected 2 to be 3 /m);
  expect(last).toMatch(/^failed: b\.test\.ts\n {4}.*\n {4}Error: .*gone\.ts/m);
  expect(last).toMatch(/\n1 passed, 1 failed\n$/);
});

test("a choice that matches no test fails, and says so in one line", () => {
  const { status, stdout, stderr } = runCommand("test", "nothing-matches");
  expect(status).toBe(1);
  expect(stderr).toBe("no test file matches: nothing-matches\n");
  expect(stdout).not.toContain("include");
  expect(stdout).toMatch(/\n0 passed, 1 failed\n$/);
});

test("only what serves gives advice on the machine: once is enough", () => {
  const { stderr } = runCommand("test:unit", "--help");
  expect(stderr).toBe("");
  const machine = thisMachine();
  const build = chooseBuild(machine);
  const advice = typeof build === "string" ? undefined : adviceOn(build, machine);
  expect(runCommand("start", "--help").stderr).toBe(advice === undefined ? "" : `${advice}\n`);
  expect(runCommand("dev", "--help").stderr).toBe(advice === undefined ? "" : `${advice}\n`);
});
