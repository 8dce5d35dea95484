// Who a client is that comes through proxies: each of them adds the address that it was asked from, so what our own proxies have added
// can be believed, and nothing to the left of it. Pure.

import { BlockList, isIP, SocketAddress } from "node:net";
import { entriesOf } from "../process/settings.ts";

export interface Traced {
  /** The right-most address that is none of a trusted proxy. */
  readonly client: string;
  /** How many of the hops, counted from the right, trusted proxies have written. */
  readonly believed: number;
}

export class TrustedProxies {
  private readonly list: BlockList | undefined;

  /** @param list addresses and networks (10.0.0.0/8) parted by commas, as `isProxyList` has it; empty: nobody is trusted. */
  constructor(list: string) {
    if (list.trim() === "") return;
    this.list = new BlockList();
    for (const entry of entriesOf(list)) addTo(this.list, entry);
  }

  /** @param address as `normalizedAddress` has it. */
  isTrusted(address: string): boolean {
    return this.list?.check(address, isIP(address) === 6 ? "ipv6" : "ipv4") ?? false;
  }

  /**
   * @param peer who is at the other end of the TCP connection.
   * @param hops whom each proxy was asked by, the nearest proxy's last.
   */
  trace(peer: string, hops: readonly string[]): Traced {
    let client = normalizedAddress(peer);
    let believed = 0;
    while (believed < hops.length && this.isTrusted(client)) {
      believed++;
      const hop = addressOf(hops[hops.length - believed] as string);
      // "unknown", or a name of its own (RFC 7239, 6.3): nobody behind it is known.
      if (hop === undefined) break;
      client = hop;
    }
    return { client, believed };
  }
}

export function isProxyList(text: string): boolean {
  try {
    for (const entry of entriesOf(text)) addTo(new BlockList(), entry);
    return true;
  } catch {
    return false;
  }
}

/** One text for each address: 2001:db8::1 for 2001:0db8:0000:…, and 192.0.2.1 for ::ffff:192.0.2.1. */
export function normalizedAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  return new SocketAddress({ address, family: "ipv6" }).address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
}

/** @throws where it is neither an address nor a network. */
function addTo(list: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (rest.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) throw new Error(`not a network: ${entry}`);
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
}

/** Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711. */
function addressOf(hop: string): string | undefined {
  const [, inBrackets, v4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop) ?? [];
  const address = inBrackets ?? v4 ?? hop;
  return isIP(address) === 0 ? undefined : normalizedAddress(address);
}
