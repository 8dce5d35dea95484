// Ids, URIs and patterns. Pure. Source: the WAMP protocol, "URIs" and "IDs".

import { hash, randomUUID } from "node:crypto";

export type Match = "exact" | "prefix" | "wildcard";
export type Serializer = "json" | "msgpack";

/** A topic of thinstate has 256 bytes: room for a realm, a URI and a word. */
const uriBytes = 160;
const realmBytes = 64;
/** Of the global scope: nobody guesses another session's. "IDs" */
export function randomId(): number {
  // Its randomness is fetched in advance: it takes a fifth of the time of randomBytes.
  const [high = "", , , , low = ""] = randomUUID().split("-");
  return idOf(Number.parseInt(high, 16), Number.parseInt(low.slice(0, 8), 16));
}

/** Of a subscription or a registration: the same in all workers, so that all subscribers get the same bytes. */
export function routerId(scope: string, match: Match, uri: string): number {
  const bytes = hash("sha256", `${match} ${scope} ${uri}`, "buffer");
  return idOf(bytes.readUInt32BE(0), bytes.readUInt32BE(4));
}

/** Of two numbers of 32 bits: 1 to 2^53. */
function idOf(high: number, low: number): number {
  return high * 2 ** 21 + (low >>> 11) + 1;
}

export function isId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 53;
}

/** "Relaxed/Loose URIs"; in a pattern, components may be empty. */
export function isUri(text: string, match: Match = "exact"): boolean {
  if (text === "" || Buffer.byteLength(text) > uriBytes || !text.isWellFormed() || /[\s#]/.test(text)) return false;
  return match === "wildcard" || (match === "prefix" ? text.replace(/(?<=.)\.$/, "") : text).split(".").every((part) => part !== "");
}

export function isRealm(text: string): boolean {
  return isUri(text) && Buffer.byteLength(text) <= realmBytes;
}

/** "Pattern-based Subscription", "Pattern-based Registrations": by name where they say nothing. */
export function matchOf({ match = "exact" }: { readonly match?: unknown }): Match {
  return match as Match;
}

/** "Reserved URIs" */
export function isReserved(uri: string): boolean {
  return uri === "wamp" || uri.startsWith("wamp.");
}

export function matches(match: Match, pattern: string, uri: string): boolean {
  if (match !== "wildcard") return match === "exact" ? uri === pattern : uri.startsWith(pattern);
  const wanted = pattern.split(".");
  const parts = uri.split(".");
  return wanted.length === parts.length && wanted.every((part, index) => part === "" || part === parts[index]);
}

/** The highest is what a call is routed to. A prefix that ends within a component is the last resort. "Pattern-based Registrations" */
export function precedence(match: Match, pattern: string, uri: string): string {
  if (match === "wildcard")
    return `2${pattern
      .split(".")
      .map((part) => (part === "" ? 0 : 1))
      .join("")}`;
  const isWhole = pattern.endsWith(".") || [".", undefined].includes(uri[pattern.length]);
  return `${isWhole ? 3 : 1}${String(pattern.length).padStart(4, "0")}`;
}
