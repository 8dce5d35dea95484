// Which part is given which of the settings.

import type { HistoryLimits as StreamLimits } from "../nats/history-streams.ts";
import { fenceMs, unnoticedMs } from "../process/gateway-timeout.ts";
import type { AllGatewaysLimits } from "./api/all-gateways.ts";
import type { GatewayConfig } from "./config.ts";
import type { DispatchLimits } from "./dispatch-options.ts";
import type { HistoryLimits } from "./history/history.ts";
import type { LockLimits } from "./locks/locks.ts";
import type { MemberLimits } from "./members.ts";
import type { InterestLimits } from "./paced-interest.ts";
import type { SlowClientLimits } from "./slow-clients.ts";
import type { TimerLimits } from "./timers.ts";
import type { TopicLimits } from "./topics.ts";
import type { UpgradesOptions } from "./upgrade.ts";
import type { ServerOptions } from "./uws/server.ts";
import type { WorkerLimits } from "./workers.ts";

export function dispatchLimits(config: GatewayConfig): DispatchLimits {
  return {
    windowMessages: config.WINDOW_MESSAGES,
    windowBytes: config.WINDOW_BYTES,
    parkedMessages: config.PARKED_MESSAGES,
    parkedBytes: config.PARKED_BYTES,
    parkedTotalBytes: config.PARKED_TOTAL_BYTES,
    parkMs: config.PARK_MS,
    fenceMs: fenceMs(config),
    forgottenMs: config.GATEWAY_TIMEOUT_MS - unnoticedMs(config),
  };
}

export function topicLimits(config: GatewayConfig, maxPayloadBytes: number): TopicLimits {
  return {
    batchBytes: Math.min(256 * 1024, maxPayloadBytes - 4096),
    externalBytes: config.MESSAGE_BYTES,
    ringBytes: config.TOPIC_RING_BYTES,
  };
}

export function interestLimits(config: GatewayConfig): InterestLimits {
  return { topics: config.TOPICS, subscriptions: config.SUBSCRIPTIONS };
}

export function memberLimits(config: GatewayConfig): MemberLimits {
  return { bytes: config.MEMBER_BYTES };
}

export function historyLimits(config: GatewayConfig, maxPayloadBytes: number): HistoryLimits & StreamLimits {
  return {
    streams: config.HISTORY_STREAMS,
    streamBytes: config.HISTORY_STREAM_BYTES,
    pendingBytes: config.HISTORY_PENDING_BYTES,
    cacheBytes: config.HISTORY_CACHE_BYTES,
    // Of app.history, it has to fit into one message with what is told of each entry.
    readBytes: Math.min(512 * 1024, maxPayloadBytes / 2),
  };
}

export function lockLimits(config: GatewayConfig): LockLimits {
  return { total: config.LOCKS, perConnection: config.LOCKS_PER_CONNECTION };
}

export function timerLimits(config: GatewayConfig): TimerLimits {
  return { timers: config.TIMERS };
}

export function slowClientLimits(config: GatewayConfig): SlowClientLimits {
  return { totalBytes: config.BACKPRESSURE_TOTAL_BYTES, waitMs: config.BACKPRESSURE_MS };
}

export function workerLimits(config: GatewayConfig): WorkerLimits {
  return { silenceMs: config.WORKER_TIMEOUT_MS, confirmMs: config.WORKER_TIMEOUT_MS, rememberMs: config.PARK_MS };
}

export function allGatewaysLimits(config: GatewayConfig): AllGatewaysLimits {
  return { timeoutMs: config.API_TIMEOUT_MS, waiting: config.API_WAITING };
}

export function requestLimits(config: GatewayConfig): UpgradesOptions<object>["limits"] {
  return {
    parkMs: config.PARK_MS,
    bodyBytes: config.MESSAGE_BYTES,
    urlBytes: config.URL_BYTES,
    waiting: config.WAITING_UPGRADES,
  };
}

export function serverLimits(config: GatewayConfig): ServerOptions["limits"] {
  return {
    // Far enough above the limit that a client hears 1009 from us, before uWebSockets.js cuts it off without a word.
    frameBytes: Math.max(2 * config.MESSAGE_BYTES, 64 * 1024),
    backpressureBytes: config.BACKPRESSURE_BYTES,
    idleTimeoutMs: config.IDLE_TIMEOUT_MS,
    compresses: config.COMPRESSION === "on",
  };
}
