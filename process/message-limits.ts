// The largest message of a client, and the limits that have to be at least as large to handle it. Limits that are not set follow it.

import { messageRoomBytes, mostPayloadBytes } from "../protocol/payload-limits.ts";
import { integer } from "./settings.ts";

/** MESSAGE_BYTES: a client's message has to fit into one message of NATS. */
export const messageBytes = integer({ least: 1, most: mostPayloadBytes - messageRoomBytes, otherwise: 256 * 1024 });

/** Of an effect, beside the message that it sends or publishes: its record, and a topic of at most 256 bytes. */
export const effectRoomBytes = 1024;

/** @returns whether a limit is large enough for the largest message, or not set. */
export function holdsMessage(limitBytes: number | undefined, messageBytes: number, roomBytes = 0): boolean {
  return limitBytes === undefined || limitBytes >= messageBytes + roomBytes;
}

/** What a limit has to be, for the message of a mistake. */
export function leastLimit({ MESSAGE_BYTES }: { readonly MESSAGE_BYTES: number }, roomBytes = 0): string {
  return `at least ${MESSAGE_BYTES + roomBytes}, which MESSAGE_BYTES=${MESSAGE_BYTES} needs: raise it, or lower MESSAGE_BYTES`;
}
