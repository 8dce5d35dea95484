// A list of addresses and networks, as settings have it. Pure.

import { BlockList, isIP, SocketAddress } from "node:net";
import { entriesOf } from "../process/settings.ts";

export class AddressList {
  private readonly list: BlockList | undefined;

  /** @param list Addresses and networks (10.0.0.0/8) separated by commas, as `isAddressList` has it; empty: nobody is in it. */
  constructor(list: string) {
    if (list.trim() === "") return;
    this.list = new BlockList();
    for (const entry of entriesOf(list)) addTo(this.list, entry);
  }

  /** @param address As `normalizedAddress` has it. */
  has(address: string): boolean {
    return this.list?.check(address, isIP(address) === 6 ? "ipv6" : "ipv4") ?? false;
  }
}

export function isAddressList(text: string): boolean {
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
