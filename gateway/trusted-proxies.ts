// Who a client is that comes through proxies: each of them adds the address that it was asked from, so what our own proxies have added
// can be believed, and nothing to the left of it. Pure.

import { isIP } from "node:net";
import { type AddressList, normalizedAddress } from "./address-list.ts";

export interface Traced {
  /** The right-most address that is none of a trusted proxy. */
  readonly client: string;
  /** How many of the hops, counted from the right, trusted proxies have written. */
  readonly believed: number;
}

/**
 * @param peer Who is at the other end of the TCP connection.
 * @param hops Whom each proxy was asked by, the nearest proxy's last.
 * @param proxies Who is trusted.
 */
export function traceClient(peer: string, hops: readonly string[], proxies: AddressList): Traced {
  let client = normalizedAddress(peer);
  let believed = 0;
  while (believed < hops.length && proxies.has(client)) {
    believed++;
    const hop = addressOf(hops[hops.length - believed] as string);
    // "unknown", or a name of its own (RFC 7239, 6.3): nobody behind it is known.
    if (hop === undefined) break;
    client = hop;
  }
  return { client, believed };
}

/** Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711. */
function addressOf(hop: string): string | undefined {
  const [, inBrackets, v4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop) ?? [];
  const address = inBrackets ?? v4 ?? hop;
  return isIP(address) === 0 ? undefined : normalizedAddress(address);
}
