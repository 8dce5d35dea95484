// Ids, URIs and how patterns match them, and the names that thinstate's topics have for them. Pure, but for random ids.
// Source: the WAMP protocol, "URIs" and "IDs".

import { getRandomValues, hash } from "node:crypto";

/** A topic of thinstate has 256 bytes, in which both find room. */
const uriBytes = 160;
const realmBytes = 64;

export type Match = "exact" | "prefix" | "wildcard";
export type Serializer = "json" | "msgpack";

/** Of the global scope. */
export function randomId(): number {
  const [high = 0, low = 0] = getRandomValues(new Uint32Array(2));
  return idOf(high, low);
}

/** Of the router scope: the same in all workers, so that all subscribers get the same bytes. */
export function subscriptionId(realm: string, match: Match, topic: string): number {
  const bytes = hash("sha256", `${match} ${realm} ${topic}`, "buffer");
  return idOf(bytes.readUInt32BE(0), bytes.readUInt32BE(4));
}

export const registrationId = subscriptionId;

/** 53 bits, and one more: 1 to 2^53. */
function idOf(high: number, low: number): number {
  return high * 2 ** 21 + (low >>> 11) + 1;
}

export function isId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 53;
}

/** "Relaxed/Loose URIs"; of a pattern, where components may be empty. */
export function isUri(text: string, match: Match = "exact"): boolean {
  if (text.length > uriBytes || Buffer.byteLength(text) > uriBytes || !text.isWellFormed() || /[\s#]/.test(text)) return false;
  const components = text.split(".");
  if (match === "prefix") components.splice(-1, components.at(-1) === "" && components.length > 1 ? 1 : 0);
  return match === "wildcard" ? text !== "" : !components.includes("");
}

export function isRealm(text: string): boolean {
  return isUri(text) && Buffer.byteLength(text) <= realmBytes;
}

/** "Reserved URIs" */
export function isReserved(uri: string): boolean {
  return uri === "wamp" || uri.startsWith("wamp.");
}

export function matches(match: Match, pattern: string, uri: string): boolean {
  if (match === "exact") return uri === pattern;
  if (match === "prefix") return uri.startsWith(pattern);
  const components = uri.split(".");
  const wanted = pattern.split(".");
  return wanted.length === components.length && wanted.every((component, index) => component === "" || component === components[index]);
}

/**
 * Higher for what a call is rather routed to, of what matches it: a prefix that ends within a component is the last resort. "Pattern-based
 * Registrations", "Calls matching multiple registrations"
 */
export function precedence(match: Match, pattern: string, uri: string): string {
  if (match === "wildcard")
    return `2${pattern
      .split(".")
      .map((component) => (component === "" ? 0 : 1))
      .join("")}`;
  const isWhole = pattern.endsWith(".") || [".", undefined].includes(uri[pattern.length]);
  return `${isWhole ? 3 : 1}${String(pattern.length).padStart(4, "0")}`;
}

/** Of events, as one serializer has them. No URI has a space. */
export function eventTopic(serializer: Serializer, realm: string, topic: string): string {
  return `wamp.${serializer} ${realm} ${topic}`;
}

/** Of what a session subscribes to by a pattern: nothing is published to it. */
export function patternTopic(match: Match, realm: string, pattern: string): string {
  return `wamp.${match} ${realm} ${pattern}`;
}

/** Of all publications of a realm, for those that subscribe by patterns. */
export function publicationsTopic(realm: string): string {
  return `wamp.publications ${realm}`;
}

/** Its members are the callees of a procedure. */
export function procedureTopic(realm: string, procedure: string): string {
  return `wamp.procedure ${realm} ${procedure}`;
}

/** Its members are the callees that have registered patterns. */
export function patternProceduresTopic(realm: string): string {
  return `wamp.procedures ${realm}`;
}

/** Its members are the sessions of a realm. */
export function sessionsTopic(realm: string): string {
  return `wamp.sessions ${realm}`;
}

/** So many calls of a session are told apart in INVOCATION.Request, whose other bits say whose inbox the answer goes to. */
export const callNumbers = 2 ** 24;

export function inboxOf(session: number): string {
  return `wamp.inbox ${session % (2 ** 53 / callNumbers)}`;
}

export function invocationId(session: number, callNumber: number): number {
  return (session % (2 ** 53 / callNumbers)) * callNumbers + callNumber;
}

export function inboxOfInvocation(invocation: number): string {
  return `wamp.inbox ${Math.floor(invocation / callNumbers)}`;
}
