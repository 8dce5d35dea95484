// Asks systemd for things, by its own commands.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { layout } from "./layout.ts";

const execute = promisify(execFile);

/** systemd could not do what it was asked for; the message has its words. */
export class SystemdError extends Error {}

/** Whether this system was booted with systemd. Source: sd_booted(3). */
export function isBooted(): boolean {
  return existsSync("/run/systemd/system");
}

/**
 * Runs a command to its end.
 * @returns what it wrote to stdout.
 * @throws {SystemdError} with what it wrote to stderr.
 */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, [...args], { env: { ...process.env, LC_ALL: "C", SYSTEMD_COLORS: "0" } });
    return stdout;
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    throw new SystemdError(`${command} ${args.join(" ")}: ${stderr.trim() || message}`);
  }
}

export function systemctl(...args: readonly string[]): Promise<string> {
  return run("systemctl", "--no-ask-password", ...args);
}

/**
 * Whether a command ends well where services run: as this user, without home folders, and with a /tmp of its own.
 * @param command With its absolute path.
 */
export async function worksInService(user: string, ...command: readonly string[]): Promise<boolean> {
  const properties = [`User=${user}`, "ProtectHome=yes", "PrivateTmp=yes", "StandardOutput=null", "StandardError=null"];
  const options = ["--quiet", "--collect", "--service-type=oneshot", ...properties.map((property) => `--property=${property}`)];
  return run("systemd-run", ...options, "--", ...command).then(
    () => true,
    () => false,
  );
}

export interface UnitState {
  readonly unit: string;
  /** active, inactive, failed, activating, deactivating … */
  readonly active: string;
  /** Of its main process; 0: there is none. */
  readonly pid: number;
}

/** @param patterns As systemctl takes them. Units that are not loaded are not found by a pattern that has a `*`. */
export async function unitStates(...patterns: readonly string[]): Promise<UnitState[]> {
  const text = await systemctl("show", "--all", "--property=Id,ActiveState,MainPID", ...patterns);
  return text
    .split("\n\n")
    .map((block) => Object.fromEntries(block.split("\n").map((line) => line.split("=", 2))) as Record<string, string | undefined>)
    .filter(({ Id }) => Id !== undefined && !Id.includes("*"))
    .map(({ Id = "", ActiveState = "", MainPID = "0" }) => ({ unit: Id, active: ActiveState, pid: Number(MainPID) }));
}

/** What starts with a target. */
export async function enabledUnits(target: string): Promise<string[]> {
  return readdir(join(layout.units, `${target}.wants`)).catch(() => []);
}

/** Resolves when the journal has what was written until now; at once where that cannot be asked for. Source: journalctl(1), --sync. */
export async function journalWritten(): Promise<void> {
  await run("journalctl", "--sync").catch(() => undefined);
}

/** Lines that the processes of a unit have written. */
export async function journalSince(unit: string, since: Date): Promise<string[]> {
  const args = ["--no-pager", "--quiet", "--output=cat", `--since=@${Math.floor(since.getTime() / 1000)}`];
  const text = await run("journalctl", ...args, `_SYSTEMD_UNIT=${unit}`).catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}
