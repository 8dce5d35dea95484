// npm run uninstall-service: takes back what npm run install-service has done.

import { existsSync } from "node:fs";
import { parseFlags } from "../process/arguments.ts";
import { layout } from "../supervisor/services/layout.ts";
import { Locked, withLock } from "../supervisor/services/lock.ts";
import { SystemdError } from "../supervisor/services/systemd.ts";
import { uninstall } from "../supervisor/services/uninstall.ts";
import { type Progress, startProgress } from "./setup/progress.mjs";

const usage = `sudo npm run uninstall-service [-- options]

Stops the services, and removes units and software. Settings (${layout.settings}), releases (${layout.state}) and the users that
own them are kept for another npm run install-service.

  --purge   remove settings, releases and users, too; files that workers have written elsewhere then have no owner
            (find / -xdev -nouser lists them)`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["purge"]);
  if (typeof flags === "number") return flags;
  let progress: Progress | undefined;
  const onStep = (text: string) => {
    progress?.done();
    progress = startProgress(text);
  };
  try {
    await withLock("uninstall-service", () => uninstall({ isPurged: flags.purge, onStep }));
    progress?.done();
  } catch (error) {
    progress?.fail();
    if (error instanceof Locked || error instanceof SystemdError) return fail(error.message);
    throw error;
  }
  const kept = [layout.settings, layout.state].filter((folder) => existsSync(folder));
  process.stdout.write(kept.length === 0 ? "removed\n" : `removed; kept: ${kept.join(", ")} and their users (--purge removes them)\n`);
  return 0;
}

function fail(text: string): number {
  process.stderr.write(`${text}\n`);
  return 1;
}
