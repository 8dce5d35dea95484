// For how long a client is who it is, as handlers say it and the wire has it.

import { CodedError } from "../protocol/errors.ts";

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
