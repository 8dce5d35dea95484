// What happens for each message of a client, and for what other sessions tell its connection. "Message Codes and Direction"

import { type ErrorCode, isCodedError } from "../../../protocol/errors.ts";
import type { Closing, Message, Turn } from "../../handler.ts";
import * as broker from "./broker.ts";
import { decode, NotDecodable, unpack } from "./codec.ts";
import { Dealer, type Inbox } from "./dealer.ts";
import { authenticated, greet, type HandshakeOptions } from "./handshake.ts";
import { isReserved, isUri, type Match, randomId, topics } from "./identifiers.ts";
import { type Dict, type Payload, passedThrough, type, violationOf, type WampMessage } from "./messages.ts";
import { callMeta, type Killed } from "./meta.ts";
import { openCalls } from "./open-calls.ts";
import { after, type Conn, type Joined, type Procedure, serializerOf, violate, WampError, WampResult, WampSession } from "./session.ts";
import type { WampHooks } from "./wamp.ts";

type Settled<Value> = Value | Promise<Value>;
/** Of a hook. */
type Done = void | Promise<void>;
type Answer = Settled<WampMessage | WampError | undefined>;

/** A message that asks for something, taken apart. */
interface Asked {
  readonly request: number;
  readonly options: Dict;
  readonly uri: string;
  readonly payload: Payload;
}

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
const invalidUri = new WampError("wamp.error.invalid_uri");

export class Router {
  readonly dealer = new Dealer();
  private readonly options: HandshakeOptions & WampHooks;

  constructor(options: HandshakeOptions & WampHooks) {
    this.options = options;
  }

  inSession<Value>(conn: Conn, turn: Turn, run: (session: WampSession) => Value): Value | undefined {
    return conn.state.phase === "joined" ? run(new WampSession(conn, turn, conn.state as Joined)) : undefined;
  }

  /** A message of the client. */
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
    const [code, signature] = message;
    if (code === type.ABORT) return conn.close(1000);
    const { state } = conn;
    if (state.phase === "joined") return this.dispatch(new WampSession(conn, turn, state as Joined), message);
    if (state.phase === "authenticating" && code !== type.AUTHENTICATE) return violate(conn, "the answer to CHALLENGE is AUTHENTICATE");
    const welcomed =
      state.phase === "opening" ? greet(conn, message, this.options) : authenticated(conn, state, signature as string, this.options);
    return welcomed.then((joined) => (joined === undefined ? undefined : this.join(new WampSession(conn, turn, joined))));
  }

  private async join(session: WampSession): Promise<void> {
    await this.options.onJoin?.(session);
    const { authid, authrole, authmethod, authprovider } = session.state;
    this.tell(session, "wamp.session.on_join", [{ session: session.id, authid, authrole, authmethod, authprovider }]);
  }

  /** Its connection has closed. */
  async leave(session: WampSession, closing: Closing): Promise<void> {
    this.dealer.onLeave(session);
    this.tell(session, "wamp.session.on_leave", [session.id, session.authid, session.authrole]);
    await this.options.onLeave?.(session, closing);
  }

  /** "Session Meta API" */
  private tell(session: WampSession, topic: string, args: readonly unknown[]): void {
    broker.publishToAll(session, { topic, publication: randomId(), details: {}, payload: [args] }, {});
  }

  /** What other sessions have published for this one's turns. */
  hear(conn: Conn, topic: string, message: Message, turn: Turn): Done {
    return this.inSession(conn, turn, (session) => {
      const said = unpack(message.bytes());
      if (topic === topics.publications(session.scope)) return broker.deliver(session, said as broker.Publication, true);
      const told = said as Inbox | broker.Chosen | Killed;
      if (told.kind !== "event" && told.kind !== "kill") return this.dealer.receive(session, told);
      if (told.to !== session.id) return undefined;
      if (told.kind === "event") return broker.deliver(session, told, false);
      session.send([type.GOODBYE, told.details, told.reason]);
      session.conn.close(1000, told.reason);
    });
  }

  private dispatch(session: WampSession, message: WampMessage): Done {
    const [code, request] = message as readonly [number, number];
    if (code === type.GOODBYE) {
      session.send([type.GOODBYE, {}, "wamp.close.goodbye_and_out"]);
      return session.conn.close(1000, "wamp.close.goodbye_and_out");
    }
    if (code === type.YIELD || code === type.ERROR) return this.dealer.answer(session, message);
    if (code === type.CANCEL) return this.dealer.cancel(session, request, (message[2] as Dict).mode as string | undefined);
    const [, , options, uri, ...payload] = message as readonly [number, number, Dict, string, ...Payload];
    const failed = (error: unknown) => {
      const known = isCodedError(error) ? uriOfCode[error.code] : undefined;
      if (known === undefined) throw new RequestFailed(code, request, error);
      return new WampError(known);
    };
    const answered = (answer: WampMessage | WampError | undefined) => {
      if (answer instanceof WampError) session.sendError(code, request, answer.uri, answer.payload);
      else if (answer !== undefined) session.send(answer);
    };
    try {
      const answer = this.answer(session, code, { request, options, uri, payload });
      return answer instanceof Promise ? answer.catch(failed).then(answered) : answered(answer);
    } catch (error) {
      answered(failed(error));
    }
  }

  private answer(session: WampSession, code: number, asked: Asked): Answer {
    switch (code) {
      case type.SUBSCRIBE:
        return this.subscribe(session, asked);
      case type.UNSUBSCRIBE:
        return this.unsubscribe(session, asked.request, asked.options as unknown as number);
      case type.PUBLISH:
        return this.publish(session, asked);
      case type.REGISTER:
        return this.register(session, asked);
      case type.UNREGISTER: {
        const had = this.dealer.registrations.unregister(session, asked.options as unknown as number);
        return had ? [type.UNREGISTERED, asked.request] : new WampError("wamp.error.no_such_registration");
      }
      case type.CALL:
        return this.call(session, asked);
      default:
        violate(session.conn, `a client in a session does not send message type ${code}`);
    }
  }

  private subscribe(session: WampSession, { request, options: { match = "exact" }, uri }: Asked): Answer {
    if (!isUri(uri, match as Match)) return invalidUri;
    const subscribed = () => {
      const id = broker.subscribe(session, uri, match as Match);
      return typeof id === "number" ? ([type.SUBSCRIBED, request, id] as const) : id;
    };
    return allowed(this.options.onSubscribe?.(session, uri, match as Match), subscribed);
  }

  private unsubscribe(session: WampSession, request: number, subscription: number): Answer {
    const topic = broker.unsubscribe(session, subscription);
    if (topic === undefined) return new WampError("wamp.error.no_such_subscription");
    return after(this.options.onUnsubscribe?.(session, topic), () => [type.UNSUBSCRIBED, request] as const);
  }

  private publish(session: WampSession, { request, options, uri: topic, payload }: Asked): Answer {
    const publication = randomId();
    const event = () => {
      const told = options.disclose_me === true ? broker.disclosed(session, "publisher") : {};
      return broker.publish(session, { topic, publication, details: { ...told, ...passedThrough(options) }, payload }, options);
    };
    const verdict = () => allowed(this.options.onPublish?.(session, { topic, options, ...namedPayload(payload) }), event);
    const answer = isUri(topic) && !isReserved(topic) ? verdict() : invalidUri;
    if (options.acknowledge !== true) return after(answer, () => undefined);
    return after(answer, (refusal) => refusal ?? ([type.PUBLISHED, request, publication] as const));
  }

  private register(session: WampSession, { request, options, uri }: Asked): Answer {
    const { match = "exact" } = options as { match?: Match };
    if (!isUri(uri, match) || isReserved(uri)) return invalidUri;
    if (match === "exact" && Object.hasOwn(this.options.procedures ?? {}, uri)) return new WampError("wamp.error.procedure_already_exists");
    return allowed(this.options.onRegister?.(session, uri, match), async () => {
      const registered = await this.dealer.registrations.register(session, uri, options);
      return typeof registered === "string" ? new WampError(registered) : ([type.REGISTERED, request, registered] as const);
    });
  }

  private readonly meta: Procedure = (session, call) => {
    const { onMeta = (_session: WampSession, procedure: string) => procedure !== "wamp.session.kill" } = this.options;
    // Whoever says nothing of a procedure that ends sessions has not allowed it.
    return after(onMeta(session, call.procedure), (said) => allowed(said ?? false, () => callMeta(session, call)));
  };

  private call(session: WampSession, { request, options, uri: procedure, payload }: Asked): Answer {
    if (!isUri(procedure)) return invalidUri;
    if (openCalls(session).some((open) => open.request === request)) return violate(session.conn, `request ${request} is open`);
    const { procedures = {}, onCall } = this.options;
    const own = Object.hasOwn(procedures, procedure) ? procedures[procedure] : isReserved(procedure) ? this.meta : onCall;
    const byClients = () => this.dealer.call(session, request, { options, procedure, payload });
    if (own === undefined) return byClients() as Answer;
    const { id: turn } = session.turn;
    const before = session.state.progress?.turn === turn ? session.state.progress.count : 0;
    let count = 0;
    const progress = async (...args: unknown[]) => {
      if (options.receive_progress !== true || ++count <= before) return;
      session.send([type.RESULT, request, { progress: true }, args]);
      session.update({ progress: { turn, count } });
      await session.conn.flush();
    };
    return after(own(session, { procedure, options, progress, ...namedPayload(payload) }) as Settled<unknown>, (value): Answer => {
      if (value instanceof WampError) return value;
      if (value instanceof WampResult) return [type.RESULT, request, {}, ...value.payload];
      if (value === undefined && own === onCall) return byClients() as Answer;
      return value === undefined ? [type.RESULT, request, {}] : [type.RESULT, request, {}, [value]];
    });
  }
}

function unavailable(...codes: readonly ErrorCode[]): Record<string, string> {
  return Object.fromEntries(codes.map((code) => [code, "wamp.error.unavailable"]));
}

/** @param verdict of a hook: see Verdict. */
function allowed<Next>(verdict: Settled<unknown>, then: () => Settled<Next>): Settled<Next | WampError> {
  return after(verdict, (said): Settled<Next | WampError> => {
    if (said === true || said === undefined) return then();
    return said instanceof WampError ? said : new WampError("wamp.error.not_authorized");
  });
}

function namedPayload([args, kwargs]: Payload): { args: readonly unknown[]; kwargs: Dict } {
  return { args: Array.isArray(args) ? args : args === undefined ? [] : [args], kwargs: (kwargs as Dict | undefined) ?? {} };
}
