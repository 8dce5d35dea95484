// What a handler is given of a session of WAMP 1 for one turn, and what the session's connection keeps.

import type { Connection, Turn } from "../../handler.ts";
import { CALLERROR, CALLRESULT, EVENT } from "./messages.ts";
import { sessionTopic } from "./topics.ts";

export interface Kept<State> {
  /** PREFIX: shortcuts, by which a client names URIs as `prefix:rest`. */
  readonly prefixes: Readonly<Record<string, string>>;
  /** What its topics begin with; missing: `formerPrefix`. */
  readonly prefix?: string;
  readonly own: State;
}

export type Conn<State> = Connection<unknown, Kept<State>>;
export interface Audience {
  /** Ids of sessions that do not get it. */
  readonly exclude?: readonly string[];
  /** Ids of those that may. */
  readonly eligible?: readonly string[] | undefined;
}

/** Returned by onCall: the client gets a CALLERROR, and the turn's effects happen. Thrown: it gets one, and the turn is rolled back. */
export class CallError extends Error {
  readonly uri: string;
  readonly details: unknown;

  /** @param uri "http://example.com/error#sold_out" @param description for people. @param details any value that has JSON. */
  constructor(uri: string, description: string, details?: unknown) {
    super(description);
    this.uri = uri;
    this.details = details;
  }
}

/** A client's session, as hooks have it for one turn. */
export class Wamp1Session<State = undefined> {
  /** thinstate's own connection: its `send` and `state` are the adapter's. */
  readonly conn: Conn<State>;
  readonly turn: Turn;
  readonly #prefix: string;
  #answered: string | undefined;

  /** @param prefix Of the handler's topics. */
  constructor(conn: Conn<State>, turn: Turn, prefix: string) {
    this.conn = conn;
    this.turn = turn;
    this.#prefix = prefix;
  }

  /** WELCOME: clients know each other by it. */
  get id(): string {
    return this.conn.id;
  }

  get user(): string | undefined {
    return this.conn.user;
  }

  /** As onUpgrade began it, or `setState` set it. */
  get state(): State {
    return this.conn.state.own;
  }

  setState(own: State): void {
    this.conn.setState({ ...this.conn.state, own });
  }

  /** EVENT, to this client alone. */
  event(topic: string, event: unknown): void {
    this.conn.send([EVENT, topic, event]);
  }

  /** EVENT, to all who subscribe: also to this client, unless it is excluded. */
  broadcast(topic: string, event: unknown, { exclude = [], eligible }: Audience = {}): void | Promise<void> {
    if (eligible !== undefined)
      return this.#broadcastTo(
        topic,
        event,
        eligible.filter((id) => !exclude.includes(id)),
      );
    const others = exclude.filter((id) => id !== this.id);
    this.conn.publish(this.topicOf(topic), [EVENT, topic, event], { self: others.length === exclude.length, except: others });
  }

  /** CALLRESULT. What onCall returns is one, too. */
  callResult(id: string, result: unknown): void {
    this.#answered = id;
    this.conn.send([CALLRESULT, id, result ?? null]);
  }

  /** CALLERROR. */
  callError(id: string, uri: string, description: string, details?: unknown): void {
    this.#answered = id;
    this.conn.send([CALLERROR, id, uri, description, ...(details === undefined ? [] : [details])]);
  }

  close(code?: number, reason?: string): void {
    this.conn.close(code, reason);
  }

  /** The topic of thinstate whose messages are a topic's EVENTs: what other programs publish to it has to be `[8, topic, event]`. */
  topicOf(topic: string): string {
    return `${this.#prefix}${topic}`;
  }

  /** @internal */
  hasAnswered(id: string): boolean {
    return this.#answered === id;
  }

  async #broadcastTo(topic: string, event: unknown, ids: readonly string[]): Promise<void> {
    const members = new Set((await this.conn.members(this.topicOf(topic))).map(({ id }) => id));
    for (const id of ids) if (members.has(id)) this.conn.publish(sessionTopic(id), [EVENT, topic, event], { self: true });
  }
}
