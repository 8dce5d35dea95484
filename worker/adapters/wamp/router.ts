// What happens for each message of a client, and for what other sessions tell its connection. "Message Codes and Direction"

import { CodedError, reasonLimitBytes } from "../../adapter.ts";
import type { Closing, Message, Turn } from "../../handler.ts";
import * as broker from "./broker/broker.ts";
import { Dealer } from "./dealer/dealer.ts";
import { decode, NotDecodable, unpack } from "./messages/codec.ts";
import { randomId } from "./messages/identifiers.ts";
import { type AnyMessage, type Dict, isPassthru, type, violationOf } from "./messages/messages.ts";
import { fits, refusalOf, routerError, WampError } from "./session/errors.ts";
import { authenticated, greet, type HandshakeOptions } from "./session/handshake.ts";
import type { Answer, WampHooks } from "./session/hooks.ts";
import type { Publication, ToCaller, ToSession } from "./session/inbox.ts";
import { type Conn, type Joined, serializerOf, violate, WampSession } from "./session/session.ts";
import { topics } from "./session/topics.ts";

/** Of a hook. */
type Done = void | Promise<void>;

/** What a request has failed with: the turn is rolled back, and the client gets ERROR, unless it wants no answer. */
export class RequestFailed extends Error {
  readonly answer: readonly [of: number, request: number, error: WampError] | undefined;

  constructor(message: AnyMessage, cause: unknown) {
    const [of, request] = message as readonly [number, number];
    super(`message type ${of} has failed: ${(cause as Error)?.message}`, { cause });
    const error = cause instanceof WampError ? cause : routerError("wamp.error.runtime_error");
    if (hasAnswer(message)) this.answer = [of, request, error];
  }
}

const handshake: readonly number[] = [type.HELLO, type.AUTHENTICATE];
const notRequests: readonly number[] = [type.GOODBYE, type.CANCEL, type.YIELD, type.ERROR];

export class Router {
  readonly dealer = new Dealer();
  private readonly options: HandshakeOptions & WampHooks;

  constructor(options: HandshakeOptions & WampHooks) {
    this.options = options;
  }

  inSession<Value>(conn: Conn, turn: Turn, run: (session: WampSession) => Value): Value | undefined {
    return conn.state.phase === "joined" ? run(new WampSession(conn, turn, conn.state as Joined, this.options)) : undefined;
  }

  /** A message of the client. "Protocol Errors" */
  receive(conn: Conn, frame: Message, turn: Turn): Done {
    let decoded: unknown;
    try {
      decoded = decode(frame, serializerOf(conn));
    } catch (error) {
      if (error instanceof NotDecodable) return violate(conn, error.message);
      throw error;
    }
    const wrong = violationOf(decoded);
    if (wrong !== undefined) return violate(conn, wrong);
    const message = decoded as AnyMessage;
    const { state } = conn;
    if (message[0] === type.ABORT) return conn.close(1000);
    if (state.phase === "joined" && state.takesPassthru === false && isPassthru(message[message[0] === type.ERROR ? 3 : 2]))
      return violate(conn, "ppt_scheme is for clients that have announced payload_passthru_mode");
    // What onJoin had flushed before its worker died.
    if (state.phase === "joined" && turn.flushed > 0 && handshake.includes(message[0])) return this.welcomed(conn, turn, state as Joined);
    if (state.phase === "joined") return this.dispatch(new WampSession(conn, turn, state as Joined, this.options), message);
    if (state.phase === "opening" && message[0] === type.HELLO) return this.join(conn, turn, greet(conn, message, this.options));
    if (state.phase === "authenticating" && message[0] === type.AUTHENTICATE)
      return this.join(conn, turn, authenticated(conn, state, message, this.options));
    violate(conn, `message type ${message[0]} has no place here: there is no session yet`);
  }

  /** WELCOME has been sent, or the client was refused. "Session Establishment" */
  private async join(conn: Conn, turn: Turn, welcomed: Promise<Joined | undefined>): Promise<void> {
    const joined = await welcomed;
    if (joined !== undefined) await this.welcomed(conn, turn, joined);
  }

  private async welcomed(conn: Conn, turn: Turn, joined: Joined): Promise<void> {
    const session = new WampSession(conn, turn, joined, this.options);
    await this.options.onJoin?.(session);
    const { authid, authrole, authmethod, authprovider } = joined;
    publishMeta(session, "wamp.session.on_join", [{ session: session.id, authid, authrole, authmethod, authprovider }]);
  }

  /** Its connection has closed. */
  async leave(session: WampSession, closing: Closing): Promise<void> {
    if (session.turn.flushed === 0) {
      this.dealer.onLeave(session);
      publishMeta(session, "wamp.session.on_leave", [session.id, session.authid, session.authrole]);
      // Others get it also where onLeave throws.
      if (this.options.onLeave !== undefined) await session.conn.flush();
    }
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
      return told.kind === "invocation" ? this.dealer.beInvoked(session, told) : this.dealer.beInterrupted(session, told);
    });
  }

  /** A message of a client in a session: a request has an answer, or ERROR. */
  private dispatch(session: WampSession, message: AnyMessage): Done {
    try {
      const answer = this.answer(session, message);
      if (!(answer instanceof Promise)) return reply(session, message, answer);
      return answer.then((settled) => reply(session, message, settled)).catch((error) => fail(message, error));
    } catch (error) {
      fail(message, error);
    }
  }

  /** "Message Codes and Direction" */
  private answer(session: WampSession, message: AnyMessage): Answer {
    switch (message[0]) {
      case type.GOODBYE:
        return sayGoodbye(session);
      case type.CANCEL:
        return this.dealer.cancel(session, message);
      case type.YIELD:
        return this.dealer.yield(session, message);
      case type.ERROR:
        return this.dealer.error(session, message);
      case type.PUBLISH:
        return broker.publish(session, message);
      case type.SUBSCRIBE:
        return broker.subscribe(session, message);
      case type.UNSUBSCRIBE:
        return broker.unsubscribe(session, message);
      case type.CALL:
        return this.dealer.call(session, message);
      case type.REGISTER:
        return this.dealer.registrations.register(session, message);
      case type.UNREGISTER:
        return this.dealer.registrations.unregister(session, message);
      default:
        violate(session.conn, `a client in a session does not send message type ${message[0]}`);
    }
  }
}

function reply(session: WampSession, [of, request]: AnyMessage, answer: Awaited<Answer>): void {
  if (answer instanceof WampError) session.sendError(of, request as number, answer);
  else if (answer) session.send(answer);
}

/** @throws what a message has failed with, as onError is to see it. */
function fail(message: AnyMessage, error: unknown): never {
  if (notRequests.includes(message[0])) throw error;
  const known = refusalOf(error);
  if (known === undefined) throw new RequestFailed(message, error);
  const failure = new RequestFailed(message, known);
  // Thrown, since what it has done so far is not to happen; and no release is to blame.
  throw new CodedError("message.invalid", `${failure.message}: ${(error as Error).message}`, { cause: failure });
}

/** "Publish ERROR": to a client, one for a publication that wants no acknowledgement is a protocol violation. */
function hasAnswer(message: AnyMessage): boolean {
  return message[0] !== type.PUBLISH || message[2].acknowledge === true;
}

/** GOODBYE: the answer to a client's, or what `wamp.session.kill` wants. "Session Closing" */
function sayGoodbye(session: WampSession, details: Dict = {}, reason = "wamp.close.goodbye_and_out"): void {
  if (!fits(() => session.send([type.GOODBYE, details, reason]))) session.send([type.GOODBYE, {}, reason]);
  session.conn.close(1000, Buffer.byteLength(reason) > reasonLimitBytes ? "" : reason);
}

/** "Session Meta API", "Events" */
function publishMeta(session: WampSession, topic: string, args: readonly unknown[]): void {
  broker.publishToAll(session, { topic, publication: randomId(), details: {}, payload: [args] }, {});
}
