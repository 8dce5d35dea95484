// What the tests use of AutobahnJS, which has no types of its own. In Node it takes the WebSocket that browsers have.

import { createRequire } from "node:module";
import { WebSocket } from "ws";

export interface AutobahnSession {
  readonly id: number;
  call(procedure: string, args?: unknown[], kwargs?: object, options?: object): AutobahnCall;
  register(
    procedure: string,
    endpoint: (args: unknown[], kwargs: object, details: { progress?: (args: unknown[]) => void; caller?: number }) => unknown,
    options?: object,
  ): Promise<object>;
  unregister(registration: object): Promise<unknown>;
  subscribe(
    topic: string,
    handler: (args: unknown[], kwargs: object, details: { topic: string; publisher?: number }) => void,
    options?: object,
  ): Promise<object>;
  unsubscribe(subscription: object): Promise<unknown>;
  publish(topic: string, args?: unknown[], kwargs?: object, options?: object): Promise<unknown>;
}

export interface AutobahnCall extends Promise<unknown> {
  cancel(options: { readonly mode: string }): void;
  then<A = unknown, B = never>(
    done?: ((value: unknown) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
    progress?: (value: unknown) => void,
  ): Promise<A | B>;
}

interface Connection {
  onopen: (session: AutobahnSession, details: Record<string, unknown>) => void;
  onclose: (reason: string, details: { reason?: string }) => boolean;
  open(): void;
  close(): void;
}

interface Autobahn {
  readonly Connection: new (options: object) => Connection;
  readonly Error: new (uri: string, args?: unknown[], kwargs?: object) => Error;
  readonly log: { warn: () => void };
  readonly serializer: Record<"JSONSerializer" | "MsgpackSerializer", new () => object>;
  readonly auth_cra: {
    sign(key: string, challenge: string): string;
    derive_key(secret: string, salt: string, iterations: number, keylen: number): string;
  };
}

/** A browser's says nothing of an error but that it has closed. */
class BrowserWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on("error", () => undefined);
  }
}

(globalThis as { WebSocket?: unknown }).WebSocket ??= BrowserWebSocket;
export const autobahn = createRequire(import.meta.url)("autobahn") as Autobahn;

export interface Opened {
  readonly session: AutobahnSession;
  readonly details: Record<string, unknown>;
  /** Why it has ended, if it has. */
  readonly closed: () => string | undefined;
  close(): Promise<void>;
}

/** Rejects with the reason where the session is refused. */
export function openAutobahn(
  url: string,
  options: object = {},
  serializer: "JSONSerializer" | "MsgpackSerializer" = "JSONSerializer",
): Promise<Opened> {
  const serializers = [new autobahn.serializer[serializer]()];
  const connection = new autobahn.Connection({ url, realm: "realm1", max_retries: 0, serializers, ...options });
  let closed: string | undefined;
  return new Promise((resolve, reject) => {
    let ended = () => {};
    const end = new Promise<void>((done) => {
      ended = done;
    });
    connection.onclose = (reason, { reason: uri }) => {
      closed = uri ?? reason;
      reject(new Error(closed));
      ended();
      return true;
    };
    connection.onopen = (session, details) => {
      const close = () => {
        connection.close();
        return end;
      };
      resolve({ session, details, closed: () => closed, close });
    };
    connection.open();
  });
}
