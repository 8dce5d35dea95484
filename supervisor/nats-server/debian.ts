// Unpacks Debian's nats-server into a folder of ours. Needs no root: nothing is installed, and where the system's package
// lists are missing, private ones are fetched.

import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { startProgress } from "../../scripts/setup/progress.mjs";
import { withWorkFolder } from "./work-folder.ts";

const packageName = "nats-server";
const stepTimeoutMs = 300_000;

/**
 * @param target The file that the executable becomes.
 * @returns undefined when it is there, else why not.
 */
export async function fetchFromDebian(target: string): Promise<string | undefined> {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/usr/bin/dpkg"))
    return "Without apt-get, no package of the distribution could be fetched.";
  const progress = startProgress("fetching nats-server with apt-get");
  try {
    await withWorkFolder(target, async (work) => {
      await download(work, progress.update);
      progress.update("unpacking nats-server");
      const file = readdirSync(work).find((name) => name.endsWith(".deb"));
      if (file === undefined) throw new Error("apt-get download left no package");
      await run("dpkg", ["-x", join(work, file), join(work, "unpacked")], work);
      const whole = join(work, "nats-server");
      copyFileSync(executableIn(join(work, "unpacked")), whole);
      chmodSync(whole, 0o755);
      renameSync(whole, target);
    });
    progress.done("fetched nats-server");
    return undefined;
  } catch (error) {
    progress.fail();
    return `Fetching Debian's with apt-get failed:\n${error instanceof Error ? error.message : String(error)}`;
  }
}

async function download(work: string, say: (text: string) => void): Promise<void> {
  try {
    await run("apt-get", [...privateCache(work), "download", packageName], work);
  } catch {
    // No lists, as in a container image, or old ones that name a version which is gone.
    say("fetching Debian's package lists");
    const lists = join(work, "lists");
    mkdirSync(join(lists, "partial"), { recursive: true });
    const options = [...privateCache(work), "-o", `Dir::State::Lists=${lists}`];
    await run("apt-get", [...options, "update"], work);
    say("fetching nats-server with apt-get");
    await run("apt-get", [...options, "download", packageName], work);
  }
}

function privateCache(work: string): string[] {
  const cache = join(work, "cache");
  mkdirSync(join(cache, "archives", "partial"), { recursive: true });
  // Under root, apt would fetch as the user _apt, who may not enter our folder.
  const options = [`Dir::Cache=${cache}`, ...(process.getuid?.() === 0 ? ["APT::Sandbox::User=root"] : [])];
  return ["-q", ...options.flatMap((option) => ["-o", option])];
}

function executableIn(folder: string): string {
  const found = ["usr/sbin", "usr/bin"].map((place) => join(folder, place, "nats-server")).find((file) => existsSync(file));
  if (found === undefined) throw new Error("the package has no nats-server in it");
  return found;
}

function run(command: string, args: string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, timeout: stepTimeoutMs, env: { ...process.env, LC_ALL: "C" } }, (error, stdout, stderr) => {
      if (error === null) return resolve();
      const said = `${stdout}\n${stderr}`.split("\n").filter((line) => /^[EW]:/.test(line));
      reject(new Error(said.slice(-5).join("\n") || error.message));
    });
  });
}
