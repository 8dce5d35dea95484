// What happens for each message of a client, and for what other sessions tell its connection. "Message Codes and Direction"

import { type ErrorCode, isCodedError } from "../../../protocol/errors.ts";
import type { Closing, Message, Turn } from "../../handler.ts";
import * as broker from "./broker.ts";
import { decode, NotDecodable, unpack } from "./codec.ts";
import { Dealer } from "./dealer.ts";
import { authenticated, greet, type HandshakeOptions } from "./handshake.ts";
import { randomId, topics } from "./identifiers.ts";
import type { Publication, ToCaller, ToSession } from "./inbox.ts";
import { type Dict, type MessageName, type MessageOf, nameOf, type Payload, type, violationOf, type WampMessage } from "./messages.ts";
import { type Answer, type Conn, type Joined, serializerOf, violate, WampError, type WampHooks, WampSession } from "./session.ts";

/** Of a hook. */
type Done = void | Promise<void>;
type Handlers<Names extends MessageName, Result> = { readonly [Name in Names]: (session: WampSession, message: MessageOf<Name>) => Result };

/** What a hook has thrown: the turn is rolled back, and the client gets ERROR. */
export class RequestFailed extends Error {
  readonly answer: readonly [of: number, request: number, uri: string, payload: Payload];

  constructor(of: number, request: number, cause: unknown) {
    super(`a hook has thrown for message type ${of}: ${(cause as Error)?.message}`, { cause });
    this.answer = cause instanceof WampError ? [of, request, cause.uri, cause.payload] : [of, request, "wamp.error.runtime_error", []];
  }
}

/** What of thinstate's errors is no fault, but what this request asked for. */
const uriOfCode: Readonly<Record<string, string>> = {
  "topics.tooMany": "thinstate.error.too_many_topics",
  "member.invalid": "thinstate.error.too_many_patterns",
  "effects.tooLarge": "wamp.error.payload_size_exceeded",
  ...unavailable("app.noGateway", "store.unavailable", "lock.crowded", "lock.total"),
};

export class Router {
  readonly dealer = new Dealer();
  private readonly options: HandshakeOptions & WampHooks;
  /** What a client in a session asks for; its answer may be ERROR. */
  private readonly requests: Handlers<"PUBLISH" | "SUBSCRIBE" | "UNSUBSCRIBE" | "CALL" | "REGISTER" | "UNREGISTER", Answer> = {
    PUBLISH: broker.publish,
    SUBSCRIBE: broker.subscribe,
    UNSUBSCRIBE: broker.unsubscribe,
    CALL: (session, message) => this.dealer.call(session, message),
    REGISTER: (session, message) => this.dealer.registrations.register(session, message),
    UNREGISTER: (session, message) => this.dealer.registrations.unregister(session, message),
  };
  /** What else it may say. */
  private readonly others: Handlers<"GOODBYE" | "CANCEL" | "YIELD" | "ERROR", void> = {
    GOODBYE: (session) => sayGoodbye(session),
    CANCEL: (session, message) => this.dealer.cancel(session, message),
    YIELD: (session, message) => this.dealer.yield(session, message),
    ERROR: (session, message) => this.dealer.error(session, message),
  };

  constructor(options: HandshakeOptions & WampHooks) {
    this.options = options;
  }

  inSession<Value>(conn: Conn, turn: Turn, run: (session: WampSession) => Value): Value | undefined {
    return conn.state.phase === "joined" ? run(new WampSession(conn, turn, conn.state as Joined, this.options)) : undefined;
  }

  /** A message of the client. "Protocol Violations" */
  receive(conn: Conn, frame: Message, turn: Turn): Done {
    let message: WampMessage;
    try {
      message = decode(frame, serializerOf(conn)) as WampMessage;
    } catch (error) {
      if (error instanceof NotDecodable) return violate(conn, error.message);
      throw error;
    }
    const wrong = violationOf(message);
    if (wrong !== undefined) return violate(conn, wrong);
    const name = nameOf(message);
    if (name === "ABORT") return conn.close(1000);
    if (conn.state.phase === "joined") return this.inSession(conn, turn, (session) => this.dispatch(session, name, message));
    const expected = conn.state.phase === "opening" ? "HELLO" : "AUTHENTICATE";
    if (name !== expected) return violate(conn, `what is expected is ${expected}`);
    return this.establish(conn, message, turn);
  }

  /** HELLO and AUTHENTICATE. "Session Establishment" */
  private async establish(conn: Conn, message: WampMessage, turn: Turn): Promise<void> {
    const { state } = conn;
    const joined =
      state.phase === "authenticating"
        ? await authenticated(conn, state, message as MessageOf<"AUTHENTICATE">, this.options)
        : await greet(conn, message as MessageOf<"HELLO">, this.options);
    if (joined === undefined) return;
    const session = new WampSession(conn, turn, joined, this.options);
    await this.options.onJoin?.(session);
    const { authid, authrole, authmethod, authprovider } = joined;
    tell(session, "wamp.session.on_join", [{ session: session.id, authid, authrole, authmethod, authprovider }]);
  }

  /** Its connection has closed. */
  async leave(session: WampSession, closing: Closing): Promise<void> {
    this.dealer.onLeave(session);
    tell(session, "wamp.session.on_leave", [session.id, session.authid, session.authrole]);
    await this.options.onLeave?.(session, closing);
  }

  /** What other sessions have published for this one's turns. */
  hear(conn: Conn, topic: string, message: Message, turn: Turn): Done {
    return this.inSession(conn, turn, (session) => {
      const said = unpack(message.bytes());
      if (topic === topics.publications(session.scope)) return broker.deliver(session, said as Publication, true);
      const told = said as ToSession | ToCaller;
      if ("from" in told) return this.dealer.receive(session, told);
      if (told.to !== session.id) return undefined;
      if (told.kind === "event") return broker.deliver(session, told, false);
      if (told.kind === "kill") return sayGoodbye(session, told.details, told.reason);
      if (told.kind === "invocation") return this.dealer.beInvoked(session, told);
      session.send([type.INTERRUPT, told.invocation, { mode: told.mode, reason: told.reason }]); // "Call Canceling"
    });
  }

  private dispatch(session: WampSession, name: string, message: WampMessage): Done {
    const [code, request] = message as readonly [number, number];
    const other = handlerOf<void>(this.others, name);
    if (other !== undefined) return other(session, message);
    const handle = handlerOf<Answer>(this.requests, name);
    if (handle === undefined) return violate(session.conn, `a client in a session does not send ${name}`);
    const failed = (error: unknown) => {
      const known = isCodedError(error) ? uriOfCode[error.code] : undefined;
      if (known === undefined) throw new RequestFailed(code, request, error);
      return new WampError(known);
    };
    const answered = (answer: Awaited<Answer>) => {
      if (answer instanceof WampError) session.sendError(code, request, answer.uri, answer.payload);
      else if (answer) session.send(answer);
    };
    try {
      const answer = handle(session, message);
      return answer instanceof Promise ? answer.catch(failed).then(answered) : answered(answer);
    } catch (error) {
      answered(failed(error));
    }
  }
}

/** Of a message that `violationOf` has found to be what its name says. */
function handlerOf<Result>(handlers: object, name: string) {
  return (handlers as Readonly<Record<string, ((session: WampSession, message: WampMessage) => Result) | undefined>>)[name];
}

/** GOODBYE: the answer to a client's, or what `wamp.session.kill` wants. "Session Closing" */
function sayGoodbye(session: WampSession, details: Dict = {}, reason = "wamp.close.goodbye_and_out"): void {
  session.send([type.GOODBYE, details, reason]);
  session.conn.close(1000, reason);
}

/** "Session Meta Events" */
function tell(session: WampSession, topic: string, args: readonly unknown[]): void {
  broker.publishToAll(session, { topic, publication: randomId(), details: {}, payload: [args] }, {});
}

function unavailable(...codes: readonly ErrorCode[]): Record<string, string> {
  return Object.fromEntries(codes.map((code) => [code, "wamp.error.unavailable"]));
}
