// The headers that onUpgrade adds to the answer that opens a WebSocket.

import { CodedError } from "../protocol/errors.ts";

/** The handshake's own, and those that say how the connection goes on: RFC 6455, 4.2.2; RFC 9110, 7.6.1. */
const handshakeHeader =
  /^(?:sec-websocket-.*|upgrade|connection|keep-alive|proxy-connection|content-length|transfer-encoding|te|trailer|date)$/;

/**
 * @returns Names in lower case. A line break in a value would begin another header.
 * @throws {CodedError} "upgrade.headers"; TypeError for what no header can be.
 */
export function welcomeHeaders(given: Readonly<Record<string, string>> | undefined): Array<[string, string]> {
  const headers = [...new Headers(given)];
  for (const [name] of headers) {
    if (!handshakeHeader.test(name)) continue;
    const instead = name === "sec-websocket-protocol" ? ": return it as subprotocol" : "";
    throw new CodedError("upgrade.headers", `onUpgrade's headers have ${name}, which is the gateway's to send${instead}`);
  }
  return headers;
}
