// `npm test` in a container: Debian 13 with another Node, where the clone is a copy of the working tree and nothing
// is installed yet. Its loopback is this machine's, so tests take free ports, as they do here.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { clone } from "../../scripts/setup/cache.mjs";
import { copySources, listFiles } from "../../supervisor/releases/sources.ts";
import { cache, imageOf } from "./image.ts";
import { nodeOf } from "./node.ts";
import { registrySettings } from "./registry.ts";

const inside = "/srv/app";

/**
 * Without localhost in /etc/hosts, as in some minimal images: nothing of ours may need it. The clone is a checkout of a commit, for
 * what asks git.
 */
const script = `set -e
ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
echo "127.0.0.1 $(uname -n)" >/etc/hosts
git init --quiet --initial-branch=main
git add .
git -c user.name=test -c user.email=test@example.com commit --quiet --message="the working tree"
exec npm test -- "$@"`;

/**
 * @param nodeMajor "24"
 * @param args vitest's. Without the project systemd: machines do not boot within a container.
 * @param more Further variables.
 * @returns what it wrote to stdout, which was also passed on as it came.
 * @throws where there can be no such container.
 */
export async function runSuite(
  nodeMajor: string,
  args: readonly string[],
  more: Readonly<Record<string, string>>,
): Promise<{ exitCode: number | null; stdout: string }> {
  const [image, { node, npm }] = [await imageOf("trixie"), await nodeOf(nodeMajor)];
  removeLeftovers();
  const folder = join(cache, `run-${process.pid}`);
  try {
    await copyTo(join(folder, "clone"));
    // On disk, since what is written elsewhere in the container is kept in memory.
    const kept = { [join(folder, "clone")]: inside, [join(folder, "tmp")]: "/tmp", [join(cache, "npm")]: "/root/.npm" };
    for (const path of Object.keys(kept)) await mkdir(path, { recursive: true });
    // As every /tmp: some tests run things as another user.
    await chmod(join(folder, "tmp"), 0o1777);
    const { env, files } = registrySettings();
    process.stdout.write(
      `Debian 13 with Node ${nodeMajor}; without the tests of systemd: machines boot where the tests run on the machine itself\n`,
    );
    return await passOn("systemd-nspawn", [
      "--quiet",
      `--directory=${image}`,
      // Changes go into memory, and others may use the image at the same time.
      "--read-only",
      "--volatile=overlay",
      "--as-pid2",
      "--pipe",
      "--register=no",
      "--keep-unit",
      "--resolv-conf=replace-host",
      "--hostname=debian13",
      `--chdir=${inside}`,
      ...Object.entries(kept).map(([from, to]) => `--bind=${from}:${to}`),
      `--bind-ro=${node}:/usr/local/bin/node`,
      `--bind-ro=${npm}:/usr/local/lib/node_modules/npm`,
      ...files.map(({ from, to }) => `--bind-ro=${from}:${to}`),
      ...Object.entries({ ...env, ...more, CI: process.env.CI ?? "" }).map(([name, value]) => `--setenv=${name}=${value}`),
      ...["/bin/sh", "-c", script, "sh", ...args],
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyTo(folder: string): Promise<void> {
  const files = await listFiles(clone, (path) => path !== "");
  await copySources({ clone, files, to: folder, signal: new AbortController().signal });
}

/** Of runs that were killed. */
function removeLeftovers(): void {
  for (const name of readdirSync(cache)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function passOn(command: string, args: readonly string[]): Promise<{ exitCode: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      process.stdout.write(chunk);
    });
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, stdout }));
  });
}
