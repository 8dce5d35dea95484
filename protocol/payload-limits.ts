// How large a message of NATS has to be allowed to be (`max_payload`) for what is configured, and what is possible at most. A
// nats-server of ours is told; another one says what it allows, and limits are held to that.

import { CodedError } from "./errors.ts";

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** What a nats-server allows that is told nothing: never less. */
export const usualPayloadBytes = mebibyte;

/** Above it nats-server warns of poor performance, and says that it may refuse one day. Source: its MAX_PAYLOAD_MAX_SIZE. */
export const mostPayloadBytes = 8 * mebibyte;

/**
 * What travels in one piece with a client's message, or with the body of its request: the request's head, which uWebSockets.js
 * limits to 16 KiB and which is twice as large in UTF-8 at worst, and the batch's own bytes.
 */
export const messageRoomBytes = 64 * kibibyte;

/** The same for the effects of one turn. */
export const effectsRoomBytes = 4 * kibibyte;

/** What a pin has besides state and topics, at most: path and query, which are of a request's head. */
export const pinHeadBytes = 32 * kibibyte;

/** A topic's name in a pin, at most, and its length. */
export const topicBytes = 256 + 3;

/** By the names of the settings: the first is a gateway's, the others are a worker's. */
export interface PayloadLimits {
  readonly MESSAGE_BYTES: number;
  readonly EFFECTS_BYTES: number;
  readonly STATE_BYTES: number;
  readonly TOPICS_PER_CONNECTION: number;
}

/**
 * The `max_payload` that these limits need. Within what the settings may be, it is at most `mostPayloadBytes`.
 * @returns Bytes.
 */
export function neededPayloadBytes({ MESSAGE_BYTES, EFFECTS_BYTES, STATE_BYTES, TOPICS_PER_CONNECTION }: PayloadLimits): number {
  return Math.max(
    usualPayloadBytes,
    MESSAGE_BYTES + messageRoomBytes,
    EFFECTS_BYTES + effectsRoomBytes,
    // State and topics have a half of a pin each: see worker/limits.ts.
    2 * (STATE_BYTES + pinHeadBytes),
    2 * TOPICS_PER_CONNECTION * topicBytes,
  );
}

/** What fits into a message of NATS, by the names of the settings. */
export function payloadLimits(maxPayloadBytes: number): PayloadLimits {
  return {
    MESSAGE_BYTES: maxPayloadBytes - messageRoomBytes,
    EFFECTS_BYTES: maxPayloadBytes - effectsRoomBytes,
    STATE_BYTES: Math.floor(maxPayloadBytes / 2) - pinHeadBytes,
    TOPICS_PER_CONNECTION: Math.floor(maxPayloadBytes / 2 / topicBytes),
  };
}

/** @throws {CodedError} "config.invalid", naming each setting that does not fit into a message of this NATS. */
export function checkFits(settings: Partial<PayloadLimits>, maxPayloadBytes: number): void {
  const most = payloadLimits(maxPayloadBytes);
  const mistakes = Object.keys(most).flatMap((key) => {
    const name = key as keyof PayloadLimits;
    const value = settings[name];
    if (value === undefined || value <= most[name]) return [];
    return `${name}=${value} does not fit NATS' max_payload of ${maxPayloadBytes}: at most ${most[name]}`;
  });
  if (mistakes.length > 0) throw new CodedError("config.invalid", mistakes.join("; "));
}
