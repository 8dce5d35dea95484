// WAMP, version 1, as AutobahnJS 0.8 and Ratchet speak it: procedures that the server has, and topics. Makes a handler module:
//
//   export default wamp1({ path: "/wamp", onCall: (session, { procedure, args }) => args.length });
//
// The source of each rule is the WAMP v1 specification, by the name of its message; where that leaves a choice, AutobahnPython 0.8's.

import * as v from "valibot";
import { CodedError, isCodedError, isThenable } from "../../adapter.ts";
import {
  defineHandler,
  type Handler,
  type HandlerError,
  type HandlerLimits,
  type Turn,
  type UpgradeRequest,
  type Welcome,
} from "../../handler.ts";
import { checkNames } from "../options.ts";
import {
  CALL,
  CALLERROR,
  type ClientMessage,
  clientMessage,
  PREFIX,
  PUBLISH,
  type PublishMessage,
  SUBSCRIBE,
  UNSUBSCRIBE,
  WELCOME,
} from "./messages.ts";
import { CallError, type Conn, type Kept, Wamp1Session } from "./session.ts";
import { follow, prefixOf, sessionTopic, uriLimit } from "./topics.ts";

export { CallError, Wamp1Session } from "./session.ts";

/** Of the URIs of the router's own errors. */
const errorBase = "http://api.wamp.ws/error#";
const prefixLimit = 32;
/** Of all prefixes with what they stand for: they are in the state. */
const prefixesBytes = 4 * 1024;
/** Of closes for what a client may not do: it has no reason to come again as it is. */
const refusedCode = 4008;

type Settled<Value = void> = Value | Promise<Value>;

/** What a procedure is called with. */
export interface Call {
  /** The client's own. */
  readonly id: string;
  readonly procedure: string;
  readonly args: readonly unknown[];
}

/** What is published, and for whom: ids of sessions. */
export interface Publication {
  readonly topic: string;
  readonly event: unknown;
  readonly exclude: readonly string[];
  /** undefined: every subscriber. */
  readonly eligible: readonly string[] | undefined;
}

/** Thrown by onSubscribe: the client gets no subscription; version 1 has no message that would tell it. */
export class NotSubscribed extends Error {}

/** An error of a call, on its way to onError, where its turn has been rolled back. */
class CallFailed extends Error {
  readonly id: string;

  constructor(id: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.id = id;
  }
}

export interface Wamp1Options<State> {
  /** As of defineHandler. */
  readonly path: string;
  /**
   * What the names of its topics begin with in thinstate: `wamp1:/pusher#` of the path /pusher. Handlers with the same prefix have the same
   * topics. At most 128 bytes.
   */
  readonly prefix?: string;
  readonly origins?: readonly string[];
  readonly requireOrigin?: boolean;
  readonly limits?: HandlerLimits;
  /** Of a session whose onUpgrade returns none. */
  readonly state?: State;
  onUpgrade?(request: UpgradeRequest): Settled<Welcome<State> | Response | undefined>;
  /** Behind WELCOME. */
  onOpen?(session: Wamp1Session<State>): Settled;
  onClose?(session: Wamp1Session<State>, closing: { readonly code: number; readonly reason: string }): Settled;
  /** What it returns is the result: undefined is null to the client, unless it was answered by `callResult` or `callError`. */
  onCall?(session: Wamp1Session<State>, call: Call): unknown;
  /** Before a client subscribes. */
  onSubscribe?(session: Wamp1Session<State>, topic: string): Settled;
  /** After it has unsubscribed. */
  onUnsubscribe?(session: Wamp1Session<State>, topic: string): Settled;
  /** Instead of the publication: nobody gets it unless this calls `session.broadcast`. Without it, all who subscribe get it. */
  onPublish?(session: Wamp1Session<State>, publication: Publication): Settled;
}

/** In JavaScript, nothing else would notice a hook with a wrong name, which refuses nobody. */
const optionNames: Record<keyof Wamp1Options<unknown>, true> = {
  ...{ path: true, prefix: true, origins: true, requireOrigin: true, limits: true, state: true, onUpgrade: true, onOpen: true },
  ...{ onClose: true, onCall: true, onSubscribe: true, onUnsubscribe: true, onPublish: true },
};

/** @returns what a handler module exports by default. @throws {CodedError} "handler.invalid" */
export function wamp1<State = undefined>(options: Wamp1Options<State>): Handler {
  const { path, origins, requireOrigin, limits, onUpgrade, onOpen, onClose } = options;
  checkNames("WAMP 1", options, optionNames);
  const prefix = prefixOf(path, options.prefix);
  const begun = (own: State | undefined): Kept<State> => ({ prefixes: {}, prefix, own: (own ?? options.state) as State });
  const sessionOf = (conn: Conn<State>, turn: Turn) => new Wamp1Session(conn, turn, prefix);
  const handler = {
    path,
    ...(origins && { origins }),
    ...(requireOrigin !== undefined && { requireOrigin }),
    ...(limits && { limits }),
    subprotocols: ["wamp"],
    message: clientMessage,
    migrate: (stored: unknown) => stored ?? begun(undefined),
    state: v.custom<Kept<State>>((stored) => typeof stored === "object" && stored !== null && "prefixes" in stored),
    async onUpgrade(request: UpgradeRequest) {
      const welcome = (await onUpgrade?.(request)) ?? {};
      return welcome instanceof Response ? welcome : { ...welcome, state: begun(welcome.state as State | undefined) };
    },
    onOpen(conn: Conn<State>, turn: Turn) {
      conn.send([WELCOME, conn.id, 1, "thinstate"]);
      return onOpen?.(sessionOf(conn, turn));
    },
    onAdopt: (conn: Conn<State>) => follow(conn, prefix),
    onMessage(conn: Conn<State>, received: ClientMessage, turn: Turn) {
      const name = received[0] === PREFIX ? "" : resolve(conn, received[0] === CALL ? received[2] : received[1]);
      const limit = uriLimit(prefix);
      if (Buffer.byteLength(name) > limit) return conn.close(refusedCode, `a URI of more than ${limit} bytes`);
      return take(options, sessionOf(conn, turn), received, name);
    },
    onClose: (conn: Conn<State>, closing: { code: number; reason: string }, turn: Turn) => onClose?.(sessionOf(conn, turn), closing),
    onError: fail,
  };
  return defineHandler(handler as never) as unknown as Handler;
}

/** @param name The URI that it is about, without shortcuts. */
function take<State>(options: Wamp1Options<State>, session: Wamp1Session<State>, received: ClientMessage, name: string): Settled {
  switch (received[0]) {
    case PREFIX:
      return setPrefix(session.conn, received[1], received[2]);
    case CALL: {
      const [, id, , ...args] = received;
      return call(options, session, { id, procedure: name, args });
    }
    case SUBSCRIBE:
      return withinLimits(() => subscribe(options, session, name));
    case UNSUBSCRIBE:
      return unsubscribe(options, session, name);
    case PUBLISH:
      return withinLimits(() => publish(options, session, publicationOf(session, name, received as PublishMessage)));
  }
}

/** What asks for too much is the client's fault, as a message that is none: no release is to blame, and none of it happens. */
function withinLimits(run: () => Settled): Settled {
  const refuse = (error: unknown) => {
    if (!isCodedError(error, "topics.tooMany") && !isCodedError(error, "effects.tooLarge")) throw error;
    throw new CodedError("message.invalid", error.message, { cause: error });
  };
  try {
    const settling = run();
    return isThenable(settling) ? Promise.resolve(settling).catch(refuse) : settling;
  } catch (error) {
    refuse(error);
  }
}

function setPrefix<State>(conn: Conn<State>, prefix: string, full: string): void {
  const prefixes = { ...conn.state.prefixes, [prefix]: full };
  if (Object.keys(prefixes).length > prefixLimit) return conn.close(refusedCode, `more than ${prefixLimit} prefixes`);
  const bytes = Object.entries(prefixes).reduce((sum, [name, uri]) => sum + Buffer.byteLength(name + uri), 0);
  if (bytes > prefixesBytes) return conn.close(refusedCode, `prefixes of more than ${prefixesBytes} bytes`);
  conn.setState({ ...conn.state, prefixes });
}

/** A URI is itself; a CURIE is what its prefix stands for, and the rest. */
function resolve<State>({ state: { prefixes } }: Conn<State>, name: string): string {
  const colon = name.indexOf(":");
  const prefix = name.slice(0, Math.max(0, colon));
  return Object.hasOwn(prefixes, prefix) ? `${prefixes[prefix]}${name.slice(colon + 1)}` : name;
}

async function call<State>({ onCall }: Wamp1Options<State>, session: Wamp1Session<State>, call: Call): Promise<void> {
  const { id, procedure } = call;
  if (onCall === undefined) return session.callError(id, `${errorBase}NoSuchRPCEndpoint`, `there is no procedure ${procedure}`);
  try {
    const result = await onCall(session, call);
    if (result instanceof CallError) session.callError(id, result.uri, result.message, result.details);
    else if (!session.hasAnswered(id)) session.callResult(id, result);
  } catch (error) {
    throw new CallFailed(id, error);
  }
}

async function subscribe<State>({ onSubscribe }: Wamp1Options<State>, session: Wamp1Session<State>, topic: string): Promise<void> {
  const { conn } = session;
  const own = session.topicOf(topic);
  // As Ratchet: a hook hears once of each.
  if (conn.topics.has(own)) return;
  try {
    await onSubscribe?.(session, topic);
  } catch (error) {
    if (error instanceof NotSubscribed) return;
    throw error;
  }
  // For events to some sessions only: who subscribes, and how to reach one of them.
  conn.subscribe(own, { as: 1 });
  conn.subscribe(sessionTopic(conn.id));
}

function unsubscribe<State>({ onUnsubscribe }: Wamp1Options<State>, session: Wamp1Session<State>, topic: string): Settled {
  const own = session.topicOf(topic);
  if (!session.conn.topics.has(own)) return;
  session.conn.unsubscribe(own);
  return onUnsubscribe?.(session, topic);
}

// As Ratchet: who publishes is excluded where it says so. AutobahnPython has it excluded unless it says otherwise.
function publicationOf<State>(
  { id }: Wamp1Session<State>,
  topic: string,
  [, , event, exclude = false, eligible]: PublishMessage,
): Publication {
  const excluded = typeof exclude === "boolean" ? (exclude ? [id] : []) : exclude;
  return { topic, event, exclude: excluded, eligible };
}

function publish<State>({ onPublish }: Wamp1Options<State>, session: Wamp1Session<State>, publication: Publication): Settled {
  if (onPublish !== undefined) return onPublish(session, publication);
  return session.broadcast(publication.topic, publication.event, publication);
}

function fail<State>(conn: Conn<State>, error: HandlerError): void {
  if (isRefused(error)) return conn.close(refusedCode, isCodedError(error.cause) ? error.cause.code : "not a message of WAMP 1");
  const failed = error.cause;
  if (!(failed instanceof CallFailed)) throw error;
  const { id, cause } = failed;
  // Whatever is not meant for clients is in the log.
  const { uri, message, details } = cause instanceof CallError ? cause : new CallError(`${errorBase}internal`, "the procedure has failed");
  conn.send([CALLERROR, id, uri, message, ...(details === undefined ? [] : [details])]);
}

function isRefused({ code }: HandlerError): boolean {
  return code === "message.notJson" || code === "message.invalid";
}
