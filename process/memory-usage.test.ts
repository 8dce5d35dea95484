import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Opens files until there are no more, and asks then. */
const script = `
  import { openSync } from "node:fs";
  import { memoryUsage } from "${new URL("memory-usage.ts", import.meta.url).href}";
  try {
    for (;;) openSync("/dev/null", "r");
  } catch {}
  console.log(memoryUsage().rss);
`;

test("is told also by a process that may open no more files", async () => {
  const node = [process.execPath, "--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)("sh", ["-c", 'ulimit -n 256; exec "$@"', "sh", ...node]);
  expect(Number(stdout)).toBeGreaterThan(1024 * 1024);
});
