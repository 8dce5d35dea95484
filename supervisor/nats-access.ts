// NATS as one installation uses it: the server of NATS_URL, or a nats-server of its own; and what each process is told of it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "../nats/permissions.ts";
import type { BusSecurity } from "../nats/security.ts";
import type { Config } from "./config.ts";
import type { Log } from "./log-display.ts";
import { findNatsServer } from "./nats-server/binary.ts";
import { EmbeddedNats } from "./nats-server/embedded.ts";
import type { NatsSettings, Processes } from "./processes.ts";

/** nats-server has nothing to save. */
const stopMs = 1_000;

export interface NatsAccessOptions {
  readonly config: Config;
  /** What a nats-server of ours has to let through. */
  readonly payloadBytes: number;
  /** How long the server of a supervisor that was killed may take to leave the port. */
  readonly portPatienceMs: number;
  /** As NatsOptions has it. */
  readonly pingSeconds: number | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly processes: Processes;
  readonly log: Log;
}

export class NatsAccess {
  readonly url: string;
  private readonly security: BusSecurity;
  /** undefined: NATS_URL says where one is. */
  private readonly embedded: EmbeddedNats | undefined;

  private constructor(url: string, security: BusSecurity, embedded?: EmbeddedNats) {
    this.url = url;
    this.security = security;
    this.embedded = embedded;
  }

  /** Resolves when a server of our own answers; where there is none, at once. */
  static async start({ config, env, processes, log, ...options }: NatsAccessOptions): Promise<NatsAccess> {
    const { natsUrl, natsPort: port, natsSecurity, cacheFolder, namespace } = config;
    if (natsUrl !== undefined) return new NatsAccess(natsUrl, natsSecurity);
    const folder = join(cacheFolder, "nats");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const executable = await findNatsServer({ folder, environment: env });
    const embedded = await EmbeddedNats.start({
      executable,
      folder,
      namespace,
      port,
      payloadBytes: options.payloadBytes,
      portPatienceMs: options.portPatienceMs,
      pingSeconds: options.pingSeconds,
      spawn: (spec) => processes.natsServer(spec),
      onEnd: (child, text) => log.event("error", `${child.name} ${text}`),
    });
    const noTls = { NATS_CREDENTIALS_FILE: "", NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
    return new NatsAccess(embedded.url, noTls, embedded);
  }

  /** Of a server of our own. */
  get pid(): number | null {
    return this.embedded?.pid ?? null;
  }

  /** What a process of this role is told. */
  settings(role: Role): NatsSettings {
    const credentials = this.embedded?.credentialsFile(role) ?? this.security.NATS_CREDENTIALS_FILE;
    return { NATS_URL: this.url, ...this.security, NATS_CREDENTIALS_FILE: credentials };
  }

  async stop(): Promise<void> {
    await this.embedded?.stop(stopMs);
  }
}
