import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { Child, type ChildContext, type ChildSpec } from "./child.ts";
import { longestProvenPauseMs, nextPauseMs, Restarter } from "./restarter.ts";

test("pauses double up to ten seconds while a child keeps dying", () => {
  const pauses = [nextPauseMs(0, 5)];
  while (pauses.length < 9) pauses.push(nextPauseMs(pauses.at(-1) ?? 0, 5));
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test("a child that lived for ten seconds is started again at once", () => {
  expect(nextPauseMs(6400, 10_000)).toBe(100);
  expect(nextPauseMs(6400, 9_999)).toBe(10_000);
});

test("for one that has shown that it can work, pauses stay short, however often it is killed", () => {
  expect(nextPauseMs(800, 5, longestProvenPauseMs)).toBe(1_000);
  expect(nextPauseMs(1_000, 5, longestProvenPauseMs)).toBe(1_000);
  expect(nextPauseMs(6400, 5, longestProvenPauseMs)).toBe(1_000);
});

const spec: ChildSpec = { name: "child", command: "/bin/sh", args: ["-c", "echo here"], cwd: "/", env: {} };
const context: ChildContext = {
  register: { add: () => undefined, remove: () => undefined },
  onLine: () => undefined,
  onOverdue: () => undefined,
};

test("what the system refuses to start is tried again, and counts as an end that says why", async () => {
  // Longer than an environment may be: spawn throws, as it does where memory is short. Source: execve(2), E2BIG.
  const tooLong = { ...spec, env: { LONG: "x".repeat(4 * 1024 * 1024) } };
  const starts = [tooLong, spec];
  const ends: string[] = [];
  let restarter: Restarter | undefined;
  const line = new Promise<string>((resolve) => {
    restarter = new Restarter({
      start: () => new Child(starts.shift() ?? spec, { ...context, onLine: (_, text) => resolve(text) }),
      onEnd: (_, text) => ends.push(text),
    });
  });
  expect(await line).toBe("here");
  await restarter?.kill();
  expect(ends[0]).toBe("could not be started: spawn E2BIG; starting again in 100 ms");
});

test("so is what finds no file descriptor left", async () => {
  // In a process of its own: this one's tests need theirs.
  const here = JSON.stringify(import.meta.dirname);
  const script = `
    import { closeSync, openSync } from "node:fs";
    const { Child } = await import(${here} + "/child.ts");
    const { Restarter } = await import(${here} + "/restarter.ts");
    const taken = [];
    try { for (;;) taken.push(openSync("/dev/null")); } catch {}
    const onLine = (_, text) => { console.log(text); restarter.kill(); };
    const context = { register: { add() {}, remove() {} }, onLine, onOverdue() {} };
    const restarter = new Restarter({
      start: () => new Child(${JSON.stringify(spec)}, context),
      onEnd: (_, text) => { for (const descriptor of taken.splice(0)) closeSync(descriptor); console.log(text); },
    });`;
  const command = 'ulimit -n 256; exec "$0" --import tsx --input-type=module -e "$1"';
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", command, process.execPath, script]);
  expect(stdout).toBe("could not be started: spawn /bin/sh EMFILE; starting again in 100 ms\nhere\n");
});
