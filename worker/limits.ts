// What the settings allow turns and answers, as far as NATS' max_payload lets it.

import { payloadLimits } from "../protocol/payload-limits.ts";
import type { AppClientOptions } from "./app.ts";
import type { WorkerConfig } from "./config.ts";
import type { RequestHandlerOptions } from "./request-handler.ts";
import type { TurnsOptions } from "./turns.ts";

/** A pin has to fit into one message, with a half of it each for state and topics. */
export function turnLimits(
  config: WorkerConfig,
  maxPayloadBytes: number,
): TurnsOptions["limits"] & RequestHandlerOptions["limits"] & AppClientOptions["limits"] {
  const most = payloadLimits(maxPayloadBytes);
  return {
    effectsBytes: Math.min(config.EFFECTS_BYTES, most.EFFECTS_BYTES),
    recordBytes: most.EFFECTS_BYTES,
    stateBytes: Math.min(config.STATE_BYTES, most.STATE_BYTES),
    topicsPerConnection: Math.min(config.TOPICS_PER_CONNECTION, most.TOPICS_PER_CONNECTION),
    timersPerConnection: config.TIMERS_PER_CONNECTION,
    messageBytes: config.MESSAGE_BYTES,
    turnTimeoutMs: config.TURN_TIMEOUT_MS,
  };
}
