// A nats-server of our own, given to an installation as its NATS_URL: nobody but us starts it again.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { usualPayloadBytes } from "../protocol/payload-limits.ts";
import { natsConfiguration, natsFiles } from "../supervisor/nats-server/configuration.ts";
import { freePorts } from "../supervisor/port.ts";
import { endsWithUs } from "./ends-with-us.ts";
import { patienceMs } from "./patience.ts";

export class OwnNats {
  readonly url: string;
  private readonly executable: string;
  private readonly config: string;
  private readonly monitoringUrl: string;
  private child: ChildProcess;

  private constructor(options: { executable: string; config: string; port: number; monitoringPort: number }) {
    this.url = `nats://127.0.0.1:${options.port}`;
    this.monitoringUrl = `http://127.0.0.1:${options.monitoringPort}`;
    this.executable = options.executable;
    this.config = options.config;
    this.child = this.spawn();
  }

  static async start(executable: string, folder: string): Promise<OwnNats> {
    mkdirSync(folder, { recursive: true });
    const [port = 0, monitoringPort = 0] = await freePorts(2, "127.0.0.1");
    const files = natsFiles(folder);
    const storeDir = join(folder, "jetstream");
    // Without users: NATS_CREDENTIALS_FILE is one for gateways and workers alike. It has nobody's secrets, and ends with its run.
    const text = natsConfiguration({ port, written: "at each run", users: undefined, payloadBytes: usualPayloadBytes, files, storeDir });
    writeFileSync(files.config, `${text}\nhttp: "127.0.0.1:${monitoringPort}"\n`);
    const nats = new OwnNats({ executable, config: files.config, port, monitoringPort });
    await nats.answers();
    return nats;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await exit;
  }

  /** Resolves when it answers. */
  async restart(): Promise<void> {
    this.child = this.spawn();
    await this.answers();
  }

  /** Of its clients. The server has some of its own, for JetStream, and not always as many. */
  async subscriptions(): Promise<number> {
    const response = await fetch(`${this.monitoringUrl}/connz`);
    const { connections } = (await response.json()) as { connections: ReadonlyArray<{ subscriptions: number }> };
    return connections.reduce((sum, { subscriptions }) => sum + subscriptions, 0);
  }

  private spawn(): ChildProcess {
    // A group of its own: Ctrl-C is ours.
    const child = spawn(this.executable, ["-c", this.config], { stdio: "ignore", detached: true });
    endsWithUs(child, "SIGKILL");
    return child;
  }

  private async answers(): Promise<void> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(10)) {
      const response = await fetch(`${this.monitoringUrl}/healthz`).catch(() => undefined);
      if (response?.ok) return;
    }
    throw new Error("nats-server does not answer");
  }
}

export function natsFolder(folder: string): string {
  return join(folder, "own-nats");
}
