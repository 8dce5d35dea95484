// Whether a request to open a WebSocket is one: RFC 6455, 4.2.1. Pure.

import { headFault, listOf, valuesOf } from "./head-faults.ts";
import type { Incoming } from "./uws/request.ts";

/** Base64 of 16 bytes. */
const key = /^[A-Za-z0-9+/]{22}==$/;

export interface HandshakeFault {
  readonly status: 400 | 426;
  /** For the client. */
  readonly text: string;
}

/**
 * A request that is to be answered as the opening of a WebSocket, right or wrong. An Upgrade that Connection does not name is none (RFC 9110,
 * 7.8), unless a proxy has dropped that and a key came; another method's opens no WebSocket.
 */
export function wantsWebSocket(incoming: Incoming): boolean {
  if (incoming.method !== "GET" || !hasToken(incoming, "upgrade", "websocket")) return false;
  return hasToken(incoming, "connection", "upgrade") || valuesOf(incoming, "sec-websocket-key").length > 0;
}

/** @returns undefined where it may be let in. */
export function handshakeFault(incoming: Incoming): HandshakeFault | undefined {
  const malformed = headFault(incoming);
  if (malformed !== undefined) return { status: 400, text: malformed };
  if (incoming.method !== "GET") return { status: 400, text: "a WebSocket is opened with GET" };
  if (!wantsWebSocket(incoming) || !hasToken(incoming, "connection", "upgrade")) {
    return { status: 426, text: "Upgrade: websocket and Connection: Upgrade are missing (does a proxy drop them?)" };
  }
  const versions = listOf(incoming, "sec-websocket-version");
  if (versions.length !== 1 || versions[0] !== "13") return { status: 426, text: "Sec-WebSocket-Version is 13" };
  const keys = valuesOf(incoming, "sec-websocket-key");
  if (keys.length !== 1 || !key.test(keys[0] ?? "")) return { status: 400, text: "Sec-WebSocket-Key is 16 bytes in base64" };
  // What follows the head are frames: a body would be taken for them.
  if (valuesOf(incoming, "transfer-encoding").length > 0 || Number(valuesOf(incoming, "content-length")[0] ?? 0) > 0) {
    return { status: 400, text: "the request that opens a WebSocket has no body" };
  }
  return undefined;
}

function hasToken(incoming: Incoming, name: string, token: string): boolean {
  return listOf(incoming, name).some((member) => member.toLowerCase() === token);
}
