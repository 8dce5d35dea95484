import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasAutogroups } from "../../test/autogroup.ts";
import { isAlive, until } from "../../test/installation.ts";
import { runChild } from "./low-priority-process.ts";

const base = { cwd: import.meta.dirname, signal: new AbortController().signal, processorLimitMs: 10_000, limitMs: 600_000, isModest: true };

function node(source: string, options = {}) {
  return runChild([process.execPath, "-e", source], { ...base, ...options });
}

test("a child runs at low priority, in a group of its own", async () => {
  const result = await node("console.log(os.getPriority()); console.error('x'); process.exitCode = 3");
  expect(result).toMatchObject({ exitCode: 3, signal: null, stdout: "10\n", stderr: "x\n", limit: undefined });
});

test("a child that nobody has to be spared from has its starter's priority", async () => {
  expect(await node("console.log(os.getPriority())", { isModest: false })).toMatchObject({ stdout: `${getPriority()}\n` });
});

test.runIf(hasAutogroups)("a child's session has low priority, too", async () => {
  const own = readFileSync("/proc/self/autogroup", "utf8");
  const { stdout } = await node('console.log(fs.readFileSync("/proc/self/autogroup", "utf8"))');
  expect(stdout).toMatch(/ nice 10$/m);
  // Not that of who starts it; it may have none.
  expect(readFileSync("/proc/self/autogroup", "utf8")).toBe(own);
});

test("a child that does not end is killed, with what it started", async () => {
  // `close` comes only when nobody holds the pipes any more: the grandchild does until it is killed too.
  const source = 'child_process.spawn("sleep", ["60"], { stdio: "inherit" }); for (;;);';
  expect(await node(source, { limitMs: 200 })).toMatchObject({ exitCode: null, signal: "SIGKILL", limit: "clock" });
});

test("what counts is processor time: a child that waits is not cut off for it, one that computes is, with what it started", async () => {
  const limits = { processorLimitMs: 1_000, isModest: false };
  expect(await node("setTimeout(() => {}, 1_500)", limits)).toMatchObject({ exitCode: 0, limit: undefined });
  expect(await node("for (;;);", limits)).toMatchObject({ exitCode: null, signal: "SIGXCPU", limit: "processor" });
  const deaf = 'process.on("SIGXCPU", () => {}); for (;;);';
  expect(await node(deaf, limits)).toMatchObject({ exitCode: null, signal: "SIGKILL", limit: "processor" });
  // As the compiler's wrapper does.
  const wrapper = `process.exitCode = child_process.spawnSync(process.execPath, ["-e", ${JSON.stringify(deaf)}]).status ?? 1`;
  expect(await node(wrapper, limits)).toMatchObject({ exitCode: 1, limit: "processor" });
});

test("a child that a signal ends says which", async () => {
  expect(await node('process.kill(process.pid, "SIGTERM")')).toMatchObject({ exitCode: null, signal: "SIGTERM", limit: undefined });
});

test("an abort kills the child and is what is thrown", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const running = node("setInterval(() => {}, 1000)", { signal: controller.signal });
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  await expect(node("", { signal: controller.signal })).rejects.toBe(reason);
});

test("a child that waits for ever ends when whoever started it is killed", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "thinstate-child-")), "pid");
  const command = [process.execPath, "-e", `fs.writeFileSync("${file}", String(process.pid)); setInterval(() => {}, 1000)`];
  const module = join(import.meta.dirname, "low-priority-process.ts");
  const options = `{ ...${JSON.stringify(base)}, signal: new AbortController().signal }`;
  const source = `import { runChild } from "${module}"; await runChild(${JSON.stringify(command)}, ${options})`;
  const starter = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], { stdio: "inherit" });
  const pid = await until("a child", () => (existsSync(file) && Number(readFileSync(file, "utf8"))) || undefined);
  starter.kill("SIGKILL");
  await until("an end of the child", () => !isAlive(pid) || undefined);
});

test("a child that cannot be started is thrown", async () => {
  await expect(runChild(["true"], { ...base, cwd: "/nowhere" })).rejects.toThrow(/ENOENT/);
});
