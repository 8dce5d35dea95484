// thinstate on a machine of its own, as an administrator has it: installed, deployed to, looked at and removed by our commands
// and systemd's.

import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { checkPort, freePort } from "../../supervisor/port.ts";
import type { Status } from "../../supervisor/status.ts";
import { patienceMs } from "../../testbed/patience.ts";
import type { Suite } from "./image.ts";
import { accounts, listing } from "./listing.ts";
import { Machine } from "./machine.ts";

export class Installed {
  readonly machine: Machine;
  readonly url: string;
  /** Of the machine before anything was installed. */
  private readonly before: { readonly files: readonly string[]; readonly accounts: string };

  private constructor(machine: Machine, url: string, before: Installed["before"]) {
    this.machine = machine;
    this.url = url;
    this.before = before;
  }

  /** A fresh machine, with nothing installed yet. */
  static async boot(suite: Suite): Promise<Installed> {
    const machine = await Machine.boot(suite);
    const port = await freePort("127.0.0.1");
    Object.assign(machine.environment, {
      PORT: String(port),
      ADMIN_PORT: String(await twoPorts()),
      GATEWAYS: "2",
      WORKERS: "2",
      HANDLERS_DIR: "chaos/handlers",
      WATCH_MS: "1000",
      WORKER_TIMEOUT_MS: "2000",
      READY_TIMEOUT_MS: String(patienceMs),
    });
    // Machines share our ports; a server of ours keeps the one that it has.
    const nats = `listen: "127.0.0.1:${await freePort("127.0.0.1")}"\n`;
    const before = { files: await listing(machine), accounts: await accounts(machine) };
    await machine.write("/etc/thinstate/nats-server.conf", nats);
    return new Installed(machine, `ws://127.0.0.1:${port}`, before);
  }

  stop(): Promise<void> {
    return this.machine.stop();
  }

  async install(): Promise<void> {
    const { exitCode, stdout, stderr } = await this.machine.npm("install-service");
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain(`ready ${this.url}`);
    expect(await this.machine.show("thinstate.target", "ActiveState")).toBe("active");
    const { ready, gateways, workers, pid } = await this.status();
    expect({ ready, gateways: gateways.length, workers: workers.length, pid }).toEqual({ ready: true, gateways: 2, workers: 2, pid: null });
    expect(await this.machine.show("thinstate-gateway@1", "StatusText")).toMatch(/^0 connections, 2 workers, release \S+$/);
  }

  /** @returns The release that serves afterwards. */
  async deploy(script: "deploy-worker" | "rollback-worker" = "deploy-worker"): Promise<string> {
    const { exitCode, stdout, stderr } = await this.machine.npm(script, "--json");
    expect(exitCode, stdout + stderr).toBe(0);
    return (JSON.parse(stdout) as { release: string }).release;
  }

  async status(): Promise<Status> {
    const { stdout, stderr } = await this.machine.npm("status", "--json");
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Status;
  }

  /** One unit of each kind. */
  async kinds(): Promise<string[]> {
    return ["thinstate-nats.service", "thinstate-gateway@1.service", await this.worker()];
  }

  /** A unit of the active release. */
  async worker(): Promise<string> {
    return `thinstate-worker@${(await this.status()).release?.id}.1.service`;
  }

  /** Those that are there, in whatever state. */
  async units(pattern: string, ...states: readonly string[]): Promise<string[]> {
    const options = ["--all", "--plain", "--no-legend", ...states.map((state) => `--state=${state}`)];
    const text = await this.machine.run("systemctl", "list-units", ...options, pattern);
    return text.split("\n").flatMap((line) => line.split(" ")[0] || []);
  }

  /** Resolves when no worker of an earlier release is warm any more. */
  settled(): Promise<void> {
    return until(async () => (await this.units("thinstate-worker@*", "active")).length === 2, "only two workers are left");
  }

  /** Whether no service starts or ends. */
  async isQuiet(): Promise<boolean> {
    return (await this.units("thinstate-*", "activating", "deactivating")).length === 0;
  }

  /** What systemd thinks of a sandbox: from 0, safe, to 10. */
  async exposure(unit: string): Promise<number> {
    const text = await this.machine.run("systemd-analyze", "security", "--no-pager", unit);
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1]);
  }

  /** What systemd has started and stopped since then, in order: "Stopped worker". @param since As `sinceNow` gives it. */
  async history(since: string): Promise<string[]> {
    const journal = await this.machine.journal(since, "--output=cat", "--identifier=systemd");
    return [...journal.matchAll(/^(Started|Stopped) thinstate-(gateway|worker|nats)(?=[@.])/gm)].map(([, what, kind]) => `${what} ${kind}`);
  }

  async gatewayPids(): Promise<string[]> {
    return Promise.all([1, 2].map((instance) => this.machine.show(`thinstate-gateway@${instance}`, "MainPID")));
  }

  /** Resolves when a message could be answered, by all that should be there. */
  serves(): Promise<void> {
    return until(async () => {
      const { ready, workers } = await this.status();
      return ready && workers.filter(({ state }) => state === "active").length === 2;
    }, "two workers are active");
  }

  /** Removes everything; checks that it is gone, and that the machine is what it was. */
  async uninstall(): Promise<void> {
    const { machine, before } = this;
    const { exitCode, stderr } = await machine.npm("uninstall-service", "--purge");
    expect(exitCode, stderr).toBe(0);
    expect(await listing(machine)).toEqual(before.files);
    expect(await accounts(machine)).toBe(before.accounts);
    // systemd forgets units that are gone when it has nothing else to do.
    const left = () => this.units("thinstate*");
    await until(async () => (await left()).length === 0, "no unit is left").catch(async () => expect(await left()).toEqual([]));
  }
}

/** An option of journalctl. */
export function sinceNow(): string {
  return `--since=@${(Date.now() / 1000).toFixed(3)}`;
}

/** Asks again until it is so. */
export async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(100)) if (await isSo()) return;
  throw new Error(`waited in vain: ${what}`);
}

/** The first of two ports in a row that nobody has. */
async function twoPorts(): Promise<number> {
  for (;;) {
    const port = await freePort("127.0.0.1");
    const isFree = await checkPort(port + 1, "127.0.0.1").then(
      () => true,
      () => false,
    );
    if (isFree) return port;
  }
}
