import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { fileLimit, fileLimitFault } from "./file-limit.ts";

test("connections that fit are no fault; others say what to raise", () => {
  expect(fileLimitFault(1000, 1100)).toBeUndefined();
  expect(fileLimitFault(10_000, Number.POSITIVE_INFINITY)).toBeUndefined();
  expect(fileLimitFault(10_000, 4096)).toContain("a process may have 4096 files open here");
  expect(fileLimitFault(10_000, 4096)).toContain("ulimit -Hn 10100");
});

test("the limit is the one that processes of ours get: Node raises a soft one to the hard one", () => {
  const script = 'import { fileLimit } from "./bench/file-limit.ts"; console.log(fileLimit());';
  const command = `ulimit -Sn 256 && exec "${process.execPath}" --import tsx --input-type=module -e '${script}'`;
  const { stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  expect(Number(stdout), stderr).toBe(fileLimit());
});
