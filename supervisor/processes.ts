// How each kind of process is started: command line, folder, environment.

import { join, resolve } from "node:path";
import type { BusSecurity } from "../nats/security.ts";
import type { Address } from "./address.ts";
import { Child, type ChildContext, type ChildSpec } from "./child.ts";
import type { Config } from "./config.ts";
import type { Log } from "./log-display.ts";
import type { Reaper } from "./reaper.ts";
import type { Release } from "./releases/release.ts";

export interface ProcessesOptions {
  readonly config: Config;
  /** What children inherit: they parse limits of their own. */
  readonly env: NodeJS.ProcessEnv;
  /** What workers are told besides. */
  readonly handlerEnv: NodeJS.ProcessEnv;
  readonly reaper: Reaper;
  readonly log: Log;
}

/** By variable. */
export interface NatsSettings extends BusSecurity {
  readonly NATS_URL: string;
}

/**
 * V8's young generation in MB, 16 by itself. A gateway keeps what a connection needs and hardly anything else: of one that has
 * just started, 10,000 idle connections take 2,100 to 2,500 bytes each with 4, 3,300 with 8 and 4,900 with 16; echo is as fast.
 */
const gatewayFlags = ["--max-semi-space-size=4"];

/**
 * V8 compiles what is called for the first time, quickly, instead of interpreting it for a while. A worker takes 10 MB more, and
 * some 50 ms longer to start; it answers its first messages sooner: of three deploys' p99.9 of 48 to 60 ms, 30 to 33 are left.
 */
const commonFlags = ["--always-sparkplug"];

export class Processes {
  private readonly config: Config;
  private readonly env: NodeJS.ProcessEnv;
  private readonly handlerEnv: NodeJS.ProcessEnv;
  private readonly reaper: Reaper;
  /** The folder where each gateway leaves its id. */
  readonly identities: string;
  private readonly shown: Pick<ChildContext, "onLine" | "onOverdue">;

  constructor({ config, env, handlerEnv, reaper, log }: ProcessesOptions) {
    this.config = config;
    // By these, systemd would take a child's word for ours.
    const { NOTIFY_SOCKET: _socket, WATCHDOG_USEC: _watchdog, ...inherited } = env;
    this.env = inherited;
    this.handlerEnv = handlerEnv;
    this.reaper = reaper;
    this.identities = join(config.cacheFolder, "gateways");
    this.shown = {
      onLine: (name, line, stream) => log.child(name, line, stream),
      onOverdue: (name, timeoutMs) => log.event("warn", `${name} has not ended within ${timeoutMs} ms and is killed`),
    };
  }

  natsServer(spec: ChildSpec): Child {
    return new Child(spec, { register: this.reaper.last, ...this.shown });
  }

  gateway(index: number, address: Address, nats: NatsSettings): Child {
    return this.node([...gatewayFlags, "gateway/main.ts"], `gateway-${index + 1}`, this.config.clone, {
      ...this.common(nats),
      HOST: this.config.host,
      PORT: String(address.port),
      ADMIN_PORT: String(address.adminPorts[index]),
      ADMIN_HOST: this.config.adminHost,
      IDENTITY_FILE: join(this.identities, String(index + 1)),
    });
  }

  worker(release: Release, index: number, nats: NatsSettings): Child {
    return this.node(["worker/main.ts"], `worker-${release.id}.${index + 1}`, release.folder, {
      ...this.handlerEnv,
      ...this.common(nats),
      RELEASE: release.id,
      SHARED_DIR: this.config.sharedDir,
      HANDLERS_DIR: resolve(release.folder, release.manifest.handlersDir),
    });
  }

  private common(nats: NatsSettings): NodeJS.ProcessEnv {
    return { ...this.env, ...nats, NAMESPACE: this.config.namespace };
  }

  private node(script: readonly string[], name: string, cwd: string, env: NodeJS.ProcessEnv): Child {
    // The tsx binary would leave its child behind when it is killed; the loader has no child.
    const spec = { name, command: process.execPath, args: [...commonFlags, "--import", "tsx", ...script], cwd, env };
    return new Child(spec, { register: this.reaper.others, ...this.shown });
  }
}
