// What onRequest may return instead of a Response, for clients that speak HTTP and are a connection all the same: long polling, a stream
// that is read beside requests that send. The gateway has the session: its frames wait there until a request fetches them.

import { CodedError } from "../protocol/errors.ts";
import { longestSessionMs, preludeBytes, receiveBytes } from "../protocol/session.ts";
import { sessionKeyBytes } from "../protocol/session-key.ts";

export { longestSessionMs, receiveBytes };

/** An answer that may not be needed: a Response, of its own for each request, with at most 64 KiB; or what is cheaper to make. */
export type SessionResponse = Response | { readonly status?: number; readonly headers?: Headers; readonly body?: string };
type Headers = Readonly<Record<string, string>>;

/** What a session is closed with. */
export interface SessionClose {
  /** 1000, 1001, 1006 or 3000 to 4999: what onClose is told. */
  readonly code: number;
  readonly reason: string;
  /** The last frame that receivers get. */
  readonly last?: string;
}

/** How frames are given to the client of one request: the request receives. */
export interface Receive {
  /** Of the answer. @default 200 */
  readonly status?: number;
  readonly headers?: Headers;
  /** poll: ends when it has given what waits, at least one frame. stream: goes on until `maxBytes`, or until the session has closed. */
  readonly mode: "poll" | "stream";
  /** It ends behind the first frame that reaches it, `before` and `after` counted, `prelude` not. At most 64 MiB. */
  readonly maxBytes: number;
  /** The same in frames. */
  readonly maxFrames?: number;
  /** Written first. At most 8 KiB. */
  readonly prelude?: string;
  /** Around each frame, and between two of them. */
  readonly before?: string;
  readonly between?: string;
  readonly after?: string;
  /** json: each frame is written as the inside of a JSON string. percent: each % as %25. */
  readonly escape?: "json" | "percent";
  /** A binary frame is written as this and its base64. @default "" */
  readonly binaryBefore?: string;
  /** Text frames that wait one behind the other, and begin and end so, become one frame: what is in between, and `between` between two. */
  readonly join?: { readonly begin: string; readonly between: string; readonly end: string };
  /** The answer where there is no session of this key, or no more. again: onRequest is asked once more, with `sessionMissing`. */
  readonly missing: SessionResponse | "again";
  /**
   * Another request receives already. This one is answered with `response`, or with `frame` as it would get frames; with `close`, the
   * session is closed, and the other request gets `close.last`.
   */
  readonly busy: { readonly response?: SessionResponse; readonly frame?: string; readonly close?: SessionClose };
  /** What the session is closed with when the client gives up this request. Missing: it stays, for `idleMs`. */
  readonly gone?: SessionClose;
}

export interface OpenSession<State = unknown> {
  /** 1 to 128 bytes that only the client and its handler know, and no session had before. */
  readonly key: string;
  /** As onUpgrade's. */
  readonly user?: string | undefined;
  readonly state?: State | undefined;
  readonly subprotocol?: string;
  readonly expiresAt?: Date | undefined;
  /** Closed with 1006 when no request has received for so long. At most an hour. */
  readonly idleMs: number;
  /**
   * For how long what waits may be fetched after the session has closed; with `repeatLast`, a request that comes then, and for which
   * nothing waits, gets the last frame again. @default 5 s, and not
   */
  readonly linger?: { readonly ms: number; readonly repeatLast?: boolean };
  /** The last frame, whoever closes: `c[{code},{reason}]`, where both are put in as JSON. Not behind one that is the same. */
  readonly closeFrame?: string;
  readonly receive: Receive;
}

export interface DeliverMessages {
  readonly key: string;
  /** Each becomes a message of the connection, in order: text or binary. */
  readonly messages: ReadonlyArray<string | Uint8Array>;
  /** The answer once the gateway has them. */
  readonly response: SessionResponse;
  /** The answer where there is no such session, or no more. */
  readonly missing: SessionResponse;
}

export type SessionPlan =
  | ({ readonly kind: "open" } & OpenSession)
  | { readonly kind: "receive"; readonly key: string; readonly receive: Receive }
  | ({ readonly kind: "deliver" } & DeliverMessages);

/** Made by the functions below. */
export class SessionAnswer {
  readonly plan: SessionPlan;

  constructor(plan: SessionPlan) {
    this.plan = plan;
  }
}

/**
 * Opens a connection whose client speaks HTTP, where there is none of this key: onOpen follows, and all other hooks as for a WebSocket.
 * The request receives its frames.
 * @throws {CodedError} "session.invalid"
 */
export function openSession<State>(options: OpenSession<State>): SessionAnswer {
  checkKey(options.key);
  checkReceive(options.receive);
  checkMs("idleMs", options.idleMs);
  if (options.linger !== undefined) checkMs("linger.ms", options.linger.ms);
  return new SessionAnswer({ kind: "open", ...options });
}

/** The request receives what waits for the session, or what comes. @throws {CodedError} "session.invalid" */
export function receiveFrames({ key, receive }: { readonly key: string; readonly receive: Receive }): SessionAnswer {
  checkKey(key);
  checkReceive(receive);
  return new SessionAnswer({ kind: "receive", key, receive });
}

/** What the client has sent becomes messages of its connection. @throws {CodedError} "session.invalid" */
export function deliverMessages(options: DeliverMessages): SessionAnswer {
  checkKey(options.key);
  const isMessages = options.messages.every((message) => typeof message === "string" || message instanceof Uint8Array);
  if (!isMessages) throw invalid("each of messages is a string or a Uint8Array");
  return new SessionAnswer({ kind: "deliver", ...options });
}

/** @throws {CodedError} "session.invalid" */
export function checkKey(key: unknown): void {
  const isKey = typeof key === "string" && key !== "" && Buffer.byteLength(key) <= sessionKeyBytes && key.isWellFormed();
  if (!isKey) throw invalid(`a key is text of 1 to ${sessionKeyBytes} bytes`);
}

function checkReceive({ mode, maxBytes, maxFrames, prelude, busy, gone }: Receive): void {
  if (mode !== "poll" && mode !== "stream") throw invalid(`receive.mode is "poll" or "stream", not ${JSON.stringify(mode)}`);
  if (!isWhole(maxBytes, receiveBytes)) throw invalid(`receive.maxBytes is a whole number from 1 to ${receiveBytes}`);
  if (maxFrames !== undefined && !isWhole(maxFrames, Number.MAX_SAFE_INTEGER)) throw invalid("receive.maxFrames is a whole number from 1");
  if (prelude !== undefined && Buffer.byteLength(prelude) > preludeBytes)
    throw invalid(`receive.prelude has at most ${preludeBytes} bytes`);
  if (busy.response === undefined && busy.frame === undefined) throw invalid("receive.busy has a response or a frame");
  for (const close of [busy.close, gone]) if (close !== undefined) checkClose(close);
}

function checkClose({ code, reason }: SessionClose): void {
  const isCode = [1000, 1001, 1006].includes(code) || (isWhole(code, 4_999) && code >= 3_000);
  if (!isCode || Buffer.byteLength(reason) > 123) {
    throw invalid("a session is closed with 1000, 1001, 1006 or 3000 to 4999, and a reason of at most 123 bytes");
  }
}

function checkMs(name: string, ms: unknown): void {
  if (!isWhole(ms, longestSessionMs)) throw invalid(`${name} is a whole number of milliseconds from 1 to ${longestSessionMs}`);
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

function invalid(what: string): CodedError {
  return new CodedError("session.invalid", what);
}
