// The worker's settings, from the environment. Parsed once; every mistake is reported together.

import * as v from "valibot";
import { closesInTime, leastGatewayTimeout } from "../process/gateway-timeout.ts";
import { effectRoomBytes, holdsMessage, leastLimit, messageBytes } from "../process/message-limits.ts";
import { notifySettings } from "../process/notify.ts";
import { integer, logLevel, longestWaitMs, namespace, natsSettings, optionalInteger, parseSettings, text } from "../process/settings.ts";
import { checkFits, effectsRoomBytes, mostPayloadBytes } from "../protocol/payload-limits.ts";

const usualEffectsBytes = 768 * 1024;
const usualStateBytes = 16 * 1024;
const usualTopics = 1_000;

const entries = v.object({
  ...natsSettings,
  NAMESPACE: namespace,
  /** The release that this code belongs to. */
  RELEASE: v.optional(text, "0"),
  HANDLERS_DIR: v.optional(text, "worker/handlers"),
  /** Empty: no demos. */
  DEMOS_DIR: v.optional(v.string(), ""),
  /** A file of settings that SIGHUP reads again. */
  SETTINGS_FILE: v.optional(v.string(), ""),
  LIFELINE_FD: integer({ least: 0, most: 1_000_000, otherwise: 0 }),
  ...notifySettings,
  /** Where the previous process, which has ended, left its id: see identity-file.ts. */
  IDENTITY_FILE: v.optional(v.string(), ""),
  /** Where SIGHUP is answered: see settings-reload.ts. */
  RELOAD_FILE: v.optional(v.string(), ""),
  /** A connection's state, encoded as msgpack. */
  STATE_BYTES: integer({ least: 1, most: 512 * 1024, otherwise: usualStateBytes }),
  /** The gateway's limit for a client's message. A turn has to be able to send as much. */
  MESSAGE_BYTES: messageBytes,
  /** All effects of one turn together, which travel in one NATS message. */
  EFFECTS_BYTES: optionalInteger({ least: 1024, most: mostPayloadBytes - effectsRoomBytes }),
  TOPICS_PER_CONNECTION: integer({ least: 0, most: 2_000, otherwise: usualTopics }),
  TIMERS_PER_CONNECTION: integer({ least: 0, most: 32, otherwise: 16 }),
  TURN_TIMEOUT_MS: integer({ least: 1, most: longestWaitMs, otherwise: 30_000 }),
  APP_TIMEOUT_MS: integer({ least: 1, most: longestWaitMs, otherwise: 5_000 }),
  /** A gateway that is silent for this long is considered dead. */
  GATEWAY_TIMEOUT_MS: integer({ least: 100, most: 3_600_000, otherwise: 120_000 }),
  /** A worker that is silent for this long loses its connections; after twice as long, it is killed. */
  WORKER_TIMEOUT_MS: integer({ least: 2_000, most: longestWaitMs, otherwise: 5_000 }),
  /** How long the supervisor waits for the worker to become ready. */
  READY_TIMEOUT_MS: integer({ least: 1, most: 2 ** 31 - 1, otherwise: 30_000 }),
  /** Shutdown: time to finish the turns that have begun. */
  DRAIN_MS: integer({ least: 0, most: 600_000, otherwise: 8_000 }),
  LOG_LEVEL: logLevel,
});

const settings = v.pipe(
  entries,
  v.forward(
    v.partialCheck(
      [["MESSAGE_BYTES"], ["EFFECTS_BYTES"]],
      (named) => holdsMessage(named.EFFECTS_BYTES, named.MESSAGE_BYTES, effectRoomBytes),
      ({ input }) => leastLimit(input, effectRoomBytes),
    ),
    ["EFFECTS_BYTES"],
  ),
  v.forward(
    v.partialCheck([["GATEWAY_TIMEOUT_MS"], ["NATS_TIMEOUT_MS"]], closesInTime, ({ input }) => leastGatewayTimeout(input)),
    ["GATEWAY_TIMEOUT_MS"],
  ),
  v.transform((named) => ({ ...named, EFFECTS_BYTES: named.EFFECTS_BYTES ?? effectsFor(named.MESSAGE_BYTES) })),
);

function effectsFor(messageBytes: number): number {
  return Math.max(usualEffectsBytes, messageBytes + effectRoomBytes);
}

export type WorkerConfig = Readonly<v.InferOutput<typeof settings>>;

/** Settings that may change while the worker runs. A deploy changes the others; clients notice neither. */
export const liveSettings: ReadonlySet<keyof WorkerConfig> = new Set([
  "STATE_BYTES",
  "MESSAGE_BYTES",
  "EFFECTS_BYTES",
  "TOPICS_PER_CONNECTION",
  "TIMERS_PER_CONNECTION",
  "LOG_LEVEL",
]);

/** @throws {CodedError} "config.invalid", naming every variable that is wrong. */
export function parseWorkerConfig(environment: Readonly<Record<string, string | undefined>>): WorkerConfig {
  return parseSettings(settings, environment);
}

/**
 * Limits that are set have to fit into a message of this NATS. Limits that are not set are reduced until they do.
 * @throws {CodedError} "config.invalid"
 */
export function checkPayload(config: WorkerConfig, maxPayloadBytes: number): void {
  const { MESSAGE_BYTES, EFFECTS_BYTES, STATE_BYTES, TOPICS_PER_CONNECTION } = config;
  const chosen = {
    MESSAGE_BYTES,
    ...(EFFECTS_BYTES !== effectsFor(MESSAGE_BYTES) && { EFFECTS_BYTES }),
    ...(STATE_BYTES !== usualStateBytes && { STATE_BYTES }),
    ...(TOPICS_PER_CONNECTION !== usualTopics && { TOPICS_PER_CONNECTION }),
  };
  checkFits(chosen, maxPayloadBytes);
}
