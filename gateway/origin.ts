// Whether a page may connect. A page of another site may not use its visitor's cookies here, unless the route names its origin.
// Programs that are no browsers send no Origin and are let through: RFC 6455, 10.2. Pure.

import { valuesOf } from "./head-faults.ts";
import type { Incoming } from "./uws/request.ts";

/**
 * @param origins those that the route names; undefined: of this host only.
 * The scheme is no part of "this host": a proxy that speaks TLS to browsers need not speak it to us.
 */
export function isAllowedOrigin(incoming: Incoming, origins: readonly string[] | undefined): boolean {
  const [origin, ...others] = valuesOf(incoming, "origin");
  if (origin === undefined) return true;
  if (others.length > 0) return false;
  const url = parse(origin);
  if (origins !== undefined) return origins.includes("*") || origins.some((named) => named === origin || isSame(parse(named), url));
  const [host] = valuesOf(incoming, "host");
  // With the origin's scheme, so that its usual port may be left out on either side.
  return url !== undefined && host !== undefined && isSame(parse(`${url.protocol}//${host}`), url);
}

// RFC 6454, 5: scheme, host and port. The URL parser has put names into lower case and left out the scheme's usual port.
function isSame(a: URL | undefined, b: URL | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.protocol === b.protocol &&
    withoutDot(a.hostname) === withoutDot(b.hostname) &&
    a.port === b.port
  );
}

// A name with a dot at its end is the same name, written in full.
function withoutDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** @returns undefined for what is none: `null`, or a URL with more than scheme, host and port. */
function parse(origin: string): URL | undefined {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(origin) || !URL.canParse(origin)) return undefined;
  return new URL(origin);
}
