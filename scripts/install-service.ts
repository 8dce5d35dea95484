// npm run install-service: thinstate as services of this machine's systemd.

import { parseFlags } from "../process/arguments.ts";
import { CodedError } from "../protocol/errors.ts";
import { ownName } from "../supervisor/control.ts";
import { SettingsRefused, settingNames } from "../supervisor/every-setting.ts";
import { webSocketUrl } from "../supervisor/listen-address.ts";
import { NatsServerMissing } from "../supervisor/nats-server/binary.ts";
import { readSettings } from "../supervisor/services/environment-file.ts";
import { install } from "../supervisor/services/install.ts";
import { InstallRefused } from "../supervisor/services/install-settings.ts";
import { layout, units } from "../supervisor/services/layout.ts";
import { Locked, withLock } from "../supervisor/services/lock.ts";
import { enabledUnits, SystemdError } from "../supervisor/services/systemd.ts";
import { unknownSettings } from "../supervisor/unknown-settings.ts";
import { replaceWorkers } from "./replace-workers.ts";
import { clone } from "./setup/cache.mjs";

const usage = `sudo npm run install-service

Sets up NATS, gateways and workers as systemd services, with their users, folders and settings; starts them, and deploys the
working tree. If they exist, it updates everything except the workers' code. It stores the settings in its environment:
sudo PORT=8000 GATEWAYS=2 npm run install-service

It creates /opt/thinstate, /etc/thinstate, /var/lib/thinstate and thinstate* in /etc/systemd/system; npm run uninstall-service
removes them.`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, []);
  if (typeof flags === "number") return flags;
  // What is installed is for other users: not what root's own files would be.
  process.umask(0o022);
  try {
    const { config, outdated } = await withLock("install-service", () => install({ clone, env: process.env, names: settingNames() }));
    // None: never deployed, or removed and installed again.
    if ((await enabledUnits(units.workers)).length === 0) {
      const request = { request: "deploy" as const, force: false, workers: 0, who: ownName() };
      const exitCode = await replaceWorkers(request, { isJson: false, target: "services" });
      if (exitCode !== 0) return exitCode;
    }
    const unknown = unknownSettings(Object.keys(readSettings()));
    if (unknown !== undefined) process.stdout.write(`${layout.settingsFile}: ${unknown}\n`);
    for (const unit of outdated) process.stdout.write(`still runs what was installed before: systemctl restart ${unit}\n`);
    process.stdout.write(`ready ${webSocketUrl(config.host, config.port, config.hasTls)}, settings in ${layout.settingsFile}\n`);
    return 0;
  } catch (error) {
    const isExpected = [InstallRefused, SettingsRefused, Locked, SystemdError, NatsServerMissing, CodedError].some(
      (kind) => error instanceof kind,
    );
    process.stderr.write(`${isExpected ? (error as Error).message : (error as Error).stack}\n`);
    return 1;
  }
}
