// The names that this installation is reached under: those of the setting HOSTS, and for the admin port those that no stranger can have.
// Pure.

import { isIP } from "node:net";
import { entriesOf } from "../process/settings.ts";
import { isHostPattern, matchesHost, parseOrigin } from "../protocol/origins.ts";

/** @param list HOSTS: `example.com, *.example.com:8443`; empty: none are named. */
export function hostsOf(list: string): readonly string[] {
  return entriesOf(list);
}

export function isHostList(list: string): boolean {
  return entriesOf(list).every(isHostPattern);
}

/**
 * Whether a request to the admin port may be answered, by its Host header. A page that a browser on this machine shows could have the name
 * of its own site lead here, and then read the answers (DNS rebinding). It cannot do that with an address, nor with a name without a dot,
 * which is of this network.
 * @param host undefined: clients of HTTP/1.0 need not send one; browsers do.
 * @param named names of ours, as isHostPattern has them; their ports do not count.
 */
export function isHostOfAdmin(host: string | undefined, named: readonly string[]): boolean {
  if (host === undefined) return true;
  const asked = parseOrigin(`http://${host}`);
  if (asked === undefined) return false;
  const { name } = asked;
  if (!name.includes(".") || isIP(name) !== 0) return true;
  return named.some((pattern) => matchesHost(withoutPort(pattern), { scheme: "http:", name, port: "" }));
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}
