// The body of an answer that is written as it comes, no faster than its client takes it.
//
// With a known length, `tryEnd` says how much the socket took, and the rest waits here. Without one, `write` frames chunks
// (RFC 9112, 7.1); what the socket does not take then waits within uWebSockets.js, which does not say how much that is. Only
// that nothing waits any more can be known, by a write: so after each doubt a small one goes first.
//
// All is written corked, or uWebSockets.js warns of it, a line each time. With 20.30 what is written corked has to fit into the cork's
// buffer: it drops what does not, where the socket is full; and over TLS it would cut elsewhere what has to come again as it was
// (SSL_write(3)). 20.69 does neither.

import type * as uWS from "./library.ts";

export interface Head {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  /** Content-Length; undefined: nobody knows it yet. */
  readonly length: number | undefined;
  /** Of a body without a length: what leaves with its head. At most 8 KiB. */
  readonly first?: Uint8Array;
}

export interface Body {
  /** @param bytes valid during the call only: what the socket does not take at once is copied. */
  write(bytes: Uint8Array): void;
  /** All has been written. Where that is not what Content-Length said, the client's connection is cut. */
  end(): void;
  /** Closes the client's connection, so that it does not take what it has for the whole. */
  cut(): void;
}

/** What may be written corked: uWebSockets.js' buffer for that has 16 KiB, and its own headers may stand there. */
export const corkedBytes = 15 * 1024;
/** Less than a socket's buffer has free when the kernel says that there is room: a third of it. */
const probeBytes = 1024;

export interface SocketBodyOptions {
  readonly response: uWS.HttpResponse;
  /** undefined: nobody knows it yet. */
  readonly length: number | undefined;
  readonly onTaken: (bytes: number) => void;
  /** The response may not be used any more: all of it was written, or the client has gone. */
  readonly onOver: () => void;
  /** Whether any size may be written corked: not with 20.30. */
  readonly corksAll: boolean;
}

export class SocketBody implements Body {
  private readonly response: uWS.HttpResponse;
  private readonly length: number | undefined;
  private readonly onTaken: (bytes: number) => void;
  private readonly onOver: () => void;
  private readonly corksAll: boolean;
  /** What waits here, in order. */
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  /** Until the socket is writable. */
  private isFull = false;
  /** Whether uWebSockets.js may still have something that the socket did not take. */
  private mayHold = false;
  private isEnding = false;
  private isCut = false;
  private isOver = false;
  /** Of the body, written so far. */
  private written = 0;

  constructor({ response, length, onTaken, onOver, corksAll }: SocketBodyOptions) {
    this.response = response;
    this.length = length;
    this.onTaken = onTaken;
    this.onOver = onOver;
    this.corksAll = corksAll;
  }

  /** To be called once, behind status and headers, corked. */
  open({ headers, first }: Pick<Head, "headers" | "first">): void {
    const { response, length } = this;
    if (length === 0) {
      this.over();
      response.end("");
      return;
    }
    response.onWritable(() => {
      this.drain();
      return true;
    });
    if (length !== undefined) return;
    // The head's last line comes with the first chunk, and before that a browser's EventSource is not open. (`beginWrite` of 20.69 ends
    // the head, but then `write` puts an empty line before the first chunk.)
    const opening = first ?? (isEventStream(headers) ? ":\n\n" : undefined);
    if (opening !== undefined) this.mayHold = this.isFull = !response.write(opening);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // Nobody gets it: it is not to count as waiting for ever.
    if (this.isOver || this.isCut) return this.onTaken(bytes.length);
    if (this.length !== undefined && this.written + this.waitingBytes + bytes.length > this.length) return this.cut();
    const taken = this.isFull || this.waiting.length > 0 ? 0 : this.send(bytes);
    // Its own memory: the rest of what it came with is not to be kept.
    if (taken < bytes.length) {
      this.waiting.push(bytes.slice(taken));
      this.waitingBytes += bytes.length - taken;
    }
    if (taken > 0) this.onTaken(taken);
  }

  end(): void {
    this.isEnding = true;
    // Not while uWebSockets.js has something that the socket did not take: it would not say when that has left.
    if (!this.isOver && !this.isCut && !this.isFull && this.waiting.length === 0) this.finish();
  }

  cut(): void {
    this.isCut = true;
    // Not within a callback of uWebSockets.js: it goes on with what closing has freed.
    setImmediate(() => {
      if (!this.isOver) this.response.close();
    });
  }

  /** The client has gone, or was closed: the response may not be used any more. */
  abort(): void {
    this.over();
    this.waiting = [];
    this.waitingBytes = 0;
  }

  private over(): void {
    this.isOver = true;
    this.onOver();
  }

  private drain(): void {
    if (this.isOver || this.isCut) return;
    this.isFull = false;
    // What uWebSockets.js holds goes first: by itself it writes that only where nobody wants to know of a writable socket.
    if (this.waiting.length === 0) this.response.cork(() => undefined);
    while (this.waiting.length > 0 && !this.isFull) {
      const [next] = this.waiting as [Uint8Array];
      const taken = this.send(next);
      if (taken === next.length) this.waiting.shift();
      else this.waiting[0] = next.subarray(taken);
      this.waitingBytes -= taken;
      if (taken > 0) this.onTaken(taken);
      if (this.isOver) return;
    }
    if (this.isEnding && !this.isFull && this.waiting.length === 0) this.finish();
  }

  /** @returns how much of it the socket, or uWebSockets.js, has taken. */
  private send(bytes: Uint8Array): number {
    const taken = this.length === undefined ? this.sendChunks(bytes) : this.sendPart(bytes, this.length);
    this.written += taken;
    return taken;
  }

  private sendChunks(bytes: Uint8Array): number {
    const { response } = this;
    let at = 0;
    while (at < bytes.length && !this.isFull) {
      const slice = bytes.subarray(at, at + (this.mayHold ? probeBytes : corkedBytes));
      let isTaken = true;
      response.cork(() => {
        isTaken = response.write(slice);
      });
      at += slice.length;
      this.mayHold = this.isFull = !isTaken;
    }
    return at;
  }

  private sendPart(bytes: Uint8Array, length: number): number {
    if (this.corksAll) return this.tryEndCorked(bytes, length);
    let at = 0;
    while (at < bytes.length && !this.isFull) at += this.tryEndCorked(bytes.subarray(at, at + corkedBytes), length);
    return at;
  }

  private tryEndCorked(bytes: Uint8Array, length: number): number {
    let taken = 0;
    this.response.cork(() => {
      taken = this.tryEnd(bytes, length);
    });
    return taken;
  }

  private tryEnd(bytes: Uint8Array, length: number): number {
    const { response } = this;
    const before = response.getWriteOffset();
    const [isTaken, isWhole] = response.tryEnd(bytes, length);
    this.isFull = !isTaken;
    // Modulo 2^32: 20.30 knows no larger one.
    if (!isWhole) return (response.getWriteOffset() - before) >>> 0;
    this.over();
    return bytes.length;
  }

  private finish(): void {
    if (this.length !== undefined) return this.cut();
    this.over();
    this.response.cork(() => this.response.end());
  }
}

// A comment of an event stream, which says nothing (HTML, 9.2.6): other bodies get none.
function isEventStream(headers: Head["headers"]): boolean {
  return headers.some(([name, value]) => name.toLowerCase() === "content-type" && value.startsWith("text/event-stream"));
}
