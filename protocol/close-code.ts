// How handlers and programs may close a connection.

import { CodedError } from "./errors.ts";

/** RFC 6455, 5.5: a control frame has 125 bytes, and its code takes two of them. */
export const reasonLimitBytes = 123;

/**
 * Source: RFC 6455, 7.4.2.
 * @throws {CodedError} "close.invalid"
 */
export function checkClose(code: number, reason: string): void {
  if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
    throw new CodedError("close.invalid", `the close code ${code} is not 1000 and not within 3000 to 4999`);
  }
  if (Buffer.byteLength(reason) > reasonLimitBytes) {
    throw new CodedError("close.invalid", `a close reason has at most ${reasonLimitBytes} bytes`);
  }
}
