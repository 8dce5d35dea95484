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
/** A client that answers none saves no more pongs than this, which it could send at once. */
const mostUnanswered = 1_000;

/**
 * Messages from this size on, to a client without any subscription, go straight to its socket in 20.30. Where that takes no
 * more than their header they are lost. Source: WebSocket::send in v20.43 of the C++ library, mended in its v20.47.
 */
const directBytes = 16 * 1024;

/** Subscribed to for the subscription's sake: no topic is called so, all have at least one byte. */
const anchor = "";

/** What the sockets of one app share. */
export interface SocketRoom {
  /** Topics are known to one app each: publishes to those of the others. */
  publishElsewhere(topic: string, data: Uint8Array, isBinary: boolean): void;
  /** It is one of 20.30, and without TLS. */
  readonly losesLarge: boolean;
  /** From how many bytes on messages are compressed for clients that can read it. */
  readonly compressFrom: number;
}

export class ServerSocket<Data> implements Socket {
  data: Data;
  /** Something for it was dropped. */
  isSlow = false;
  /** We have closed it: nothing may be asked of it any more. */
  hasEnded = false;
  private readonly ws: uWS.WebSocket<unknown>;
  private readonly room: SocketRoom;
  private losesLarge: boolean;
  /** Pings that it was sent, and has not answered. Of those that come close together, a client may answer the last alone: RFC 6455, 5.5.3. */
  private unanswered = 0;

  constructor(ws: uWS.WebSocket<unknown>, data: Data, room: SocketRoom) {
    this.ws = ws;
    this.data = data;
    this.room = room;
    this.losesLarge = room.losesLarge;
  }

  send(data: Uint8Array, isBinary: boolean): void {
    // Until its close comes, the kernel may take something again: nothing follows what was dropped.
    if (this.isSlow) return;
    if (this.losesLarge && data.length >= directBytes) {
      // Once and for good: topics of its own may be left again. Few are sent that much, and others need not pay for it.
      this.losesLarge = false;
      this.ws.subscribe(anchor);
    }
    if (this.ws.send(data, isBinary, data.length >= this.room.compressFrom) === dropped) this.isSlow = true;
  }

  end(code: number, reason: string): void {
    this.hasEnded = true;
    this.ws.end(code, reason);
  }

  cut(): void {
    this.hasEnded = true;
    this.ws.close();
  }

  get waitingBytes(): number {
    return this.ws.getBufferedAmount();
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
    this.unanswered = Math.min(this.unanswered + 1, mostUnanswered);
    this.ws.ping();
  }

  /** A pong has come. @returns whether it answers a ping. */
  answered(): boolean {
    if (this.unanswered === 0) return false;
    this.unanswered--;
    return true;
  }

  isSubscribed(topic: string): boolean {
    return this.ws.isSubscribed(topic);
  }

  handTo(data: object): void {
    this.data = data as Data;
  }

  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    this.ws.publish(topic, data, isBinary, data.length >= this.room.compressFrom);
    this.room.publishElsewhere(topic, data, isBinary);
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

/**
 * Why the library cuts off, as it tells with 1006; the last is told by 20.69 only. Not among them: a close frame with a code that the library
 * does not know, which is no fault. Source: WebSocketProtocol.h of uWebSockets.
 */
const clientFaults = new Set([
  "Received too big message",
  "Received too big message, or other inflation error",
  "Received invalid UTF-8",
  "Received invalid WebSocket frame",
]);

/** @returns for what of its client's it was cut off, as the library says it; undefined: for nothing. */
export function clientFaultOf(reason: ArrayBuffer): string | undefined {
  const text = Buffer.from(reason).toString();
  return clientFaults.has(text) ? text : undefined;
}
