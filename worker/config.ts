// The worker's settings, from the environment. Parsed once; every mistake is reported together.

import * as v from "valibot";
import { effectRoomBytes, holdsMessage, leastLimit, messageBytes } from "../process/message-limits.ts";
import { notifySettings } from "../process/notify.ts";
import { integer, logLevel, longestWaitMs, namespace, natsSettings, optionalInteger, parseSettings, text } from "../process/settings.ts";
import { checkFits, effectsRoomBytes, mostPayloadBytes } from "../protocol/payload.ts";

const usualEffectsBytes = 768 * 1024;
const usualStateBytes = 16 * 1024;
const usualTopics = 1_000;

const entries = v.object({
  ...natsSettings,
  NAMESPACE: namespace,
  /** The release that this code is. */
  RELEASE: v.optional(text, "0"),
  HANDLERS_DIR: v.optional(text, "worker/handlers"),
  /** Settings that SIGHUP reads again. */
  SETTINGS_FILE: v.optional(v.string(), ""),
  LIFELINE_FD: integer({ least: 0, most: 1_000_000, otherwise: 0 }),
  ...notifySettings,
  /** Where the process before, which has ended, has left its id: see identity-file.ts. */
  IDENTITY_FILE: v.optional(v.string(), ""),
  /** Where SIGHUP is answered: see settings-reload.ts. */
  RELOAD_FILE: v.optional(v.string(), ""),
  /** A connection's state, as msgpack. */
  STATE_BYTES: integer({ least: 1, most: 512 * 1024, otherwise: usualStateBytes }),
  /** The gateway's limit: a turn has to be able to send as much. */
  MESSAGE_BYTES: messageBytes,
  /** All effects of one turn together: they travel in one NATS message. */
  EFFECTS_BYTES: optionalInteger({ least: 1024, most: mostPayloadBytes - effectsRoomBytes }),
  TOPICS_PER_CONNECTION: integer({ least: 0, most: 2_000, otherwise: usualTopics }),
  TURN_TIMEOUT_MS: integer({ least: 1, most: longestWaitMs, otherwise: 30_000 }),
  APP_TIMEOUT_MS: integer({ least: 1, most: longestWaitMs, otherwise: 5_000 }),
  /** Silent for so long, a gateway is taken for dead. */
  GATEWAY_TIMEOUT_MS: integer({ least: 100, most: 3_600_000, otherwise: 120_000 }),
  /** Silent for so long, it loses its connections; for twice as long, it is killed. */
  WORKER_TIMEOUT_MS: integer({ least: 2_000, most: longestWaitMs, otherwise: 5_000 }),
  /** How long its supervisor waits for it to be ready. */
  READY_TIMEOUT_MS: integer({ least: 1, most: 2 ** 31 - 1, otherwise: 30_000 }),
  /** How long begun turns may take when the worker has to end. */
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
  v.transform((named) => ({ ...named, EFFECTS_BYTES: named.EFFECTS_BYTES ?? effectsFor(named.MESSAGE_BYTES) })),
);

function effectsFor(messageBytes: number): number {
  return Math.max(usualEffectsBytes, messageBytes + effectRoomBytes);
}

export type WorkerConfig = Readonly<v.InferOutput<typeof settings>>;

/** What may change while the worker runs. For the rest a deploy is as good: clients notice neither. */
export const liveSettings: ReadonlySet<keyof WorkerConfig> = new Set([
  "STATE_BYTES",
  "MESSAGE_BYTES",
  "EFFECTS_BYTES",
  "TOPICS_PER_CONNECTION",
  "LOG_LEVEL",
]);

/** @throws {CodedError} "config.invalid", naming every variable that is wrong. */
export function parseWorkerConfig(environment: Readonly<Record<string, string | undefined>>): WorkerConfig {
  return parseSettings(settings, environment);
}

/**
 * Limits that are not set are held to what this NATS lets through; those that are set have to fit.
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
