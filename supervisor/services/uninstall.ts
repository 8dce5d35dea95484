// Removes what install-service and deploys have made on this machine, and nothing else: packages, and what an administrator has
// put beside our files, stay.

import { existsSync } from "node:fs";
import { readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { dropInName, layout, settingsGroup, unitFiles, units, users } from "./layout.ts";
import { enabledUnits, run, SystemdError, systemctl, unitStates } from "./systemd.ts";

/**
 * @param isPurged Settings, keys and releases are removed, too, and then their users: as long as there are files of theirs, nobody
 *   else may get their ids.
 * @throws {SystemdError}
 */
export async function uninstall({ isPurged, onStep }: { isPurged: boolean; onStep: (text: string) => void }): Promise<void> {
  onStep("stopping services");
  // The order is the target's: gateways, workers, NATS. Then what is not part of it, as workers that are kept warm.
  if (existsSync(join(layout.units, units.all))) await systemctl("stop", units.all);
  // One that ends by itself meanwhile is none that could be stopped: what counts is that none is left.
  await Promise.all((await unitStates("thinstate-*")).map(({ unit }) => systemctl("stop", unit).catch(() => undefined)));
  const left = (await unitStates("thinstate-*")).filter(({ active }) => active !== "inactive" && active !== "failed");
  if (left.length > 0) throw new SystemdError(`cannot be stopped: ${left.map(({ unit }) => unit).join(", ")}`);

  onStep("removing units");
  const enabled = [units.all, ...(await enabledUnits(units.all)), ...(await enabledUnits(units.workers))];
  await systemctl("disable", "--quiet", ...enabled).catch(() => undefined);
  for (const name of unitFiles) await rm(join(layout.units, name), { force: true });
  for (const part of ["gateway", "worker"]) await rm(join(layout.units, `thinstate-${part}@.service.d`, dropInName), { force: true });
  await systemctl("daemon-reload");
  await systemctl("reset-failed", "thinstate-*").catch(() => undefined);

  onStep("removing software and folders");
  for (const file of [layout.tmpfiles, layout.sysusers]) await rm(file, { force: true });
  await removeMadeFolders();
  for (const folder of [layout.software, layout.run]) await rm(folder, { recursive: true, force: true });
  if (!isPurged) return;
  onStep("removing settings, releases and users");
  for (const folder of [layout.settings, layout.state]) await rm(folder, { recursive: true, force: true });
  for (const user of users) await run("userdel", user).catch(() => undefined);
  await run("groupdel", settingsGroup).catch(() => undefined);
}

/** Those that the installation had to make, where nobody has put anything there since. */
async function removeMadeFolders(): Promise<void> {
  const made = await readFile(layout.madeFolders, "utf8").catch(() => "");
  for (const folder of made.split("\n").filter((line) => line !== "")) await rmdir(folder).catch(() => undefined);
}
