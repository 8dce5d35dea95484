// What a client's message may have, and what has to be at least as large, or the largest message that is let in could not be
// handled. What is not set follows from it.

import { messageRoomBytes, mostPayloadBytes } from "../protocol/payload.ts";
import { integer } from "./settings.ts";

/** A client's message, in bytes; it has to fit into one message of NATS. */
export const messageBytes = integer({ least: 1, most: mostPayloadBytes - messageRoomBytes, otherwise: 256 * 1024 });

/** What an effect has beside the message that it sends or publishes: its record, and a topic of at most 256 bytes. */
export const effectRoomBytes = 1024;

/** @returns whether a limit lets the largest message through. One that is not set does. */
export function holdsMessage(limitBytes: number | undefined, messageBytes: number, roomBytes = 0): boolean {
  return limitBytes === undefined || limitBytes >= messageBytes + roomBytes;
}

/** What to say of one that does not. */
export function leastLimit({ MESSAGE_BYTES }: { readonly MESSAGE_BYTES: number }, roomBytes = 0): string {
  return `at least ${MESSAGE_BYTES + roomBytes}, which MESSAGE_BYTES=${MESSAGE_BYTES} needs: raise it, or lower MESSAGE_BYTES`;
}
