import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Child } from "./child.ts";
import { Members } from "./members.ts";
import type { Release } from "./releases/release.ts";
import { WorkerPool } from "./worker-pool.ts";

let folder: string;
let pool: WorkerPool;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "worker-pool-"));
});

afterEach(async () => {
  await pool.kill();
  rmSync(folder, { recursive: true });
});

const error = (number: number) => JSON.stringify({ level: 50, time: 1, msg: `error ${number}` });

test("its last errors are those that were written until it was asked, though nothing of them has been read", async () => {
  const written = join(folder, "written");
  // Less than a pipe takes while nobody reads.
  const line = JSON.stringify({ level: 30, time: 1, msg: "x".repeat(80) });
  const script = `const { writeSync, writeFileSync } = require("node:fs");
    writeSync(1, Buffer.from(${JSON.stringify(`${line}\n`)}.repeat(50)));
    writeSync(1, ${JSON.stringify(`${error(1)}\n`)});
    writeFileSync(${JSON.stringify(written)}, "");
    setInterval(() => undefined, 60_000);`;
  const register = { add: () => undefined, remove: () => undefined };
  pool = new WorkerPool({
    release: { id: "1", folder } as Release,
    size: 1,
    standbys: 1,
    members: new Members("here", () => undefined),
    spawn: () => {
      const spec = { name: "worker-1", command: process.execPath, args: ["-e", script], cwd: folder, env: {} };
      return new Child(spec, { register, onLine: () => undefined, onOverdue: () => undefined });
    },
    onEnd: () => undefined,
  });
  // A busy supervisor: its event loop stands still until the worker has written.
  while (!existsSync(written)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  expect(await pool.lastErrors()).toEqual(["error 1"]);
});
