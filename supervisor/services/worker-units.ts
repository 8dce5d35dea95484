// The units of one release's workers, and what each of them needs on the disk: a link to the release, and an environment file
// in the release that names it.

import { mkdir, open, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { typeScriptLoader } from "../node-flags.ts";
import { handlerSettings } from "../releases/handler-folders.ts";
import type { Release } from "../releases/release.ts";
import type { WorkerRole } from "../releases/worker-role.ts";
import { withSettings } from "./environment-file.ts";
import { layout, units } from "./layout.ts";
import { linkAccess } from "./nats-access.ts";
import { enabledUnits, run, systemctl, unitStates } from "./systemd.ts";

const wants = join(layout.units, `${units.workers}.wants`);

/** Unit names, for so many workers of a release. */
export function workerUnits(release: string, size: number): string[] {
  return Array.from({ length: size }, (_, index) => units.worker(release, index + 1));
}

/** Releases whose workers run, or are about to, and the highest number that one of them has. */
export async function runningReleases(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { unit, active } of await unitStates("thinstate-worker@*")) {
    const [, release, number] = /^thinstate-worker@(.+)\.(\d+)\.service$/.exec(unit) ?? [];
    if (release === undefined || !["active", "activating", "reloading"].includes(active)) continue;
    found.set(release, Math.max(found.get(release) ?? 0, Number(number)));
  }
  return found;
}

/** Makes what the units need that run a release. @param role As what its workers connect to NATS. */
export async function placeWorkers({ id, folder, manifest }: Release, names: readonly string[], role: WorkerRole): Promise<void> {
  await linkAccess(folder, role);
  await writeFile(
    join(folder, "release.env"),
    withSettings("", { RELEASE: id, ...handlerSettings(folder, manifest), LOADER: typeScriptLoader(folder) }),
    { mode: 0o644 },
  );
  await mkdir(layout.workers, { recursive: true });
  for (const name of names) {
    const link = join(layout.workers, instanceOf(name));
    await rm(link, { force: true });
    await symlink(relative(layout.workers, folder), link);
  }
}

/** Removes links to releases that are gone. */
export async function clearPlaces(): Promise<void> {
  for (const name of await readdir(layout.workers).catch(() => [])) {
    const link = join(layout.workers, name);
    if ((await stat(link).catch(() => undefined)) === undefined) await rm(link, { force: true });
  }
}

/**
 * From now on a boot starts these workers, too. What `systemctl enable` does, without its reload: work waits for this.
 * Returns when it is on the disk.
 */
export async function enableWorkers(names: readonly string[]): Promise<void> {
  await mkdir(wants, { recursive: true });
  for (const name of names) {
    await symlink(join(layout.units, "thinstate-worker@.service"), join(wants, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  const folder = await open(wants);
  await folder.sync().finally(() => folder.close());
}

/** A boot starts no other workers than these. */
export async function disableOthers(names: readonly string[]): Promise<void> {
  for (const name of await enabledUnits(units.workers)) if (!names.includes(name)) await rm(join(wants, name), { force: true });
  await systemctl("daemon-reload");
}

/** Stops a release's workers after a while, whatever becomes of the process that asked for it. A later word replaces an earlier one. */
export async function drainLater(release: string, afterMs: number): Promise<void> {
  await keepRunning(release);
  const timer = [`--on-active=${Math.max(1, Math.round(afterMs))}ms`, "--timer-property=AccuracySec=100ms", "--collect", "--quiet"];
  await run("systemd-run", ...timer, `--unit=${drainOf(release)}`, "systemctl", "stop", units.worker(release, "*"));
}

/** Takes `drainLater` back. */
export async function keepRunning(release: string): Promise<void> {
  await systemctl("stop", `${drainOf(release)}.timer`).catch(() => undefined);
}

/** Stops units, and kills those that take too long. */
export async function stopWorkers(release: string, timeoutMs: number): Promise<void> {
  await keepRunning(release);
  const pattern = units.worker(release, "*");
  const killing = setTimeout(() => void systemctl("kill", "--signal=SIGKILL", pattern).catch(() => undefined), timeoutMs);
  try {
    await systemctl("stop", pattern);
    // Forgets that they have failed, too.
    await systemctl("reset-failed", pattern).catch(() => undefined);
  } finally {
    clearTimeout(killing);
  }
}

function instanceOf(unit: string): string {
  return unit.replace(/^[^@]*@(.*)\.service$/, "$1");
}

function drainOf(release: string): string {
  return `thinstate-drain-${release}`;
}
