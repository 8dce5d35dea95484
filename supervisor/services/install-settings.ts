// The files of settings in /etc/thinstate, as an installation leaves them: thinstate.env for gateways and workers, and worker.env
// for what only the code in workers may know. What a person has written there stays.

import { existsSync, readFileSync } from "node:fs";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { withSettings } from "./environment-file.ts";
import { layout, settingsGroup } from "./layout.ts";
import { run, worksInService } from "./systemd.ts";

/** Nothing that runs was changed; the message says what to do. */
export class InstallRefused extends Error {}

/** The text of thinstate.env; of a new one where there is none. */
export function currentSettings(clone: string): string {
  if (existsSync(layout.settingsFile)) return readFileSync(layout.settingsFile, "utf8");
  const template = readFileSync(join(clone, "systemd", "thinstate.env"), "utf8");
  // A gateway has one thread.
  return withSettings(template, { GATEWAYS: String(availableParallelism()) });
}

/** @returns What was done besides, for people. */
export async function installSettings(clone: string, text: string): Promise<string | undefined> {
  // One that was made by hand is open to all: NATS_URL may have a password.
  await writeFile(layout.settingsFile, "", { mode: 0o640, flag: "a" });
  await chmod(layout.settingsFile, 0o640);
  // Gateways and workers read it again when they are asked to reload.
  await run("chown", `root:${settingsGroup}`, layout.settingsFile);
  await writeFile(layout.settingsFile, text);

  if (!existsSync(layout.workerSettingsFile)) {
    const template = await readFile(join(clone, "systemd", "worker.env"), "utf8");
    await writeFile(layout.workerSettingsFile, template, { mode: 0o600, flag: "wx" });
    return undefined;
  }
  // A group of its own was somebody's intent; what is root's alone, or everybody's, was none.
  const { mode, gid } = await stat(layout.workerSettingsFile);
  const closed = mode & (gid === 0 ? 0o700 : 0o770);
  if (closed === (mode & 0o777)) return undefined;
  await chmod(layout.workerSettingsFile, closed);
  return `settings: ${layout.workerSettingsFile} could be read by others, now its mode is ${closed.toString(8)}`;
}

/** Root may read more than gateways may. @throws {InstallRefused} */
export async function refuseUnreadable(settings: string): Promise<void> {
  for (const name of ["TLS_CERT_FILE", "TLS_KEY_FILE"]) {
    const file = parseEnv(settings)[name];
    if (!file || (await worksInService("thinstate-gateway", "/usr/bin/test", "-r", file))) continue;
    throw new InstallRefused(`gateways may not read ${name}=${file}: copy it into ${layout.tls}, and name it there`);
  }
}
