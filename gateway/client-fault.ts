// Which closes are the client's own fault: each counts as a failure of its address (FAILED_UPGRADES_PER_SECOND). And which are the release's.
// Pure.

import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import type { ConnectionMeter } from "./connection-meter.ts";

/** @param meter Of the connection that is closed for this. */
export function isClientFault(code: ErrorCode, meter: Pick<ConnectionMeter, "exceedsOwnRate" | "isFlooding"> | undefined): boolean {
  const { close } = errorTable[code];
  // What all of an address, of a user or of the gateway do together is not the fault of the one that was closed for it, unless it floods.
  if (code === "rate.sent") return meter?.exceedsOwnRate === true;
  if (code === "parked.total") return meter?.isFlooding === true;
  return close === 1008 || close === 1009 || code === "parked.tooMuch";
}

/** RFC 6455, 7.4.1: 1011 is the server's own fault. The other two are the release's as well, though a client that comes back is served. */
export function isReleaseFault(code: string, closeCode: number): boolean {
  return closeCode === 1011 || code === "route.removed" || code === "state.incompatible";
}

/** Of a message or a body, for the log and its sender. @param bytes Missing: it came without telling. */
export function tooLargeText(what: string, bytes: number | undefined, limitBytes: number): string {
  return `${what} has ${bytes ?? `more than ${limitBytes}`} bytes, at most ${limitBytes} are allowed (MESSAGE_BYTES)`;
}
