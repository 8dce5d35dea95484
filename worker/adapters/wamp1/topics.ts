// What the topics of WAMP 1 are called in thinstate: a URI behind the handler's prefix.

import { CodedError, topicLimitBytes } from "../../adapter.ts";
import { uriBytes } from "./messages.ts";
import type { Conn } from "./session.ts";

/** Of all topics of all handlers, before each handler had its own. */
const formerPrefix = "wamp1:";
const sessionPrefix = "wamp1-session:";
const prefixBytes = 128;

/** Where one session alone is reached. */
export function sessionTopic(id: string): string {
  return `${sessionPrefix}${id}`;
}

/**
 * @param path The handler's. @param given What it has as `prefix`.
 * @throws {CodedError} "handler.invalid": also where a client could subscribe to what is for one session alone.
 */
export function prefixOf(path: string, given: string | undefined): string {
  // No path has a #: none goes on where another one's prefix ends.
  const prefix = given ?? `wamp1:${path}#`;
  const bytes = Buffer.byteLength(prefix);
  if (bytes < 1 || bytes > prefixBytes)
    throw new CodedError(
      "handler.invalid",
      `the prefix of WAMP's topics has 1 to ${prefixBytes} bytes, and ${JSON.stringify(prefix)} has ${bytes}`,
    );
  if (sessionPrefix.startsWith(prefix) || prefix.startsWith(sessionPrefix))
    throw new CodedError("handler.invalid", `a prefix that ${JSON.stringify(sessionPrefix)} begins with, or that begins so, is WAMP's own`);
  return prefix;
}

/** A release with another prefix has come: subscriptions follow. */
export function follow<State>(conn: Conn<State>, prefix: string): void {
  const { prefix: former = formerPrefix } = conn.state;
  if (former === prefix) return;
  for (const topic of [...conn.topics].filter((each) => each.startsWith(former))) {
    conn.unsubscribe(topic);
    conn.subscribe(`${prefix}${topic.slice(former.length)}`, { as: 1 });
  }
  conn.setState({ ...conn.state, prefix });
}

/** What a URI may have, once its own prefix is resolved. @param prefix Of its topic. */
export function uriLimit(prefix: string): number {
  return Math.min(uriBytes, topicLimitBytes - Buffer.byteLength(prefix));
}
