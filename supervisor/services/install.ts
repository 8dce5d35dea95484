// Makes this machine run thinstate as services of systemd, from the clone that the command is called in. Each step leaves what
// is right already as it is, so a second run updates.

import { existsSync } from "node:fs";
import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { startProgress } from "../../scripts/setup/progress.mjs";
import type { Config } from "../config.ts";
import { asService, type Checked, checkEverySetting } from "../every-setting.ts";
import { configuredPayload, configuredStore } from "../nats-server/configuration.ts";
import { checkPort } from "../port.ts";
import { portOwner } from "../port-owner.ts";
import { isReleaseName } from "../releases/release-name.ts";
import { workerRole } from "../releases/worker-role.ts";
import { readSettings, withSettings } from "./environment-file.ts";
import { currentSettings, InstallRefused, installSettings, refuseUnreadable } from "./install-settings.ts";
import { dropInName, layout, unitFiles, units } from "./layout.ts";
import { accessDropIn, configureOwnServer, hasAccess, linkAccess, takeAccess } from "./nats-access.ts";
import { installCode, installNatsServer, installNode } from "./software.ts";
import { enabledUnits, isBooted, journalSince, run, SystemdError, systemctl, unitStates } from "./systemd.ts";

/** Of each unit, where services do not start. */
const lastLines = 5;

/** Since then %d is the folder of credentials. */
const leastSystemd = 250;

/** Named by a command's environment, but no settings of the installation: the files are copied, the folder is its own. */
const notKept = new Set(["THINSTATE_DIR", "SETTINGS_FILE", "NATS_CREDENTIALS_FILE", "NATS_CA_FILE", "NATS_CERT_FILE", "NATS_KEY_FILE"]);

export interface InstallOptions {
  readonly clone: string;
  /** Settings in it are written into the settings file. */
  readonly env: NodeJS.ProcessEnv;
  /** Every variable that is a setting. */
  readonly names: readonly string[];
}

export interface Installed {
  readonly config: Config;
  /** Gateways that run what was installed before: a restart costs their clients a reconnect. */
  readonly outdated: readonly string[];
}

/** @throws {InstallRefused}, {SettingsRefused} before anything that runs is changed; {SystemdError}. */
export async function install({ clone, env, names }: InstallOptions): Promise<Installed> {
  await checkSystem();
  const given = names.filter((name) => env[name] && !notKept.has(name)).map((name) => [name, env[name] as string]);
  const settings = withSettings(currentSettings(clone), Object.fromEntries(given));
  const workerSettings = existsSync(layout.workerSettingsFile) ? readSettings(layout.workerSettingsFile) : {};
  const { config, payloadBytes } = checkEverySetting({ ...asService, ...parseEnv(settings), THINSTATE_DIR: layout.state }, workerSettings);
  const running = (await unitStates(units.gateway("*"))).filter(({ active }) => active === "active").map(({ unit }) => unit);
  if (running.length === 0) await checkAddress(config);

  await step("users and folders", () => installAccounts(clone));
  await refuseUnreadable(settings);
  await step("settings", () => installSettings(clone, settings));
  await step("Node.js", () => installNode());
  let isNewCode = false;
  await step("code of the gateways", async () => {
    isNewCode = await installCode(clone);
  });
  if (config.natsUrl === undefined) {
    await step("nats-server", () =>
      installNatsServer(join(clone, ".thinstate", "nats"), { ...env, NATS_SERVER_MIRROR: parseEnv(settings).NATS_SERVER_MIRROR }),
    );
  }
  // Those who are connected hear of another max_payload only when they connect again, and JetStream cannot be turned on while it runs: a
  // restart costs nobody a message.
  const before = layout.natsConfiguration;
  const mustRestartNats = configuredPayload(before) !== payloadBytes || configuredStore(before) !== layout.natsStore;
  let areNewUnits = false;
  await step("units", async () => {
    areNewUnits = await installUnits(clone, { config, payloadBytes }, env);
  });
  await step("services", () => startServices(config, mustRestartNats));
  return { config, outdated: isNewCode || areNewUnits ? running : [] };
}

async function checkSystem(): Promise<void> {
  if (process.platform !== "linux" || !isBooted()) {
    throw new InstallRefused("This machine does not run systemd. In a container or on another system: npm start");
  }
  const version = Number(/^systemd (\d+)/.exec(await systemctl("--version"))?.[1]);
  if (version < leastSystemd) throw new InstallRefused(`This is systemd ${version}; thinstate needs ${leastSystemd} or newer (Debian 12).`);
}

/** A stranger on the port would be found by the gateways too, but only in their log. */
async function checkAddress({ host, port }: Config): Promise<void> {
  if (port === 0) throw new InstallRefused("PORT=0 would be another port after each start: choose a fixed one");
  try {
    await checkPort(port, host);
  } catch (error) {
    const owner = portOwner(port);
    const who = owner === undefined ? "" : `, by process ${owner.pid} (${owner.commandLine})`;
    const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    const why = isTaken ? `port ${port} on ${host} is taken${who}` : (error as Error).message;
    throw new InstallRefused(`${why}. Choose another one: sudo PORT=… npm run install-service`);
  }
}

async function installAccounts(clone: string): Promise<void> {
  for (const [source, target, program] of [
    ["thinstate.sysusers", layout.sysusers, "systemd-sysusers"],
    ["thinstate.tmpfiles", layout.tmpfiles, "systemd-tmpfiles"],
  ] as const) {
    await ensureFolder(dirname(target));
    await copyFile(join(clone, "systemd", source), target);
    await run(program, ...(program === "systemd-tmpfiles" ? ["--create"] : []), target);
  }
}

/** For a folder that is not only ours: one that had to be made is removed with the rest. */
async function ensureFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  await mkdir(layout.software, { recursive: true });
  await appendFile(layout.madeFolders, `${folder}\n`);
}

/** @returns whether gateways that run were started by other ones. */
async function installUnits(
  clone: string,
  { config, payloadBytes }: Pick<Checked, "config" | "payloadBytes">,
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  const isOwn = config.natsUrl === undefined;
  if (!isOwn) await removeOwnServer();
  const ownUrl = isOwn ? await configureOwnServer(config.namespace, payloadBytes) : undefined;
  if (!isOwn) await takeAccess(env);
  const changed = new Set<string>();
  for (const name of unitFiles) {
    if (name === units.nats && !isOwn) continue;
    if (await write(join(layout.units, name), await readFile(join(clone, "systemd", name), "utf8"))) changed.add(name);
  }
  await linkOlderReleases();
  for (const role of ["gateway", "worker"] as const) {
    const folder = join(layout.units, `thinstate-${role}@.service.d`);
    await ensureFolder(folder);
    if (await write(join(folder, dropInName), accessDropIn(role, ownUrl))) changed.add(`thinstate-${role}@.service`);
  }
  if (changed.size > 0) await systemctl("daemon-reload");
  return changed.has("thinstate-gateway@.service");
}

/** What 0.2 has made, and may still run, has no link of its own to what it shows to NATS. */
async function linkOlderReleases(): Promise<void> {
  const folder = join(layout.state, "releases");
  for (const name of (await readdir(folder)).filter(isReleaseName)) {
    if (!(await hasAccess(join(folder, name)))) await linkAccess(join(folder, name), workerRole(join(folder, name)));
  }
}

/** @returns whether there was another text, or none. */
async function write(file: string, text: string): Promise<boolean> {
  if ((await readFile(file, "utf8").catch(() => undefined)) === text) return false;
  await writeFile(file, text, { mode: 0o644 });
  return true;
}

async function removeOwnServer(): Promise<void> {
  const unit = join(layout.units, units.nats);
  await rm(layout.natsConfiguration, { force: true });
  if (!existsSync(unit)) return;
  await systemctl("disable", "--now", units.nats);
  await rm(unit);
  await systemctl("daemon-reload");
}

async function startServices(config: Config, mustRestartNats: boolean): Promise<void> {
  const wanted = Array.from({ length: config.gateways }, (_, index) => units.gateway(index + 1));
  const surplus = (await enabledUnits(units.all))
    .filter((unit) => unit.startsWith("thinstate-gateway@"))
    .filter((unit) => !wanted.includes(unit));
  if (surplus.length > 0) await systemctl("disable", "--now", ...surplus);
  await systemctl("enable", units.all, ...wanted, ...(config.natsUrl === undefined ? [units.nats] : []));
  if (config.natsUrl === undefined) await systemctl(mustRestartNats ? "restart" : "reload-or-restart", units.nats);
  const since = new Date();
  try {
    await systemctl("start", units.all, ...wanted);
  } catch (error) {
    if (!(error instanceof SystemdError)) throw error;
    const said = await Promise.all([units.nats, ...wanted].map((unit) => journalSince(unit, since)));
    throw new SystemdError([error.message, ...said.flatMap((lines) => lines.slice(-lastLines))].join("\n"));
  }
}

/** Shows what is done, and what it says of itself in the end. */
async function step(name: string, action: () => Promise<unknown>): Promise<void> {
  const progress = startProgress(name);
  try {
    const said = await action();
    progress.done(typeof said === "string" ? said : name);
  } catch (error) {
    progress.fail();
    throw error;
  }
}
