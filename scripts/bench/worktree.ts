// Another commit, checked out beside us, whose code can serve: what the working tree is measured against.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { clone } from "../setup/cache.mjs";

/** There is no such commit, or it cannot be made to run. */
export class WorktreeError extends Error {}

const handlersDir = "scripts/bench/handlers";

export class Worktree {
  readonly clone: string;
  private readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.clone = join(folder, "clone");
  }

  /** @throws {WorktreeError} */
  static async checkOut(ref: string): Promise<Worktree> {
    const commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`).trim();
    // In the clone, which ignores it: on one file system, so that packages are linked as in a real one.
    const worktree = new Worktree(mkdtempSync(join(clone, ".thinstate-bench-")));
    try {
      git("worktree", "add", "--detach", worktree.clone, commit);
      // Both sides run our handlers: those of another commit may do something else, or not exist.
      cpSync(join(clone, handlersDir), join(worktree.clone, handlersDir), { recursive: true });
      worktree.installPackages();
      return worktree;
    } catch (error) {
      await worktree.end();
      throw error;
    }
  }

  end(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    git("worktree", "prune");
    return Promise.resolve();
  }

  /** Ours, where it would install the same. */
  private installPackages(): void {
    const [here, there] = [clone, this.clone].map((folder) => readFileSync(join(folder, "package-lock.json"), "utf8"));
    if (here === there) symlinkSync(join(clone, "node_modules"), join(this.clone, "node_modules"));
    else run("npm", ["ci", "--include=dev"], this.clone);
  }
}

function git(...args: string[]): string {
  return run("git", args, clone);
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new WorktreeError(`${[command, ...args].join(" ")} failed: ${said}`);
  }
}
