// Whose address it is: of IPv6, whoever has one has its whole /64, and may use another one each time. Pure.

import { isIPv4 } from "node:net";

/**
 * @param address in any of its forms.
 * @param length How many groups of 16 bits an IPv6 network's addresses have in common.
 * @returns One text for all addresses of one network: an IPv4 address itself, the first half of an IPv6 address, or less of it.
 */
export function networkOf(address: string, length = 4): string {
  if (!address.includes(":")) return address;
  const groups = groupsOf(address);
  // ::ffff:192.0.2.1, RFC 4291, 2.5.5.2.
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [groups[6], groups[7]].flatMap((group = 0) => [group >> 8, group & 0xff]).join(".");
  return `${groups
    .slice(0, length)
    .map((group) => group.toString(16))
    .join(":")}::/${16 * length}`;
}

function groupsOf(address: string): number[] {
  const [before = "", after] = address.split("::");
  const left = halfOf(before);
  if (after === undefined) return left;
  const right = halfOf(after);
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}

function halfOf(half: string): number[] {
  if (half === "") return [];
  return half.split(":").flatMap((group) => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
