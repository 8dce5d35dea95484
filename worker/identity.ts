// Who a client is and for how long, as handlers name it and the wire has it.

import { CodedError } from "../protocol/errors.ts";

/** A gateway keeps it for each connection, and every pin has it. */
const userBytes = 1024;

/** @throws {CodedError} "identity.invalid" */
export function checkUser(user: unknown): string {
  if (typeof user === "string" && user !== "" && Buffer.byteLength(user) <= userBytes) return user;
  throw new CodedError("identity.invalid", `a user is text of 1 to ${userBytes} bytes`);
}

/**
 * @returns Milliseconds since 1970; 0: never.
 * @throws {CodedError} "identity.invalid"
 */
export function expiryTime(at: unknown): number {
  if (at === undefined) return 0;
  // Seconds, as a JWT has them, would be a day of 1970 and nothing that could be told from it.
  if (!(at instanceof Date) || Number.isNaN(at.getTime()))
    throw new CodedError("identity.invalid", "expiresAt is a valid Date, or undefined");
  // What has come is due at once, however long ago.
  return Math.max(1, at.getTime());
}
