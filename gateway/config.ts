// The gateway's settings, from the environment. Parsed once; every mistake is reported together.

import * as v from "valibot";
import { integer, namespace, parseSettings, text } from "../protocol/settings.ts";

const settings = v.object({
  HOST: v.optional(text, "127.0.0.1"),
  PORT: integer({ least: 0, most: 65_535, otherwise: 8080 }),
  ADMIN_PORT: integer({ least: 0, most: 65_535, otherwise: 9090 }),
  NATS_URL: text,
  NAMESPACE: namespace,
  LIFELINE_FD: integer({ least: 0, most: 1_000_000, otherwise: 0 }),
  /** A client's message, in bytes; it has to fit into one NATS message. */
  MESSAGE_BYTES: integer({ least: 1, most: 64 * 1024 * 1024, otherwise: 256 * 1024 }),
  /** Messages and bytes of one connection that may be with its worker, uncommitted. */
  WINDOW_MESSAGES: integer({ least: 1, most: 65_536, otherwise: 128 }),
  WINDOW_BYTES: integer({ least: 1, most: 2 ** 30, otherwise: 256 * 1024 }),
  PARKED_MESSAGES: integer({ least: 1, most: 1_000_000, otherwise: 8_192 }),
  PARKED_BYTES: integer({ least: 1, most: 2 ** 30, otherwise: 1024 * 1024 }),
  PARKED_TOTAL_BYTES: integer({ least: 1, most: 2 ** 40, otherwise: 256 * 1024 * 1024 }),
  /** What was published last, kept in case a NATS fault has swallowed it. */
  TOPIC_RING_BYTES: integer({ least: 0, most: 2 ** 30, otherwise: 16 * 1024 * 1024 }),
  PARK_MS: integer({ least: 1, most: 3_600_000, otherwise: 60_000 }),
  /** Silent for so long, a worker loses its pins. At least two heartbeats: one may be late. */
  WORKER_TIMEOUT_MS: integer({ least: 2_000, most: 600_000, otherwise: 5_000 }),
  /** Silent for so long, a gateway is taken for dead by workers: at three quarters of it, it closes everything itself. */
  GATEWAY_TIMEOUT_MS: integer({ least: 100, most: 3_600_000, otherwise: 120_000 }),
  /** A client that is silent for so long is pinged, and closed when it does not answer. uWebSockets.js: 8 s to 16 min. */
  IDLE_TIMEOUT_MS: integer({ least: 8_000, most: 960_000, otherwise: 120_000 }),
  /** Bytes accepted for a client and not yet read by it; past it, it is a slow consumer and closed. */
  BACKPRESSURE_BYTES: integer({ least: 1, most: 2 ** 30, otherwise: 4 * 1024 * 1024 }),
  /** How long closing everything may take at the end. */
  DRAIN_MS: integer({ least: 0, most: 600_000, otherwise: 5_000 }),
  LOG_LEVEL: v.optional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal", "silent"]), "info"),
});

export type GatewayConfig = Readonly<v.InferOutput<typeof settings>>;

/** @throws {CodedError} "config.invalid", naming every variable that is wrong. */
export function parseGatewayConfig(environment: Readonly<Record<string, string | undefined>>): GatewayConfig {
  return parseSettings(settings, environment);
}
