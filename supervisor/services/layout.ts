// Where an installation on systemd has its things. The units in systemd/ name the same places.

import { existsSync } from "node:fs";
import { join } from "node:path";

/** What gateways run: replaced as a whole by each installation. */
const software = "/opt/thinstate";
const settings = "/etc/thinstate";
/** What deploys make. */
const state = "/var/lib/thinstate";

export const layout = {
  software,
  /** A link to the code that gateways start with. */
  code: join(software, "code"),
  node: join(software, "bin", "node"),
  natsServer: join(software, "bin", "nats-server"),
  /** Lists the folders of others that were made because they were missing. */
  madeFolders: join(software, "made-folders"),
  settings,
  /** Environment variables, for systemd and for the commands. */
  settingsFile: join(settings, "thinstate.env"),
  /** The same for workers alone, with what only they may know; it may be missing. */
  workerSettingsFile: join(settings, "worker.env"),
  /** Keys of the HTTP API, by their hash: for gateways alone. */
  apiKeysFile: join(settings, "api-keys.json"),
  /** Certificates of the gateways. */
  tls: join(settings, "tls"),
  natsConfiguration: join(settings, "nats-server.conf"),
  /** What each role shows to NATS: readable by root alone, handed to each service by systemd. */
  natsAccess: join(settings, "nats"),
  /** What JetStream keeps for some minutes. systemd makes it (StateDirectory=). */
  natsStore: join(state, "nats"),
  state,
  /** By instance: links to releases. */
  workers: join(state, "workers"),
  activationFile: join(state, "activation.json"),
  /** Of the command that changes something at the moment: its lock, and its control socket. Gone after a boot. */
  run: "/run/thinstate",
  units: "/etc/systemd/system",
  sysusers: "/etc/sysusers.d/thinstate.conf",
  tmpfiles: "/etc/tmpfiles.d/thinstate.conf",
} as const;

export const users = ["thinstate-gateway", "thinstate-worker", "thinstate-nats"] as const;

/** Those that read the settings. */
export const settingsGroup = "thinstate";

export const units = {
  all: "thinstate.target",
  workers: "thinstate-workers.target",
  nats: "thinstate-nats.service",
  gateway: (instance: number | "*") => `thinstate-gateway@${instance}.service`,
  /** @param number From 1; `*`: every worker of the release. */
  worker: (release: string, number: number | "*") => `thinstate-worker@${release}.${number}.service`,
} as const;

/** Beside unit files: of those folders, the rest is the administrator's (systemctl edit). */
export const dropInName = "thinstate-nats.conf";

/** The files in systemd/ that are units. */
export const unitFiles = [
  "thinstate.target",
  "thinstate-workers.target",
  "thinstate-stop.service",
  "thinstate-workers-stop.service",
  "thinstate-restart.service",
  "thinstate-workers-restart.service",
  "thinstate-gateway@.service",
  "thinstate-worker@.service",
  "thinstate-nats.service",
] as const;

/** Whether this machine runs thinstate as services. Settings and releases prove nothing: they outlive an installation. */
export function isInstalled(): boolean {
  return existsSync(join(layout.units, units.all));
}
