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
 * Whatever has no JSON throws {CodedError} "send.invalid".
 */
export type Sendable = string | number | boolean | null | (object & NoPromise) | (NoPromise & { readonly [name: string]: unknown });

/** The index signature beside it is for literals, of which TypeScript would want to know each property. */
interface NoPromise {
  readonly then?: never;
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
