// A request as its client has made it, where trusted proxies stand between: with the client's address, and the host and the scheme that
// the client has used. Handlers see none of the headers that tell these as they came, but what trusted proxies say in them. Pure.

import { entriesOf } from "../process/settings.ts";
import { type AddressList, normalizedAddress } from "./address-list.ts";
import { type ForwardedElement, parseForwarded } from "./forwarded.ts";
import { valuesOf } from "./head-faults.ts";
import { traceClient } from "./trusted-proxies.ts";
import type { Incoming } from "./uws/request.ts";

/** In these, proxies say who the client is and what it has used, and clients pretend to be one. */
const tellingNames = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-ssl",
  "x-real-ip",
]);

/** What the trusted proxies say. */
interface Told {
  readonly client: string;
  readonly host: string | undefined;
  readonly scheme: "http" | "https" | undefined;
}

/** What forbids to believe them, for the client. */
type Fault = string;

/**
 * @returns With the headers X-Forwarded-For (the client alone), -Host and -Proto as far as trusted proxies have said these, and no other
 * that tells them. With `fault` where it cannot be told what a proxy has written, and what it has passed on as the client sent it.
 */
export function identified(incoming: Incoming, proxies: AddressList): Incoming {
  const { method, path, query, ip, proxiedIp, fault } = incoming;
  const nearest = normalizedAddress(ip);
  const peer = proxiedIp !== undefined && proxies.has(nearest) ? normalizedAddress(proxiedIp) : nearest;
  const isTelling = incoming.headers.some(([name]) => tellingNames.has(name));
  const isTrusted = proxies.has(peer);
  // Most clients. Many may wait together, so nothing of these is copied.
  if (!isTelling && !isTrusted && peer === ip && proxiedIp === undefined) return incoming;
  const headers = isTelling ? incoming.headers.filter(([name]) => !tellingNames.has(name)) : incoming.headers;
  if (!isTrusted) {
    const isForwarded = incoming.headers.some(([name]) => name === "forwarded" || name === "x-forwarded-for");
    return { method, path, query, ip: peer, headers, isForwarded, fault };
  }
  if (fault !== undefined) return { method, path, query, ip: peer, headers, fault };
  const told = toldOf(peer, incoming, proxies);
  if (typeof told === "string") return { method, path, query, ip: peer, headers, fault: told };
  const { client, host, scheme } = told;
  const seen = headers.map(([name, value]): readonly [string, string] => [name, name === "host" && host !== undefined ? host : value]);
  if (client !== peer) seen.push(["x-forwarded-for", client]);
  if (host !== undefined) seen.push(["x-forwarded-host", host]);
  if (scheme !== undefined) seen.push(["x-forwarded-proto", scheme]);
  return { method, path, query, ip: client, headers: seen };
}

/**
 * @param client As `identified` has found it for the request.
 * @returns Why nobody knows on whose behalf a trusted proxy asks; undefined: it has said it.
 */
export function whyUnnamed({ headers }: Incoming, client: string, proxies: AddressList): string | undefined {
  if (!proxies.has(client)) return undefined;
  const isTold = headers.some(([name]) => name === "forwarded" || name === "x-forwarded-for");
  return isTold ? "X-Forwarded-For, or Forwarded, names trusted proxies only, or nobody" : "X-Forwarded-For is missing";
}

function toldOf(peer: string, incoming: Incoming, proxies: AddressList): Told | Fault {
  const forwarded = joined(incoming, "forwarded");
  if (forwarded === undefined) return ofUsual(peer, incoming, proxies);
  const elements = parseForwarded(forwarded);
  if (elements === undefined) return "the Forwarded header is malformed (RFC 7239)";
  const standard = ofForwarded(peer, elements, proxies);
  const usual = ofUsual(peer, incoming, proxies);
  if (typeof usual === "string") return usual;
  const isClientTold = joined(incoming, "x-forwarded-for") !== undefined;
  if (contradict(standard, isClientTold ? usual : { ...usual, client: standard.client })) {
    return "Forwarded contradicts X-Forwarded-For, -Host or -Proto: a proxy has to remove what it does not write";
  }
  return { client: standard.client, host: standard.host ?? usual.host, scheme: standard.scheme ?? usual.scheme };
}

function ofForwarded(peer: string, elements: readonly ForwardedElement[], proxies: AddressList): Told {
  const hops = elements.map((element) => element.for ?? "unknown");
  const { client, believed } = traceClient(peer, hops, proxies);
  // The first of our proxies knows best, if it says it.
  const ours = elements.slice(elements.length - believed);
  return { client, host: ours.find(({ host }) => host)?.host, scheme: schemeOf(ours.find(({ proto }) => proto)?.proto) };
}

function ofUsual(peer: string, incoming: Incoming, proxies: AddressList): Told | Fault {
  const { client, believed } = traceClient(peer, entriesOf(joined(incoming, "x-forwarded-for") ?? ""), proxies);
  const host = ofFirstProxy("x-forwarded-host", incoming, believed);
  const proto = ofFirstProxy("x-forwarded-proto", incoming, believed);
  if (host === ambiguous) return ambiguityOf("X-Forwarded-Host");
  if (proto === ambiguous) return ambiguityOf("X-Forwarded-Proto");
  return { client, host, scheme: schemeOf(proto) };
}

const ambiguous = Symbol("ambiguous");

/**
 * Some proxies add theirs to what they were sent, as with addresses; others replace it, or pass it on. So behind several proxies it is
 * not known how many of the values they have written: any of the last ones may be the first proxy's, and what is left of that the client's.
 * @param hops How many proxies have added an address.
 */
function ofFirstProxy(name: string, incoming: Incoming, hops: number): string | undefined | typeof ambiguous {
  const values = entriesOf(joined(incoming, name) ?? "").slice(-Math.max(1, hops));
  return new Set(values).size > 1 ? ambiguous : values[0];
}

function ambiguityOf(name: string): Fault {
  return `${name} has values of several proxies, or of the client: let the first proxy set it, and the others pass it on`;
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
