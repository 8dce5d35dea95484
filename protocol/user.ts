// Who a client is, as handlers and programs name it.

import { CodedError } from "./errors.ts";

/** In UTF-8. A gateway keeps it for each connection, and every pin has it. */
export const userLimitBytes = 1024;

/** @throws {CodedError} "identity.invalid" */
export function checkUser(user: unknown): string {
  if (typeof user === "string" && user !== "" && Buffer.byteLength(user) <= userLimitBytes) return user;
  throw new CodedError("identity.invalid", `a user is text of 1 to ${userLimitBytes} bytes`);
}
