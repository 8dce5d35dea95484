import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { git } from "./git.ts";

/** Of nobody in particular. */
const owner = 12_345;

test.runIf(process.getuid?.() === 0)(
  "root runs git as the owner of the clone: what its configuration names is run without root's rights",
  async () => {
    // Not TMPDIR, which may be a folder that only root may enter.
    const clone = mkdtempSync("/tmp/thinstate-git-");
    onTestFinished(() => rmSync(clone, { recursive: true }));
    const [program, witness] = [join(clone, "program"), join(clone, "witness")];
    execFileSync("git", ["init", "--quiet"], { cwd: clone });
    writeFileSync(program, `#!/bin/sh\n{ id -u; id -G; env; tty; } >${witness} 2>&1\n`);
    chmodSync(program, 0o755);
    execFileSync("git", ["config", "core.fsmonitor", program], { cwd: clone });
    execFileSync("chown", ["-R", `${owner}:${owner}`, clone]);
    process.env.ROOTS_SECRET = "secret";
    onTestFinished(() => void delete process.env.ROOTS_SECRET);
    expect(await git(clone, ["status", "--porcelain"])).toContain("?? program");
    const said = readFileSync(witness, "utf8");
    expect(said.split("\n").slice(0, 2)).toEqual([String(owner), String(owner)]);
    expect(said).not.toContain("secret");
  },
);
