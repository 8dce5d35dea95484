// What handlers get and send. Types only; handler modules import them from handler.ts.

/** One message of a client, as it came. */
export interface Message {
  readonly isBinary: boolean;
  /** Also what it becomes in a template or in JSON. */
  text(): string;
  /** @throws {CodedError} "message.notJson" */
  json(): unknown;
  /** A copy: the caller's own. */
  bytes(): Uint8Array;
}

/**
 * What `send` and `publish` take. A string becomes a text frame, bytes a binary frame, a Message the frame that it came in
 * (nothing is decoded: the cheap way to echo); anything else its JSON in a text frame. A promise is no such value: await it.
 * Whatever has no JSON throws {CodedError} "send.invalid". What `together` makes becomes several frames, with nothing between them.
 */
export type Sendable = string | number | boolean | null | (object & NoPromise) | (NoPromise & { readonly [name: string]: unknown });

/** The index signature beside it is for literals, of which TypeScript would want to know each property. */
interface NoPromise {
  readonly then?: never;
}

export interface PublishOptions {
  /** To this connection as well, if it subscribes. */
  readonly self?: boolean;
  /** Ids of connections that do not get it, wherever they are: at most 100. */
  readonly except?: readonly string[];
  /**
   * The topic keeps it: the latest `messages` of those that were published with the same `keep`, each for `seconds`. At most 1,000, for 31
   * days. @throws {CodedError} "history.invalid"
   */
  readonly keep?: { readonly messages: number; readonly seconds: number };
}

export interface SubscribeOptions {
  /**
   * Begins with so many of the latest messages that the topic keeps, oldest first: they are sent when the turn commits, in their place among
   * its sends, and then whatever is published later, without a gap or a double. Only of a topic that it does not subscribe to yet.
   * @throws {CodedError} "history.invalid"
   */
  readonly last?: number;
  /**
   * As `last`, but begins with what the topic keeps behind this position, that of an entry of `app.history` of whatever topic with the same
   * `keep`: so what was read there is gone on with. At most as much as `app.history` reads: what is older is left out.
   * @throws {CodedError} "history.invalid"
   */
  readonly after?: string;
  /**
   * Makes this connection a member of the topic, for `members`, and tells others this of it: any value that has JSON, of at most 1 KiB. Again
   * with another value, and that is told from then on. @throws {CodedError} "member.invalid"
   */
  readonly as?: unknown;
  /**
   * What is published to the topic is a turn of this connection, onPublish, and no frame for its client. Again without it, or with it for the
   * first time, and that holds from when the turn has committed. @throws {CodedError} "hook.invalid"
   */
  readonly hook?: boolean;
}

/** A message that a topic keeps. */
export interface HistoryEntry {
  /** As it was published; it can be sent as it is. */
  readonly data: Message;
  /** Its place: `epoch:offset`. Offsets grow within an epoch, and skip. */
  readonly position: string;
  /** When it was stored, by NATS' clock. */
  readonly at: Date;
}

/** The members of a union whose `type` may be this one. */
type MemberOf<Incoming, Type extends string> = Incoming extends { readonly type: infer Own }
  ? Type extends Own
    ? Incoming
    : never
  : never;

/** A function for each `type` that a message may have. */
export type Answers<Conn, Turn, Incoming> = [Incoming] extends [{ readonly type: string }]
  ? { readonly [Type in Incoming["type"]]: (conn: Conn, data: MemberOf<Incoming, Type>, turn: Turn) => unknown }
  : never;
