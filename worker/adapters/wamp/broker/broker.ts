// The broker: a topic of WAMP is one of thinstate for each serializer, whose subscribers all get the same bytes.
// Source: the WAMP protocol, "Publishing and Events" and the advanced profile's sections on Publish and Subscribe.

import { after } from "../../../adapter.ts";
import type { App, PublishOptions, Sendable } from "../../../handler.ts";
import { encode, pack } from "../messages/codec.ts";
import { isReserved, isUri, type Match, matches, matchOf, randomId, routerId } from "../messages/identifiers.ts";
import { type Dict, type MessageOf, namedPayload, passedThrough, payloadOf, type } from "../messages/messages.ts";
import { fits, routerError, type WampError } from "../session/errors.ts";
import { type Answer, allowed } from "../session/hooks.ts";
import { listLimit, type Publication, sessionsOf, tell, tooMany } from "../session/inbox.ts";
import { disclosed, serializerOf, type WampSession } from "../session/session.ts";
import { scopeOf, topics } from "../session/topics.ts";

type Publish = (topic: string, data: string | Uint8Array) => unknown;

/** So many sessions may one publication choose. */
const chosenLimit = 1_000;
/** So many patterns may a session subscribe to: each publication of its realm is compared with them. */
const patternsLimit = 100;
/** So many bytes of the EVENTs of one publication go out in one piece: all of them together may be more than a turn may ask for. */
const partBytes = 64 * 1024;
const listNames = ["eligible", "eligible_authid", "eligible_authrole", "exclude", "exclude_authid", "exclude_authrole"];

/** Publishes to every subscriber of a topic; not from a session's turn. @param event.prefix of the handler: its path, if it names none. */
export async function publishEvent(
  app: Pick<App, "publish">,
  { prefix, realm, topic, args, kwargs }: { prefix: string; realm: string; topic: string; args?: readonly unknown[]; kwargs?: Dict },
): Promise<void> {
  const sent: Promise<void>[] = [];
  const event = { topic, publication: randomId(), details: {}, payload: payloadOf(args, kwargs) };
  toAll((name, data) => sent.push(app.publish(name, data)), scopeOf(prefix, realm), event);
  await Promise.all(sent);
}

function toAll(publish: Publish, scope: string, event: Publication): void {
  const { topic, publication, details, payload } = event;
  const message = [type.EVENT, routerId(scope, "exact", topic), publication, details, ...payload] as const;
  for (const serializer of ["json", "msgpack"] as const) publish(topics.event(serializer, scope, topic), encode(message, serializer));
  publish(topics.publications(scope), pack(event));
}

/** PUBLISH. "Publishing and Events", "Publisher Identification", "Payload Passthru Mode" */
export function publish(session: WampSession, [, request, options, topic, ...payload]: MessageOf<"PUBLISH">): Answer {
  const publication = randomId();
  const told = options.disclose_me === true ? disclosed(session, "publisher") : {};
  const event = { topic, publication, details: { ...told, ...passedThrough(options) }, payload };
  const asked = () => session.hooks.onPublish?.(session, { topic, options, ...namedPayload(payload) });
  const refusal =
    isUri(topic) && !isReserved(topic)
      ? allowed(asked(), () => distribute(session, event, options))
      : routerError("wamp.error.invalid_uri");
  return after(refusal, (error) => (options.acknowledge === true ? (error ?? [type.PUBLISHED, request, publication]) : undefined));
}

/** "Publisher Exclusion", "Subscriber Black- and Whitelisting". @returns why it is not done; undefined: it is. */
function distribute(session: WampSession, event: Publication, options: Dict): Answer {
  const lists = listNames.filter((name) => options[name] !== undefined);
  if (lists.some((name) => (options[name] as unknown[]).length > listLimit)) return tooMany;
  const self = options.exclude_me === false;
  if (lists.length === 0) return publishToAll(session, event, { self });
  if (lists.join() !== "exclude") return publishToChosen(session, event, options);
  const excluded = sessionsOf(session, options.exclude as number[]);
  return excluded.then((found) => publishToAll(session, event, { self, except: found.map(({ id }) => id) }));
}

async function publishToChosen(session: WampSession, event: Publication, options: Dict): Promise<WampError | undefined> {
  const { conn, scope } = session;
  const { eligible, exclude_me } = options as { eligible?: number[]; exclude_me?: boolean };
  const isReceiver = receiversOf(options);
  const all = await (eligible === undefined ? conn.members<Dict>(topics.sessions(scope)) : sessionsOf(session, eligible));
  const chosen = all.filter(({ info }) => isReceiver(info) && (exclude_me === false || info.session !== session.id));
  if (chosen.length > chosenLimit) return tooMany;
  for (const { info } of chosen) tell(session, { kind: "event", to: info.session as number, ...event });
}

export function publishToAll({ conn, scope }: WampSession, event: Publication, options: PublishOptions): void {
  toAll((topic, data) => conn.publish(topic, data, options), scope, event);
}

function receiversOf(options: Dict): (info: Dict) => boolean {
  const tests = listNames.flatMap((name) => {
    if (options[name] === undefined) return [];
    const [rule, attribute = "session"] = name.split("_") as [string, string?];
    const listed = new Set(options[name] as unknown[]);
    return [(info: Dict) => listed.has(info[attribute]) === (rule === "eligible")];
  });
  return (info) => tests.every((test) => test(info));
}

/** SUBSCRIBE. "Subscribing and Unsubscribing", "Pattern-based Subscription" */
export function subscribe(session: WampSession, [, request, options, topic]: MessageOf<"SUBSCRIBE">): Answer {
  const { conn, scope, hooks } = session;
  const match = matchOf(options);
  if (!isUri(topic, match)) return routerError("wamp.error.invalid_uri");
  return allowed(hooks.onSubscribe?.(session, topic, match), () => {
    if (match === "exact") conn.subscribe(topics.event(serializerOf(conn), scope, topic));
    else if (
      !conn.topics.has(topics.pattern(match, scope, topic)) &&
      [...subscriptionsOf(session)].filter((each) => each.match !== "exact").length >= patternsLimit
    )
      return routerError("thinstate.error.too_many_patterns");
    else {
      conn.subscribe(topics.pattern(match, scope, topic));
      conn.subscribe(topics.publications(scope), { hook: true });
    }
    return [type.SUBSCRIBED, request, routerId(scope, match, topic)];
  });
}

/** What it has subscribed to. */
function* subscriptionsOf({ conn, scope }: WampSession): Generator<{ name: string; match: Match; topic: string }> {
  const kinds = { [serializerOf(conn)]: "exact", prefix: "prefix", wildcard: "wildcard" } as Record<string, Match>;
  for (const name of conn.topics) {
    const [kind = "", of, topic = ""] = name.split(" ");
    const match = kinds[kind.slice("wamp.".length)];
    if (match !== undefined && of === scope) yield { name, match, topic };
  }
}

/** UNSUBSCRIBE. "Subscribing and Unsubscribing" */
export function unsubscribe(session: WampSession, [, request, subscription]: MessageOf<"UNSUBSCRIBE">): Answer {
  const { conn, scope, hooks } = session;
  const found = [...subscriptionsOf(session)].find(({ match, topic }) => routerId(scope, match, topic) === subscription);
  if (found === undefined) return routerError("wamp.error.no_such_subscription");
  // The hook comes first: what it flushes may have another worker do all of this again.
  return after(hooks.onUnsubscribe?.(session, found.topic), () => {
    conn.unsubscribe(found.name);
    if ([...subscriptionsOf(session)].every(({ match }) => match === "exact")) conn.unsubscribe(topics.publications(scope));
    return [type.UNSUBSCRIBED, request];
  });
}

/** EVENT: something was published. "Publishing and Events". Sends it for each subscription that it matches. @param onlyPatterns the others have got it. */
export function deliver(
  session: WampSession,
  { topic, publication, details, payload }: Publication,
  onlyPatterns: boolean,
): void | Promise<void> {
  const events: Array<ReturnType<typeof encode>> = [];
  for (const { match, topic: pattern } of subscriptionsOf(session)) {
    if ((onlyPatterns && match === "exact") || !matches(match, pattern, topic)) continue;
    const told = match === "exact" ? details : { ...details, topic };
    events.push(encode([type.EVENT, routerId(session.scope, match, pattern), publication, told, ...payload], serializerOf(session.conn)));
  }
  // Mostly, and then the turn waits for nothing.
  if (events.reduce((sum, data) => sum + Buffer.byteLength(data), 0) > partBytes) return sendInParts(session, events);
  for (const data of events) session.conn.send(data as Sendable);
}

/** A worker that dies doubles none: the next one leaves out as many parts as have been flushed. What alone is too large is dropped. */
async function sendInParts({ conn, turn }: WampSession, events: ReadonlyArray<ReturnType<typeof encode>>): Promise<void> {
  let part = 0;
  let bytes = 0;
  for (const data of events) {
    const length = Buffer.byteLength(data);
    if (bytes > 0 && bytes + length > partBytes) {
      if (part === turn.flushed) await conn.flush();
      part++;
      bytes = 0;
    }
    bytes += length;
    if (part === turn.flushed) fits(() => conn.send(data as Sendable));
  }
}
