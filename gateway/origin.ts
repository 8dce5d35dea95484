// Whether a page may connect. A page of another site may not use its visitor's cookies here, unless the route names its origin.
// Programs that are no browsers send no Origin, and are let through unless the route wants one: RFC 6455, 10.2. Pure.

import { pageFault } from "../process/page-origin.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { valuesOf } from "./head-faults.ts";
import type { Incoming } from "./uws/request.ts";

/** Methods that change nothing: RFC 9110, 9.2.1. A browser sends an Origin with all others, also to the page's own host. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Whether a request's Origin is looked at. Upgrades always are. */
export function isOriginChecked({ method }: Incoming): boolean {
  return !safeMethods.has(method);
}

/**
 * @param route its `origins`; without them, pages of our own hosts are allowed.
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
  return pageFault(origin, { origins, hosts, host: valuesOf(incoming, "host")[0] ?? "" });
}
