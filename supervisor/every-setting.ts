// Everything that the environment may set, of commands, gateways and workers: what is wrong with any of it is found before
// anything starts.

import { readCertificate } from "../gateway/certificate.ts";
import { type GatewayConfig, parseGatewayConfig } from "../gateway/config.ts";
import { effectRoomBytes, holdsMessage, leastLimit } from "../process/message-limits.ts";
import { CodedError, isCodedError } from "../protocol/errors.ts";
import { neededPayloadBytes } from "../protocol/payload-limits.ts";
import { clone } from "../scripts/setup/cache.mjs";
import { parseWorkerConfig, type WorkerConfig } from "../worker/config.ts";
import { type Config, parseConfig, supervisorSettings } from "./config.ts";

/** What the supervisor or systemd tells one process, and nobody else does. */
export const processSettings: ReadonlySet<string> = new Set([
  "LIFELINE_FD",
  "RELEASE",
  "DEMOS_DIR",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "GATEWAY_INSTANCE",
  "ACTIVATION_FILE",
  "IDENTITY_FILE",
  "RELOAD_FILE",
  "API_KEYS_FILE",
]);

/** What a service is set to where its settings say nothing else. */
export const asService: Readonly<Record<string, string>> = { DEMOS: "0" };

/** The environment has mistakes; the message lists them. */
export class SettingsRefused extends Error {}

export interface Checked {
  readonly config: Config;
  /** How long gateways and workers may take to end by themselves. */
  readonly drainMs: number;
  /** The `max_payload` that a nats-server of ours is to have. */
  readonly payloadBytes: number;
}

/**
 * @param workerEnv What only workers are told besides.
 * @throws {SettingsRefused} with every mistake.
 */
export function checkEverySetting(env: NodeJS.ProcessEnv, workerEnv: NodeJS.ProcessEnv = {}): Checked {
  // What the supervisor or systemd gives to a process is not looked at here.
  const given = { NATS_URL: "nats://127.0.0.1", LIFELINE_FD: "3", RELEASE: "1", PORT: "0", ADMIN_PORT: "0", NAMESPACE: "checked" };
  let config: Config | undefined;
  let gateway: GatewayConfig | undefined;
  let worker: WorkerConfig | undefined;
  const mistakes = new Set<string>();
  const parsers = [
    () => (config = parseConfig(env, clone)),
    () => (gateway = parseGatewayConfig({ ...env, ...given })),
    () => (worker = parseWorkerConfig({ ...env, ...workerEnv, ...given })),
    () => gateway && readCertificate(gateway),
    // worker.env may say something else than what gateways are told.
    () => gateway && worker && checkAgreement(gateway, worker),
  ];
  for (const parse of parsers) {
    try {
      parse();
    } catch (error) {
      if (!isCodedError(error, "config.invalid")) throw error;
      for (const mistake of error.message.replace(/^config\.invalid: /, "").split("; ")) mistakes.add(mistake);
    }
  }
  if (config !== undefined && gateway !== undefined && worker !== undefined && mistakes.size === 0) {
    const drainMs = Math.max(gateway.DRAIN_MS, worker.DRAIN_MS);
    return { config, drainMs, payloadBytes: neededPayloadBytes({ ...worker, MESSAGE_BYTES: gateway.MESSAGE_BYTES }) };
  }
  throw new SettingsRefused(`The environment has mistakes:\n${[...mistakes].map((mistake) => `  ${mistake}`).join("\n")}`);
}

/** @throws {CodedError} "config.invalid" where a worker could not pass on what gateways let in. */
function checkAgreement({ MESSAGE_BYTES }: GatewayConfig, { EFFECTS_BYTES }: WorkerConfig): void {
  if (holdsMessage(EFFECTS_BYTES, MESSAGE_BYTES, effectRoomBytes)) return;
  throw new CodedError(
    "config.invalid",
    `EFFECTS_BYTES=${EFFECTS_BYTES} of workers is not ${leastLimit({ MESSAGE_BYTES }, effectRoomBytes)}`,
  );
}

/** Every variable that is a setting of commands, gateways or workers. */
export function settingNames(): string[] {
  const given = { NATS_URL: "nats://127.0.0.1" };
  const names = [supervisorSettings(clone).entries, parseGatewayConfig(given), parseWorkerConfig(given)].flatMap(Object.keys);
  return [...new Set(names)].filter((name) => !processSettings.has(name));
}
