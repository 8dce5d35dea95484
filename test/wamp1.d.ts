// What the tests use of the package wamp1, which has no types.

declare module "wamp1" {
  import type { EventEmitter } from "node:events";
  import type { WebSocket } from "ws";

  export default class Wamp extends EventEmitter {
    sessionId: string | undefined;
    constructor(socket: WebSocket, onWelcome: () => void);
    prefix(prefix: string, uri: string): void;
    subscribe(topic: string, listener: (event: unknown) => void): void;
    unsubscribe(topic: string): void;
    publish(topic: string, event: unknown, ...audience: unknown[]): void;
    /** The last parameter is told the error, or the result. */
    call(procedure: string, ...parameters: unknown[]): void;
  }
}
