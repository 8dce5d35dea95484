// The broker: a topic of WAMP is one of thinstate for each serializer, whose subscribers all get the same bytes.
// Source: the WAMP protocol, "Publishing and Events" and the advanced profile's sections on Publish and Subscribe.

import type { App, PublishOptions } from "../../handler.ts";
import { encode, pack } from "./codec.ts";
import { type Match, matches, randomId, routerId, scopeOf, topics } from "./identifiers.ts";
import { type Dict, type Payload, type } from "./messages.ts";
import { payloadOf, serializerOf, WampError, type WampSession } from "./session.ts";

/** What travels to those that subscribe by patterns, and to the inboxes of those that were chosen. */
export interface Publication {
  readonly topic: string;
  readonly publication: number;
  readonly details: Dict;
  readonly payload: Payload;
}

/** To the inbox of one that a publication is for. */
export interface Chosen extends Publication {
  readonly kind: "event";
  readonly to: number;
}

type Publish = (topic: string, data: string | Uint8Array) => unknown;

/** So many sessions may one publication leave out by their ids, and so many may it choose. */
const exceptLimit = 100;
const chosenLimit = 1_000;
/** So many patterns may a session subscribe to: each publication of its realm is compared with them. */
const patternsLimit = 100;
const tooManyPatterns = new WampError("thinstate.error.too_many_patterns");
const tooMany = new WampError("thinstate.error.too_many_sessions");
const choosing = ["eligible", "eligible_authid", "eligible_authrole", "exclude_authid", "exclude_authrole"];

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

/** "Publisher Exclusion", "Subscriber Black- and Whitelisting". @returns why it is not done; undefined: it is. */
export function publish(session: WampSession, event: Publication, options: Dict): undefined | Promise<WampError | undefined> {
  const isChosen = choosing.some((name) => options[name] !== undefined);
  if (isChosen || options.exclude !== undefined)
    return isChosen ? publishToChosen(session, event, options) : publishToOthers(session, event, options);
  publishToAll(session, event, { self: options.exclude_me === false });
}

async function publishToOthers(session: WampSession, event: Publication, options: Dict): Promise<WampError | undefined> {
  const sessions = options.exclude as number[];
  if (sessions.length > exceptLimit) return tooMany;
  const found = await Promise.all(sessions.map((each) => session.conn.members<Dict>(topics.inbox(session.scope, each))));
  const except = found.flatMap((members, index) => members.filter(({ info }) => info.session === sessions[index]).map(({ id }) => id));
  publishToAll(session, event, { self: options.exclude_me === false, except });
}

async function publishToChosen(session: WampSession, event: Publication, options: Dict): Promise<WampError | undefined> {
  const { conn, scope } = session;
  const self = options.exclude_me === false;
  if (Object.values(options).some((list) => Array.isArray(list) && list.length > chosenLimit)) return tooMany;
  const all = await conn.members<Dict>(topics.sessions(scope));
  const chosen = all.filter(({ info }) => isReceiver(info, options) && (self || info.session !== session.id));
  if (chosen.length > chosenLimit) return tooMany;
  for (const { info } of chosen) {
    conn.publish(topics.inbox(scope, info.session as number), pack({ kind: "event", to: info.session, ...event }), { self: true });
  }
}

export function publishToAll({ conn, scope }: WampSession, event: Publication, options: PublishOptions): void {
  toAll((topic, data) => conn.publish(topic, data, options), scope, event);
}

function isReceiver(info: Dict, options: Dict): boolean {
  return ["session", "authid", "authrole"].every((attribute) => {
    const suffix = attribute === "session" ? "" : `_${attribute}`;
    const isIn = (list: unknown, otherwise: boolean) => (Array.isArray(list) ? list.includes(info[attribute]) : otherwise);
    return isIn(options[`eligible${suffix}`], true) && !isIn(options[`exclude${suffix}`], false);
  });
}

/** @returns the subscription's id. */
export function subscribe(session: WampSession, topic: string, match: Match): number | WampError {
  const { conn, scope } = session;
  if (match === "exact") conn.subscribe(topics.event(serializerOf(conn), scope, topic));
  else if ([...subscriptionsOf(session)].filter((each) => each.match !== "exact").length >= patternsLimit) return tooManyPatterns;
  else {
    conn.subscribe(topics.pattern(match, scope, topic));
    conn.subscribe(topics.publications(scope), { hook: true });
  }
  return routerId(scope, match, topic);
}

/** What it has subscribed to. */
export function* subscriptionsOf({ conn, scope }: WampSession): Generator<{ name: string; match: Match; topic: string }> {
  const kinds = { [serializerOf(conn)]: "exact", prefix: "prefix", wildcard: "wildcard" } as Record<string, Match>;
  for (const name of conn.topics) {
    const [kind = "", of, topic = ""] = name.split(" ");
    const match = kinds[kind.slice("wamp.".length)];
    if (match !== undefined && of === scope) yield { name, match, topic };
  }
}

/** @returns the topic that it had; undefined where it has no such subscription. */
export function unsubscribe(session: WampSession, subscription: number): string | undefined {
  const { conn, scope } = session;
  const found = [...subscriptionsOf(session)].find(({ match, topic }) => routerId(scope, match, topic) === subscription);
  if (found === undefined) return undefined;
  conn.unsubscribe(found.name);
  if ([...subscriptionsOf(session)].every(({ match }) => match === "exact")) conn.unsubscribe(topics.publications(scope));
  return found.topic;
}

/** Something was published: sends it for each subscription that it matches. @param onlyPatterns the others have got it. */
export function deliver(session: WampSession, { topic, publication, details, payload }: Publication, onlyPatterns: boolean): void {
  for (const { match, topic: pattern } of subscriptionsOf(session)) {
    if ((onlyPatterns && match === "exact") || !matches(match, pattern, topic)) continue;
    const told = match === "exact" ? details : { ...details, topic };
    session.send([type.EVENT, routerId(session.scope, match, pattern), publication, told, ...payload]);
  }
}

/** Who has published, where that is to be told. "Publisher Identification", "Caller Identification" */
export function disclosed({ id, authid, authrole }: WampSession, role: "publisher" | "caller"): Dict {
  return { [role]: id, [`${role}_authid`]: authid, [`${role}_authrole`]: authrole };
}
