// A request as its client has made it, where trusted proxies stand between: with the client's address, and the host and the scheme that
// the client has used. What others than trusted proxies say of these is taken away, so that no handler believes it. Pure.

import { entriesOf } from "../process/settings.ts";
import { type ForwardedElement, parseForwarded } from "./forwarded.ts";
import { valuesOf } from "./head-faults.ts";
import { normalizedAddress, type TrustedProxies } from "./trusted-proxies.ts";
import type { Incoming } from "./uws/request.ts";

const told = new Set(["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);

/** What the trusted proxies say. */
interface Told {
  readonly client: string;
  readonly host: string | undefined;
  readonly scheme: "http" | "https" | undefined;
}

/**
 * @returns With `fault` where the two kinds of headers contradict each other: the proxy writes one of them, and has passed the other on as
 * the client sent it. Which is which cannot be told.
 */
export function identified(incoming: Incoming, proxies: TrustedProxies): Incoming {
  const { method, path, query, headers, ip, proxiedIp, fault } = incoming;
  const nearest = normalizedAddress(ip);
  const peer = proxiedIp !== undefined && proxies.isTrusted(nearest) ? normalizedAddress(proxiedIp) : nearest;
  const others = headers.filter(([name]) => !told.has(name));
  if (!proxies.isTrusted(peer) || fault !== undefined) return { method, path, query, ip: peer, headers: others, fault };
  const forwarded = joined(incoming, "forwarded");
  const elements = forwarded === undefined ? undefined : parseForwarded(forwarded);
  const asked = { method, path, query, ip: peer, headers };
  if (forwarded !== undefined && elements === undefined) return { ...asked, fault: "the Forwarded header is malformed (RFC 7239)" };
  const standard = elements && ofForwarded(peer, elements, proxies);
  const hasUsual = forwarded === undefined || joined(incoming, "x-forwarded-for") !== undefined;
  const usual = hasUsual ? ofUsual(peer, incoming, proxies) : undefined;
  if (standard !== undefined && usual !== undefined && contradict(standard, usual)) {
    return { ...asked, fault: "Forwarded contradicts X-Forwarded-For, -Host or -Proto: a proxy has to remove what it does not write" };
  }
  const host = standard?.host ?? usual?.host;
  const scheme = standard?.scheme ?? usual?.scheme;
  const seen = headers
    .filter(([name]) => name !== "x-forwarded-proto")
    .map(([name, value]): readonly [string, string] => [name, name === "host" && host !== undefined ? host : value]);
  if (scheme !== undefined) seen.push(["x-forwarded-proto", scheme]);
  return { method, path, query, ip: standard?.client ?? usual?.client ?? peer, headers: seen };
}

function ofForwarded(peer: string, elements: readonly ForwardedElement[], proxies: TrustedProxies): Told {
  const hops = elements.map((element) => element.for ?? "unknown");
  const { client, believed } = proxies.trace(peer, hops);
  // The first of our proxies knows best, if it says it.
  const ours = elements.slice(elements.length - believed);
  return { client, host: ours.find(({ host }) => host)?.host, scheme: schemeOf(ours.find(({ proto }) => proto)?.proto) };
}

function ofUsual(peer: string, incoming: Incoming, proxies: TrustedProxies): Told {
  const { client, believed } = proxies.trace(peer, entriesOf(joined(incoming, "x-forwarded-for") ?? ""));
  // Some proxies add theirs to what they were sent, as with addresses; others replace it. What the client has sent is left of both.
  const ofFirstProxy = (name: string) => {
    const values = entriesOf(joined(incoming, name) ?? "");
    return values[Math.max(0, values.length - Math.max(1, believed))];
  };
  return { client, host: ofFirstProxy("x-forwarded-host"), scheme: schemeOf(ofFirstProxy("x-forwarded-proto")) };
}

function contradict(a: Told, b: Told): boolean {
  const differ = (one: string | undefined, other: string | undefined) => one !== undefined && other !== undefined && one !== other;
  return differ(a.client, b.client) || differ(a.host, b.host) || differ(a.scheme, b.scheme);
}

/** Some proxies name a WebSocket's. */
function schemeOf(proto: string | undefined): "http" | "https" | undefined {
  if (proto === undefined) return undefined;
  if (/^(?:https|wss)$/i.test(proto)) return "https";
  return /^(?:http|ws)$/i.test(proto) ? "http" : undefined;
}

/** RFC 9110, 5.3. */
function joined(incoming: Incoming, name: string): string | undefined {
  const values = valuesOf(incoming, name);
  return values.length === 0 ? undefined : values.join(",");
}
