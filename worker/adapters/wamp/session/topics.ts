// What thinstate's topics are called for what is in a realm: its topics, procedures and sessions. Pure.

import { hash } from "node:crypto";
import type { Match, Serializer } from "../messages/identifiers.ts";

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
function inboxOf(invocation: number): number {
  return Math.floor(invocation / callNumbers);
}

export function invocationId(session: number, callNumber: number): number {
  return (session % inboxes) * callNumbers + callNumber;
}

export function callNumberOf(invocation: number): number {
  return invocation % callNumbers;
}
