// What a test's machines boot: a small Debian with systemd and its own nats-server, made once and kept in a cache of the system.
// Debian 13 also has what the tests themselves use: they run in it, too.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

export type Suite = "bookworm" | "trixie";

/** What is in it; another list is another image. */
const forMachines = ["systemd", "systemd-sysv", "nats-server"];
/** Clients of test/ratchet-page, test/reconnecting and test/wamp. python3-ply: by other names, which debootstrap does not know, Autobahn needs it. */
const otherClients = ["php-cli", "python3-autobahn", "python3-ply", "python3-websockets"];
/** chromium-headless-shell: test/browser. libatomic1: Node 26. */
const forTests = ["git", "openssl", "procps", "ca-certificates", "chromium-headless-shell", "libatomic1", ...otherClients];
const packages = { bookworm: forMachines, trixie: [...forMachines, ...forTests] };

/** Of the system: images and Nodes, for every clone. */
export const cache = "/var/cache/thinstate-test";
const usualMirror = "http://deb.debian.org/debian";

/** @returns What is missing here to boot machines, and how to get it; undefined: nothing. */
export function whyNoMachines(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs Linux and root";
  const missing = ["systemd-nspawn", "debootstrap", "nsenter"].filter((name) => !isOnPath(name));
  if (missing.length > 0) return `needs ${missing.join(", ")}: apt-get install systemd-container debootstrap`;
  if (!readFileSync("/proc/filesystems", "utf8").includes("\toverlay\n")) return "needs overlayfs: modprobe overlay";
  return undefined;
}

/** @returns Why tests of machines are skipped here; undefined: they are not. In CI what is missing fails them. */
export function whySkipped(): string | undefined {
  return process.env.CI ? undefined : whyNoMachines();
}

/** @returns The folder of an image that nothing may be changed in. */
export async function imageOf(suite: Suite): Promise<string> {
  const missing = whyNoMachines();
  if (missing !== undefined) throw new Error(`${suite}: ${missing}`);
  const folder = join(cache, `${suite}-${packages[suite].join("+")}-1`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  await execute("debootstrap", ["--variant=minbase", `--include=${packages[suite].join(",")}`, suite, fresh, mirror()], {
    maxBuffer: 2 ** 26,
  });
  // Debian starts its nats-server; ours is another one.
  const units = join(fresh, "etc/systemd/system");
  await rm(join(units, "multi-user.target.wants/nats-server.service"), { force: true });
  await symlink("/dev/null", join(units, "nats-server.service"));
  for (const place of ["srv/app", "usr/local/bin"]) await mkdir(join(fresh, place), { recursive: true });
  await rename(fresh, folder).catch(async (error: NodeJS.ErrnoException) => {
    // Another run was faster.
    if (!existsSync(folder)) throw error;
    await rm(fresh, { recursive: true, force: true });
  });
  return folder;
}

/** This machine's own, where it is a Debian. */
function mirror(): string {
  const folder = "/etc/apt/sources.list.d";
  const files = ["/etc/apt/sources.list", ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])];
  const text = files.map((file) => (existsSync(file) ? readFileSync(file, "utf8") : "")).join("\n");
  return /^(?:URIs:|deb)\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1] ?? usualMirror;
}

function isOnPath(name: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, name)));
}
