// Whether a page may connect. A page of another site may not use its visitor's cookies here, unless the route names its origin.
// Programs that are no browsers send no Origin, and are let through unless the route wants one: RFC 6455, 10.2. Pure.

import { shown } from "../process/settings.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { isOfWeb, isSameOrigin, matchesHost, matchesOrigin, parseOrigin } from "../protocol/origins.ts";
import { valuesOf } from "./head-faults.ts";
import type { Incoming } from "./uws/request.ts";

/** Methods that change nothing: RFC 9110, 9.2.1. A browser sends an Origin with all others, also to the page's own host. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** What a client sent is shown up to here. */
const shownCharacters = 256;

/** Whether a request's Origin is looked at. Upgrades always are. */
export function isOriginChecked({ method }: Incoming): boolean {
  return !safeMethods.has(method);
}

/**
 * @param route its `origins`; without them, pages of our own hosts are allowed. The scheme is no part of a host: a proxy that speaks TLS to
 * browsers need not speak it to us.
 * @param hosts those of HOSTS; empty: the Host header's.
 * @returns What came, what is allowed, and which setting decides it, for people; undefined where the client is allowed.
 */
export function originFault(
  incoming: Incoming,
  { origins, requireOrigin = false }: Pick<RouteHello, "origins" | "requireOrigin">,
  hosts: readonly string[],
): string | undefined {
  const [origin, ...others] = valuesOf(incoming, "origin");
  if (origin === undefined) return requireOrigin ? "no Origin header came, and this handler requires one (requireOrigin)" : undefined;
  if (others.length > 0) return "more than one Origin header came";
  const came = `Origin is ${quoted(origin)}`;
  if (origins !== undefined) {
    if (origins.some((pattern) => matchesOrigin(pattern, origin))) return undefined;
    return `${came}, allowed ${areOf(origins)} ${origins.join(", ") || "none"} (origins of this handler)`;
  }
  const page = parseOrigin(origin);
  if (hosts.length > 0) {
    if (page !== undefined && hosts.some((host) => matchesHost(host, page))) return undefined;
    return `${came}, allowed ${areOf(hosts)} ${hosts.join(", ")} (HOSTS)`;
  }
  const host = valuesOf(incoming, "host")[0] ?? "";
  if (page !== undefined && isOfHost(page, host)) return undefined;
  const advice =
    page !== undefined && isOfWeb(page)
      ? `; if that is a page of yours, have the proxy pass Host on, or set HOSTS=${quoted(hostOf(origin))}`
      : "";
  return `${came}, allowed is ${quoted(host)}, the Host header, as HOSTS is not set${advice}`;
}

// With the origin's scheme, so that its usual port may be left out on either side.
function isOfHost(page: NonNullable<ReturnType<typeof parseOrigin>>, host: string): boolean {
  const own = parseOrigin(`${page.scheme}//${host}`);
  return isOfWeb(page) && own !== undefined && isSameOrigin(own, page);
}

function hostOf(origin: string): string {
  return new URL(origin).host;
}

function areOf(list: readonly string[]): string {
  return list.length > 1 ? "are" : "is";
}

function quoted(value: string): string {
  return shown(value.length > shownCharacters ? `${value.slice(0, shownCharacters)}…` : value) || '""';
}
