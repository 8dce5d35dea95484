// Whether a page may use what a handler serves, by its origin, and what to tell whose page it is. For gateways, which ask about every
// WebSocket and whatever changes something, and for handlers whose other requests carry cookies, too. Pure.

import { isOfWeb, isSameOrigin, matchesHost, matchesOrigin, parseOrigin } from "../protocol/origins.ts";
import { shown } from "./settings.ts";

/** What a client sent is shown up to here. */
const shownCharacters = 256;

interface Allowed {
  /** The handler's. Without them, pages of our own hosts are allowed. */
  readonly origins?: readonly string[] | undefined;
  /** Those of HOSTS; empty: the Host header's. Missing where they cannot be known, and nobody but the Host header's is allowed. */
  readonly hosts?: readonly string[];
  /** The Host header. The scheme is no part of a host: a proxy that speaks TLS to browsers need not speak it to us. */
  readonly host: string;
}

/**
 * @param origin the Origin header.
 * @returns What came, what is allowed, and which setting decides it, for people; undefined where the page is allowed.
 */
export function pageFault(origin: string, { origins, hosts, host }: Allowed): string | undefined {
  const came = `Origin is ${quoted(origin)}`;
  if (origins !== undefined) {
    if (origins.some((pattern) => matchesOrigin(pattern, origin))) return undefined;
    return `${came}, allowed ${areOf(origins)} ${origins.join(", ") || "none"} (origins of this handler)`;
  }
  const page = parseOrigin(origin);
  if (hosts !== undefined && hosts.length > 0) {
    if (page !== undefined && hosts.some((each) => matchesHost(each, page))) return undefined;
    return `${came}, allowed ${areOf(hosts)} ${hosts.join(", ")} (HOSTS)`;
  }
  if (page !== undefined && isOfHost(page, host)) return undefined;
  const isSite = page !== undefined && isOfWeb(page);
  const allowed = `${came}, allowed is ${quoted(host)}, the Host header, as`;
  if (hosts === undefined) {
    const advice = "; if that is a page of yours, name its origin and the server's own there: HOSTS is not asked here";
    return `${allowed} the handler has no origins${isSite ? advice : ""}`;
  }
  if (!isSite) return `${allowed} HOSTS is not set`;
  const named = quoted(new URL(origin).host);
  const advice = `if that is this site, have the proxy pass Host on, or set HOSTS=${named}; if it is another one, name both in the handler's origins`;
  return `${allowed} HOSTS is not set; ${advice}`;
}

// With the origin's scheme, so that its usual port may be left out on either side.
function isOfHost(page: NonNullable<ReturnType<typeof parseOrigin>>, host: string): boolean {
  const own = parseOrigin(`${page.scheme}//${host}`);
  return isOfWeb(page) && own !== undefined && isSameOrigin(own, page);
}

function areOf(list: readonly string[]): string {
  return list.length > 1 ? "are" : "is";
}

function quoted(value: string): string {
  return shown(value.length > shownCharacters ? `${value.slice(0, shownCharacters)}…` : value) || '""';
}
