// A client of WAMP for tests of the router without a server: sends and receives messages as they are on the wire.

import type { TestApp, TestConnection } from "../../../testing.ts";
import { encode, unpack } from "../messages/codec.ts";
import type { Serializer } from "../messages/identifiers.ts";
import { type Dict, type, type WampMessage } from "../messages/messages.ts";
import type { State } from "../session/session.ts";

const roles = {
  publisher: {},
  subscriber: {},
  caller: {},
  callee: { features: { call_canceling: true, progressive_call_results: true } },
};

export interface WireOptions {
  readonly serializer?: Serializer;
  readonly cookies?: Readonly<Record<string, string>>;
  readonly realm?: string;
  readonly details?: Dict;
}

export class WireSession {
  readonly connection: TestConnection<State>;
  readonly serializer: Serializer;
  id = 0;
  private requests = 0;
  private seen = 0;

  private constructor(connection: TestConnection<State>, serializer: Serializer) {
    this.connection = connection;
    this.serializer = serializer;
  }

  /** Connects, and says nothing. */
  static async open(app: TestApp<State>, { serializer = "json", cookies = {} }: WireOptions = {}): Promise<WireSession> {
    return new WireSession(await app.connect("/ws", { subprotocols: [`wamp.2.${serializer}`], cookies }), serializer);
  }

  static async join(app: TestApp<State>, options: WireOptions = {}): Promise<WireSession> {
    const session = await WireSession.open(app, options);
    await session.send([type.HELLO, options.realm ?? "realm1", { roles, ...options.details }]);
    session.id = (await session.next(type.WELCOME))[1] as number;
    return session;
  }

  get messages(): WampMessage[] {
    return this.connection.frames.map(
      (frame) => (typeof frame === "string" ? JSON.parse(frame) : unpack(frame as Uint8Array)) as WampMessage,
    );
  }

  async send(message: unknown): Promise<void> {
    await this.connection.send(encode(message as WampMessage, this.serializer));
  }

  /** Sends a request. @returns its answer: what comes next of this session's. */
  async ask(code: number, ...elements: readonly unknown[]): Promise<WampMessage> {
    await this.send([code, ++this.requests, ...elements]);
    return this.next();
  }

  /** The next message that nobody has looked at, of this type; those before it are skipped. */
  async next(code?: number): Promise<WampMessage> {
    for (;;) {
      const { messages } = this;
      for (let message = messages[this.seen]; message !== undefined; message = messages[this.seen]) {
        this.seen++;
        if (code === undefined || message[0] === code) return message;
      }
      if (this.connection.closed !== undefined)
        throw new Error(`closed: ${JSON.stringify(this.connection.closed)}, ${JSON.stringify(messages)}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What it has got that nobody has looked at, once all that was sent before has been done: a request of its own has been answered. */
  async rest(): Promise<WampMessage[]> {
    await this.send([type.SUBSCRIBE, ++this.requests, {}, "com.example.rest"]);
    const all: WampMessage[] = [];
    for (;;) {
      const message = await this.next();
      if (message[0] === type.SUBSCRIBED && message[1] === this.requests) return all;
      all.push(message);
    }
  }
}
