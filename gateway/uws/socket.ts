// An open WebSocket of uWebSockets.js, as the rest of the gateway uses it.

import type { Socket } from "../connection.ts";
import type * as uWS from "./library.ts";

/**
 * A WebSocket is the same object in each of its callbacks. A property of it is found without a call into uWebSockets.js,
 * which `getUserData` is.
 */
export type Known<Data> = uWS.WebSocket<object> & { socket?: ServerSocket<Data> };

/** What `send` returns where too much waits already. */
const dropped = 2;

export class ServerSocket<Data> implements Socket {
  readonly data: Data;
  /** Something for it was dropped. */
  isSlow = false;
  private readonly ws: uWS.WebSocket<unknown>;
  private readonly publishElsewhere: (topic: string, data: Uint8Array, isBinary: boolean) => void;

  constructor(ws: uWS.WebSocket<unknown>, data: Data, publishElsewhere: (topic: string, data: Uint8Array, isBinary: boolean) => void) {
    this.ws = ws;
    this.data = data;
    this.publishElsewhere = publishElsewhere;
  }

  send(data: Uint8Array, isBinary: boolean): void {
    if (this.ws.send(data, isBinary) === dropped) this.isSlow = true;
  }

  end(code: number, reason: string): void {
    this.ws.end(code, reason);
  }

  cork(write: () => void): void {
    this.ws.cork(write);
  }

  subscribe(topic: string): void {
    this.ws.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.ws.unsubscribe(topic);
  }

  ping(): void {
    this.ws.ping();
  }

  isSubscribed(topic: string): boolean {
    return this.ws.isSubscribed(topic);
  }

  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    this.ws.publish(topic, data, isBinary);
    this.publishElsewhere(topic, data, isBinary);
  }
}

/** Whether more waits for it than may. */
export function isOverLimit(ws: uWS.WebSocket<unknown>, limitBytes: number): boolean {
  try {
    return ws.getBufferedAmount() > limitBytes;
  } catch {
    // We have closed it ourselves, with a code of its own.
    return false;
  }
}
