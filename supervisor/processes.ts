// How each kind of process is started: command line, folder, environment.

import { join } from "node:path";
import type { BusSecurity } from "../nats/security.ts";
import { apiKeysFile } from "./api-keys-file.ts";
import { Child, type ChildContext, type ChildSpec } from "./child.ts";
import type { Config } from "./config.ts";
import type { DebugPort } from "./debug-port.ts";
import type { Address } from "./listen-address.ts";
import type { Log } from "./log-display.ts";
import { commonFlags, gatewayFlags, typeScriptLoader } from "./node-flags.ts";
import type { Reaper } from "./reaper.ts";
import { handlerSettings } from "./releases/handler-folders.ts";
import type { Release } from "./releases/release.ts";

export interface ProcessesOptions {
  readonly config: Config;
  /** What children inherit: they parse limits of their own. */
  readonly env: NodeJS.ProcessEnv;
  /** What workers are told besides. */
  readonly handlerEnv: NodeJS.ProcessEnv;
  readonly reaper: Reaper;
  readonly log: Log;
  /** Workers can be debugged. */
  readonly debugPort: DebugPort | undefined;
}

/** Each gateway has one of its own, as ADMIN_PORT is counted. */
function apiPort(first: string | undefined, index: number): NodeJS.ProcessEnv {
  const port = Number(first ?? 0);
  return port === 0 ? {} : { API_PORT: String(port + index) };
}

/** By variable. */
export interface NatsSettings extends BusSecurity {
  readonly NATS_URL: string;
}

interface NodeProcess extends Pick<ChildSpec, "name" | "cwd" | "env"> {
  /** Flags of Node, and the file that it runs. */
  readonly script: readonly string[];
  /** Whether a line that it has written is not for the log. */
  readonly isForUs?: (line: string) => boolean;
}

export class Processes {
  private readonly config: Config;
  private readonly env: NodeJS.ProcessEnv;
  private readonly handlerEnv: NodeJS.ProcessEnv;
  private readonly reaper: Reaper;
  private readonly log: Log;
  private readonly debugPort: DebugPort | undefined;
  /** The folder where each gateway leaves its id. */
  readonly identities: string;
  private readonly onOverdue: ChildContext["onOverdue"];

  constructor({ config, env, handlerEnv, reaper, log, debugPort }: ProcessesOptions) {
    this.config = config;
    // By these, systemd would take a child's word for ours.
    const { NOTIFY_SOCKET: _socket, WATCHDOG_USEC: _watchdog, ...inherited } = env;
    this.env = inherited;
    this.handlerEnv = handlerEnv;
    this.reaper = reaper;
    this.identities = join(config.cacheFolder, "gateways");
    this.log = log;
    this.debugPort = debugPort;
    this.onOverdue = (name, timeoutMs) => log.event("warn", `${name} has not ended within ${timeoutMs} ms and is killed`);
  }

  natsServer(spec: ChildSpec): Child {
    const onLine: ChildContext["onLine"] = (name, line, stream) => this.log.child(name, line, stream);
    return new Child(spec, { register: this.reaper.last, onLine, onOverdue: this.onOverdue });
  }

  gateway(index: number, address: Address, nats: NatsSettings): Child {
    const env = {
      ...this.common(nats),
      HOST: this.config.host,
      PORT: String(address.port),
      ADMIN_PORT: String(address.adminPorts[index]),
      ADMIN_HOST: this.config.adminHost,
      IDENTITY_FILE: join(this.identities, String(index + 1)),
      ...apiPort(this.env.API_PORT, index),
      API_KEYS_FILE: apiKeysFile(this.config.cacheFolder),
    };
    return this.node({ script: [...gatewayFlags, "gateway/main.ts"], name: `gateway-${index + 1}`, cwd: this.config.clone, env });
  }

  worker(release: Release, index: number, nats: NatsSettings): Child {
    const { debugPort } = this;
    // Breakpoints are set in the files that people edit, which only dev mode's releases are the same as.
    const folder = debugPort === undefined ? release.folder : this.config.clone;
    const env = {
      ...this.handlerEnv,
      ...this.common(nats),
      RELEASE: release.id,
      SHARED_DIR: this.config.sharedDir,
      // A release that was made with the demos does not have to serve them.
      ...handlerSettings(folder, this.config.demosDir === undefined ? { ...release.manifest, demosDir: undefined } : release.manifest),
    };
    const child = this.node({
      script: [...(debugPort?.flags ?? []), "worker/main.ts"],
      name: `worker-${release.id}.${index + 1}`,
      cwd: folder,
      env,
      isForUs: (line) => debugPort?.hear(release.id, line) === true,
    });
    void child.exited.then(() => debugPort?.ended(release.id));
    return child;
  }

  private common(nats: NatsSettings): NodeJS.ProcessEnv {
    return { ...this.env, ...nats, NAMESPACE: this.config.namespace };
  }

  private node({ script, name, cwd, env, isForUs = () => false }: NodeProcess): Child {
    const spec = { name, command: process.execPath, args: [...commonFlags, "--import", typeScriptLoader(cwd), ...script], cwd, env };
    const onLine: ChildContext["onLine"] = (of, line, stream) => {
      if (!isForUs(line)) this.log.child(of, line, stream, cwd);
    };
    return new Child(spec, { register: this.reaper.others, onLine, onOverdue: this.onOverdue });
  }
}
