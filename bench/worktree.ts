// Another commit, checked out beside us, whose code can serve: what the working tree is measured against.

import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { clone } from "../scripts/setup/cache.mjs";
import { handlersDirs } from "./side.ts";

/** It cannot be made to run. */
export class WorktreeError extends Error {}

export class UnknownCommit extends WorktreeError {}

export class Worktree {
  readonly clone: string;
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.clone = join(folder, "clone");
  }

  /** @throws {WorktreeError} {UnknownCommit} */
  static async checkOut(ref: string): Promise<Worktree> {
    const commit = await git("rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`).catch(() => {
      throw new UnknownCommit(`there is no commit "${ref}" here`);
    });
    // In the clone, which ignores it: on one file system, so that packages are linked as in a real one.
    const worktree = new Worktree(mkdtempSync(join(clone, ".thinstate-bench-")));
    try {
      await git("worktree", "add", "--detach", worktree.clone, commit.trim());
      // Both sides run our handlers: those of another commit may do something else, or not exist.
      for (const dir of handlersDirs) cpSync(join(clone, dir), join(worktree.clone, dir), { recursive: true });
      await worktree.installPackages();
      return worktree;
    } catch (error) {
      await worktree.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    await git("worktree", "prune");
  }

  /** Ours, where it would install the same. */
  private async installPackages(): Promise<void> {
    const [here, there] = [clone, this.clone].map((folder) => readFileSync(join(folder, "package-lock.json"), "utf8"));
    if (here === there) symlinkSync(join(clone, "node_modules"), join(this.clone, "node_modules"));
    else await run("npm", ["ci", "--include=dev"], this.clone);
  }
}

function git(...args: string[]): Promise<string> {
  return run("git", args, clone);
}

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd })).stdout;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new WorktreeError(`${[command, ...args].join(" ")} failed: ${said}`);
  }
}
