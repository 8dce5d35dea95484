// Ids, URIs and patterns, and what thinstate's topics are called for them. Source: the WAMP protocol, "URIs" and "IDs".

import { hash, randomUUID } from "node:crypto";

export type Match = "exact" | "prefix" | "wildcard";
export type Serializer = "json" | "msgpack";

/** A topic of thinstate has 256 bytes: room for a realm, a URI and a word. */
const uriBytes = 160;
const realmBytes = 64;
/** So many calls of a session are told apart by INVOCATION.Request; its other bits say whose inbox the answer goes to. */
export const callNumbers = 2 ** 24;
const inboxes = 2 ** 53 / callNumbers;

/**
 * A realm of one prefix: handlers with other prefixes do not meet it. Without a prefix, names are what they were before there were any: live
 * sessions of such a release have them.
 */
export function scopeOf(prefix: string, realm: string): string {
  return prefix === "" ? realm : `${hash("sha256", prefix).slice(0, 8)}#${realm}`;
}

/** Names of thinstate's topics. No scope and no URI has a space. */
export const topics = {
  /** Of events, as one serializer has them. */
  event: (serializer: Serializer, scope: string, topic: string) => `wamp.${serializer} ${scope} ${topic}`,
  /** What a session subscribes to by a pattern: nothing is published to it. */
  pattern: (match: Match, scope: string, pattern: string) => `wamp.${match} ${scope} ${pattern}`,
  /** All publications of a realm, for those that subscribe by patterns. */
  publications: (scope: string) => `wamp.publications ${scope}`,
  /** Its members are the callees of a procedure; those that register patterns; the sessions of a realm. */
  procedure: (scope: string, procedure: string) => `wamp.procedure ${scope} ${procedure}`,
  procedures: (scope: string) => `wamp.procedures ${scope}`,
  sessions: (scope: string) => `wamp.sessions ${scope}`,
  /** Of a session; a few may share one. */
  inbox: (scope: string, session: number) => inboxTopic(scope, session % inboxes),
  inboxOfInvocation: (scope: string, invocation: number) => inboxTopic(scope, inboxOf(invocation)),
};

function inboxTopic(scope: string, number: number): string {
  return scope.includes("#") ? `wamp.inbox ${scope} ${number}` : `wamp.inbox ${number}`;
}

/** The number of its caller's inbox. */
export function inboxOf(invocation: number): number {
  return Math.floor(invocation / callNumbers);
}

export function invocationId(session: number, callNumber: number): number {
  return (session % inboxes) * callNumbers + callNumber;
}

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

/** "Pattern-based Subscription", "Pattern-based Registration": by name where they say nothing. */
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
