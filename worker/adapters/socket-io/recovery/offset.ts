// Where a client is in what it is sent: with connection state recovery, the last argument of an event is its offset, which the client tells
// when it comes back. Pure, but for the clock and random numbers.
// Source: Socket.IO's documentation, "Connection state recovery".

import { randomBytes } from "node:crypto";
import type { PublishOptions } from "../../../handler.ts";
import { type EncodedPacket, encodePacket, packetType } from "../protocol/packet.ts";

export type Keep = NonNullable<PublishOptions["keep"]>;

/** A packet that is kept: it may be twice as large within an order, and then has less than 256 KiB. See missed.ts, wholeBytes. */
const keptPacketBytes = 120 * 1024;

/** What a room of each socket keeps of an event that was ordered (rooms/broadcast.ts), where that has more bytes: that it was sent. */
export const copiedBytes = 2 * 1024;
/** Engine.IO's noop, which clients ignore. Source: Engine.IO protocol, revision 4, "Packet types". */
const receiptType = "6";

/** As much of a socket's id as its offsets need. */
const senderLength = 8;
const offsetPattern = /^([0-9a-z]+)-[\w-]{8}(?:\.([\w-]{8}))?$/;

export interface Emitted {
  readonly packet: EncodedPacket;
  /** How the topic keeps it; undefined: it does not. */
  readonly keep?: Keep;
}

export interface EventOptions {
  /** How topics keep what can be recovered; undefined: nothing can. */
  readonly recovery: Keep | undefined;
  /** Whether this is to be. */
  readonly isKept: boolean;
  /** Id of the socket that has emitted it to others. */
  readonly sender?: string | undefined;
}

/** @param event its name and its arguments. */
export function encodeEvent(nsp: string, event: readonly unknown[], { recovery, isKept, sender }: EventOptions): Emitted {
  const encoded = (data: readonly unknown[]) => encodePacket({ type: packetType.event, nsp, data });
  if (recovery === undefined) return { packet: encoded(event) };
  if (isKept) {
    const packet = encoded([...event, newOffset(sender)]);
    if (packet.attachments.length === 0 && Buffer.byteLength(packet.text) < keptPacketBytes) return { packet, keep: recovery };
  }
  // Clients would take a string at the end for an offset.
  return { packet: encoded(typeof event.at(-1) === "string" ? [...event, null] : event) };
}

function newOffset(sender: string | undefined): string {
  const id = `${Date.now().toString(36)}-${randomBytes(6).toString("base64url")}`;
  return sender === undefined ? id : `${id}.${sender.slice(-senderLength)}`;
}

/** Of an event as `encodeEvent` has made it. */
export function offsetOf(text: string): string | undefined {
  return /"([\w.-]{1,64})"\]$/.exec(text.slice(-80))?.[1];
}

/** Kept behind an event that is not copied: it was sent before this. */
export function receiptOf(offset: string): string {
  return `${receiptType}${offset}`;
}

/** When it was emitted, in ms since 1970. undefined: it is no offset of ours. */
export function timeOf(offset: string): number | undefined {
  const time = offsetPattern.exec(offset)?.[1];
  return time === undefined ? undefined : Number.parseInt(time, 36);
}

/** Whether the socket itself has emitted it, to others. */
export function isSentBy(offset: string, socketId: string): boolean {
  return offsetPattern.exec(offset)?.[2] === socketId.slice(-senderLength);
}
