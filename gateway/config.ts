// The gateway's settings, from the environment. Parsed once; every mistake is reported together.

import * as v from "valibot";
import { closesInTime, leastGatewayTimeout } from "../process/gateway-timeout.ts";
import { holdsMessage, leastLimit, messageBytes } from "../process/message-limits.ts";
import { notifySettings } from "../process/notify.ts";
import {
  integer,
  logLevel,
  longestWaitMs,
  namespace,
  natsSettings,
  optionalInteger,
  parseSettings,
  text,
  usualExpireGraceMs,
} from "../process/settings.ts";
import { checkFits } from "../protocol/payload-limits.ts";
import { mostHistoryStreams } from "../protocol/subjects.ts";
import { isAddressList } from "./address-list.ts";
import { clientLimitSettings } from "./client-limit-settings.ts";
import { isHostList } from "./hosts.ts";

const entries = v.object({
  HOST: v.optional(text, "127.0.0.1"),
  PORT: integer({ least: 0, most: 65_535, otherwise: 8080 }),
  ADMIN_PORT: integer({ least: 0, most: 65_535, otherwise: 9090 }),
  ADMIN_HOST: v.optional(text, "127.0.0.1"),
  /** The HTTP API's own port; 0: none. The second gateway uses the next one. */
  API_PORT: integer({ least: 0, most: 65_535, otherwise: 0 }),
  API_HOST: v.optional(text, "127.0.0.1"),
  /** Where the HTTP API is on the public port; empty: nowhere. */
  API_PATH: v.optional(v.pipe(v.string(), v.regex(/^(?:\/[A-Za-z0-9._~-]+)*$/, "a path like /api, without a slash at its end")), ""),
  /** Its keys: see process/api-keys/. Empty: it is off. */
  API_KEYS_FILE: v.optional(v.string(), ""),
  /** Answers that are kept for calls with an Idempotency-Key, and for how long. */
  API_IDEMPOTENCY_KEYS: integer({ least: 0, most: 10_000_000, otherwise: 10_000 }),
  API_IDEMPOTENCY_MS: integer({ least: 1, most: longestWaitMs, otherwise: 600_000 }),
  /** How long a call waits for the answers of other gateways, and how many calls may. */
  API_TIMEOUT_MS: integer({ least: 1, most: longestWaitMs, otherwise: 2_000 }),
  API_WAITING: integer({ least: 1, most: 1_000_000, otherwise: 1_000 }),
  /** Counts the gateways of a machine from 1. Each finds its own admin port by it: the second one uses ADMIN_PORT + 1. */
  GATEWAY_INSTANCE: integer({ least: 1, most: 1_000, otherwise: 1 }),
  /** Names the active release, if no supervisor does. */
  ACTIVATION_FILE: v.optional(v.string(), ""),
  /** More are refused. The start warns if it may not open as many files. */
  CONNECTIONS: integer({ least: 1, most: 10_000_000, otherwise: 10_000 }),
  /** Upgrades and plain requests that wait for a worker or its answer. More are refused. */
  WAITING_UPGRADES: integer({ least: 1, most: 10_000_000, otherwise: 2_000 }),
  ...clientLimitSettings,
  ...natsSettings,
  NAMESPACE: namespace,
  /** A file of settings that SIGHUP reads again. */
  SETTINGS_FILE: v.optional(v.string(), ""),
  /** Files in PEM, both or none. Clients then connect with wss://. */
  TLS_CERT_FILE: v.optional(v.string(), ""),
  TLS_KEY_FILE: v.optional(v.string(), ""),
  /** The proxies who are believed when they say who the client is. */
  TRUSTED_PROXIES: v.optional(v.pipe(v.string(), v.check(isAddressList, "addresses or networks (10.0.0.0/8), separated by commas")), ""),
  /** The names that pages are served under, as isHostPattern has them: pages of these may connect. */
  HOSTS: v.optional(v.pipe(v.string(), v.check(isHostList, "host names (example.com:8443, *.example.com), separated by commas")), ""),
  /** permessage-deflate (RFC 7692). */
  COMPRESSION: v.optional(v.picklist(["off", "on"], "on or off"), "off"),
  LIFELINE_FD: integer({ least: 0, most: 1_000_000, otherwise: 0 }),
  ...notifySettings,
  /** Where the previous process, which has ended, left its id: see identity-file.ts. */
  IDENTITY_FILE: v.optional(v.string(), ""),
  /** Where SIGHUP is answered: see settings-reload.ts. */
  RELOAD_FILE: v.optional(v.string(), ""),
  MESSAGE_BYTES: messageBytes,
  /** Of path and query. A whole head has 16 KiB at most: see library.ts. */
  URL_BYTES: integer({ least: 256, most: 16_384, otherwise: 8_192 }),
  /** Uncommitted messages, and their bytes, of one connection that may be with its worker. */
  WINDOW_MESSAGES: integer({ least: 1, most: 65_536, otherwise: 128 }),
  WINDOW_BYTES: integer({ least: 1, most: 2 ** 30, otherwise: 256 * 1024 }),
  PARKED_MESSAGES: integer({ least: 1, most: 1_000_000, otherwise: 8_192 }),
  PARKED_BYTES: optionalInteger({ least: 1, most: 2 ** 30 }),
  PARKED_TOTAL_BYTES: integer({ least: 1, most: 2 ** 40, otherwise: 256 * 1024 * 1024 }),
  /** Topics that have a subscriber at this gateway; and what its connections subscribe to, all together. */
  TOPICS: integer({ least: 1, most: 100_000_000, otherwise: 50_000 }),
  SUBSCRIPTIONS: integer({ least: 1, most: 1_000_000_000, otherwise: 1_000_000 }),
  TIMERS: integer({ least: 0, most: 1_000_000_000, otherwise: 1_000_000 }),
  /** Locks that connections of this gateway have, or wait for: all together, and of each. */
  LOCKS: integer({ least: 0, most: 1_000_000, otherwise: 100_000 }),
  LOCKS_PER_CONNECTION: integer({ least: 0, most: 1_000, otherwise: 16 }),
  MEMBER_BYTES: integer({ least: 0, most: 2 ** 40, otherwise: 64 * 1024 * 1024 }),
  /** The latest publishes, kept for repairs after a NATS fault. */
  TOPIC_RING_BYTES: integer({ least: 0, most: 2 ** 30, otherwise: 16 * 1024 * 1024 }),
  /** Streams of JetStream for what topics keep, one for each kind of retention; and of each, on disk. */
  HISTORY_STREAMS: integer({ least: 0, most: mostHistoryStreams, otherwise: mostHistoryStreams }),
  HISTORY_STREAM_BYTES: integer({ least: 64 * 1024, most: 2 ** 40, otherwise: 64 * 1024 * 1024 }),
  /** What waits to be stored there; and what was read from there for subscribers. */
  HISTORY_PENDING_BYTES: integer({ least: 1, most: 2 ** 40, otherwise: 16 * 1024 * 1024 }),
  HISTORY_CACHE_BYTES: integer({ least: 0, most: 2 ** 40, otherwise: 16 * 1024 * 1024 }),
  PARK_MS: integer({ least: 1, most: longestWaitMs, otherwise: 60_000 }),
  /** How long a client may take to show a new token, once its handler's onExpire has asked for one. */
  EXPIRE_GRACE_MS: integer({ least: 0, most: longestWaitMs, otherwise: usualExpireGraceMs }),
  /** A worker that is silent for this long loses its pins. At least two heartbeats: one may be late. */
  WORKER_TIMEOUT_MS: integer({ least: 2_000, most: longestWaitMs, otherwise: 5_000 }),
  /** Workers consider a gateway dead that is silent for this long. After three quarters of it without NATS, it closes its connections itself. */
  GATEWAY_TIMEOUT_MS: integer({ least: 100, most: 3_600_000, otherwise: 120_000 }),
  /**
   * A client that is silent for this long is closed; it is pinged 16 s before. uWebSockets.js: 8 s to 16 min. The ping comes before a
   * proxy gives up: after 50 s in Debian's HAProxy, 60 s in nginx and Varnish.
   */
  IDLE_TIMEOUT_MS: integer({ least: 8_000, most: 960_000, otherwise: 45_000 }),
  /** Bytes that a client has not read yet. Beyond it, the client is a slow consumer, and closed. */
  BACKPRESSURE_BYTES: optionalInteger({ least: 1, most: 2 ** 30 }),
  /** The same of all clients together. Beyond it, the slowest are closed. */
  BACKPRESSURE_TOTAL_BYTES: integer({ least: 1, most: 2 ** 40, otherwise: 128 * 1024 * 1024 }),
  /** How long something may wait for a client without a pause. */
  BACKPRESSURE_MS: integer({ least: 1_000, most: longestWaitMs, otherwise: 60_000 }),
  /** Shutdown while another gateway serves: how many connections to close at a time, and the pause in between. */
  CLOSE_BATCH: integer({ least: 1, most: 1_000_000, otherwise: 200 }),
  CLOSE_PAUSE_MS: integer({ least: 0, most: 60_000, otherwise: 100 }),
  /** Shutdown: time to close all connections and run each onClose. */
  DRAIN_MS: integer({ least: 0, most: 600_000, otherwise: 8_000 }),
  LOG_LEVEL: logLevel,
});

const leastParkedBytes = 1024 * 1024;
/** How many of the largest messages may wait in a row. */
const usualParkedMessages = 4;
const usualBackpressureBytes = 4 * 1024 * 1024;

const certificate = [["TLS_CERT_FILE"], ["TLS_KEY_FILE"]] as const;

const settings = v.pipe(
  entries,
  v.forward(
    v.partialCheck(certificate, (named) => named.TLS_CERT_FILE === "" || named.TLS_KEY_FILE !== ""),
    ["TLS_KEY_FILE"],
  ),
  v.forward(
    v.partialCheck(certificate, (named) => named.TLS_KEY_FILE === "" || named.TLS_CERT_FILE !== ""),
    ["TLS_CERT_FILE"],
  ),
  v.forward(
    v.partialCheck(
      [["MESSAGE_BYTES"], ["PARKED_BYTES"]],
      (named) => holdsMessage(named.PARKED_BYTES, named.MESSAGE_BYTES),
      ({ input }) => leastLimit(input),
    ),
    ["PARKED_BYTES"],
  ),
  v.forward(
    v.partialCheck(
      [["MESSAGE_BYTES"], ["PARKED_TOTAL_BYTES"]],
      (named) => holdsMessage(named.PARKED_TOTAL_BYTES, named.MESSAGE_BYTES),
      ({ input }) => leastLimit(input),
    ),
    ["PARKED_TOTAL_BYTES"],
  ),
  v.forward(
    v.partialCheck(
      [["MESSAGE_BYTES"], ["BACKPRESSURE_BYTES"]],
      (named) => holdsMessage(named.BACKPRESSURE_BYTES, named.MESSAGE_BYTES),
      ({ input }) => leastLimit(input),
    ),
    ["BACKPRESSURE_BYTES"],
  ),
  v.forward(
    v.partialCheck(
      [["MESSAGE_BYTES"], ["BACKPRESSURE_TOTAL_BYTES"]],
      (named) => holdsMessage(named.BACKPRESSURE_TOTAL_BYTES, named.MESSAGE_BYTES),
      ({ input }) => leastLimit(input),
    ),
    ["BACKPRESSURE_TOTAL_BYTES"],
  ),
  v.forward(
    v.partialCheck([["GATEWAY_TIMEOUT_MS"], ["NATS_TIMEOUT_MS"]], closesInTime, ({ input }) => leastGatewayTimeout(input)),
    ["GATEWAY_TIMEOUT_MS"],
  ),
  v.transform((named) => ({
    ...named,
    PARKED_BYTES: named.PARKED_BYTES ?? Math.max(leastParkedBytes, usualParkedMessages * named.MESSAGE_BYTES),
    BACKPRESSURE_BYTES: named.BACKPRESSURE_BYTES ?? Math.max(usualBackpressureBytes, named.MESSAGE_BYTES),
  })),
);

export type GatewayConfig = Readonly<v.InferOutput<typeof settings>>;

/**
 * Settings that may change while the gateway runs. BACKPRESSURE_BYTES, IDLE_TIMEOUT_MS, COMPRESSION and the certificate apply to new
 * connections only; so does MESSAGE_BYTES for messages far above it.
 */
export const liveSettings: ReadonlySet<keyof GatewayConfig> = new Set([
  "MESSAGE_BYTES",
  "WINDOW_MESSAGES",
  "WINDOW_BYTES",
  "PARKED_MESSAGES",
  "PARKED_BYTES",
  "PARKED_TOTAL_BYTES",
  "PARK_MS",
  "EXPIRE_GRACE_MS",
  "TOPICS",
  "SUBSCRIPTIONS",
  "TIMERS",
  "LOCKS",
  "LOCKS_PER_CONNECTION",
  "MEMBER_BYTES",
  "HISTORY_STREAMS",
  "HISTORY_PENDING_BYTES",
  "HISTORY_CACHE_BYTES",
  "WORKER_TIMEOUT_MS",
  "IDLE_TIMEOUT_MS",
  "BACKPRESSURE_BYTES",
  "BACKPRESSURE_TOTAL_BYTES",
  "BACKPRESSURE_MS",
  "CLOSE_BATCH",
  "CLOSE_PAUSE_MS",
  "DRAIN_MS",
  "LOG_LEVEL",
  "CONNECTIONS",
  "WAITING_UPGRADES",
  ...(Object.keys(clientLimitSettings) as Array<keyof typeof clientLimitSettings>),
  "TRUSTED_PROXIES",
  "HOSTS",
  "API_PATH",
  "API_IDEMPOTENCY_KEYS",
  "API_IDEMPOTENCY_MS",
  "API_TIMEOUT_MS",
  "API_WAITING",
  "URL_BYTES",
  "COMPRESSION",
  "TLS_CERT_FILE",
  "TLS_KEY_FILE",
]);

/** @throws {CodedError} "config.invalid", naming every variable that is wrong. */
export function parseGatewayConfig(environment: Readonly<Record<string, string | undefined>>): GatewayConfig {
  return parseSettings(settings, environment);
}

/** @throws {CodedError} "config.invalid" if a client's message might not fit into a message of this NATS. */
export function checkPayload({ MESSAGE_BYTES }: GatewayConfig, maxPayloadBytes: number): void {
  checkFits({ MESSAGE_BYTES }, maxPayloadBytes);
}
