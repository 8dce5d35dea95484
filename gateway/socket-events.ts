// What uWebSockets.js says of open sockets, on its way to those that own them: connections, and WebSockets for sessions of other gateways.
// What throws in a callback of the library ends the process, so it is caught here: a bug costs the socket that it meets.

import type { Connection, Guest, Socket } from "./connection.ts";
import { PipeClient } from "./pipes/pipe-client.ts";
import type { ServerListeners } from "./uws/server.ts";

export interface SocketClose {
  readonly code: number;
  readonly reason: Uint8Array;
  /** It was closed since it read too slowly. */
  readonly isSlow: boolean;
}

/** What one kind of owner does about it. */
export interface SocketEvents<Owner> {
  open(owner: Owner, socket: Socket): void;
  /** @param message valid during the call only. */
  receive(owner: Owner, message: Uint8Array, isBinary: boolean): void;
  /** @param isAnswer See ServerListeners.onPing. */
  pinged(owner: Owner, isAnswer: boolean): void;
  /** The owner has no socket any more when this returns, or throws. */
  closed(owner: Owner, close: SocketClose): void;
  /** One of these has thrown: its socket is to be closed. */
  meetBug(owner: Owner, error: unknown): void;
}

export type SocketOwner = Connection | PipeClient;

export interface SocketListenersOptions {
  readonly connections: SocketEvents<Connection>;
  /** It is closed, or cut off, for what its client has sent. */
  readonly onFault: (owner: Guest, reason: string) => void;
}

type Listeners = Pick<Required<ServerListeners<SocketOwner>>, "onOpen" | "onMessage" | "onPing" | "onFault" | "onClose">;

const pipeClients: SocketEvents<PipeClient> = {
  open: (client, socket) => client.opened(socket),
  receive: (client, message, isBinary) => client.receive(message, isBinary),
  pinged: (client, isAnswer) => client.pinged(isAnswer),
  closed: (client, close) => client.closed(close),
  meetBug: (client, error) => client.meetBug(error),
};

export function socketListeners({ connections, onFault }: SocketListenersOptions): Listeners {
  const eventsOf = (owner: SocketOwner): SocketEvents<SocketOwner> => (owner instanceof PipeClient ? pipeClients : connections);
  const safely = (owner: SocketOwner, tell: (events: SocketEvents<SocketOwner>) => void) => {
    const events = eventsOf(owner);
    try {
      tell(events);
    } catch (error) {
      events.meetBug(owner, error);
    }
  };
  return {
    onOpen: (owner, socket) => safely(owner, (events) => events.open(owner, socket)),
    onMessage: (owner, message, isBinary) => safely(owner, (events) => events.receive(owner, message, isBinary)),
    onPing: (owner, isAnswer) => safely(owner, (events) => events.pinged(owner, isAnswer)),
    onFault: (owner, reason) => safely(owner, () => onFault(owner, reason)),
    onClose: (owner, code, reason, isSlow) => safely(owner, (events) => events.closed(owner, { code, reason, isSlow })),
  };
}
