// How the NATS client reads and writes its socket, without copies of what is large. The client's own way copies a batch once
// to send it and two or three times into growing, zeroed buffers to receive it, since a read has 64 KiB at most; memory that
// is allocated so fast keeps V8's collector running (a third of a gateway's time with messages of 16 KiB). Here a message
// that does not fit into one read is put together once, in a buffer of its size, and payloads are written from where they are.
// All reads share one buffer, and what came is copied out of it once. Most messages go straight to their listeners (frames.ts).
//
// It builds on the client's own transport and hands everything else to the client's own parser. Both are of one version: package.json.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { NodeTransport } from "nats/lib/node_transport.js";
import { Frames, type Listeners } from "./frames.ts";

const crlf = Buffer.from("\r\n");
/**
 * What one read brings at most. One buffer for all reads: Node.js' own way allocates 64 KiB for each, however little comes, which
 * costs a sixth of a small read, and has the collector count bytes that nobody uses.
 */
const slabBytes = 128 * 1024;
/** What is smaller is copied behind its head: that costs less than a third part to write. */
const copiedBytes = 2048;

export class NatsTransport extends NodeTransport {
  private listeners: Listeners = new Map();
  /** The client's reader has begun. */
  private isRead = false;
  private readonly frames = new Frames({
    listenerOf: (sid) => this.listeners.get(sid),
    // What the client has been given it has read when the next read comes: until then only microtasks run.
    isIdle: () => this.isRead && this.yields.length === 0,
    push: (bytes) => {
      this.yields.push(bytes);
      this.signal.resolve();
    },
  });
  /** Listeners are being called. */
  private isReading = false;
  private readonly endActions: Array<() => void> = [];
  /** What is read is handed to `take`; until the handlers are set up, it is told as an event, as the client's own way does. */
  private take: ((bytes: Buffer) => void) | undefined;

  override async dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    const socket: Socket = connect({
      host: hostname,
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(slabBytes),
        callback: (count, slab) => {
          const bytes = (slab as Buffer).subarray(0, count);
          if (this.take === undefined) socket.emit("data", Buffer.from(bytes));
          else this.take(bytes);
          return true;
        },
      },
    });
    await once(socket, "connect");
    return socket;
  }

  override setupHandlers(): void {
    super.setupHandlers();
    this.take = (bytes) => {
      this.isReading = true;
      this.frames.take(bytes);
      this.isReading = false;
      for (const action of this.endActions.splice(0)) action();
    };
    // A socket with TLS brings its bytes as events.
    this.socket.removeAllListeners("data");
    this.socket.on("data", this.take);
  }

  override [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    this.isRead = true;
    return super[Symbol.asyncIterator]();
  }

  /** From now on their messages go to them, and not to the client. @param listeners by the number of their subscription. */
  listen(listeners: Listeners): void {
    this.listeners = listeners;
  }

  /** See Bus.atEndOfRead. */
  atEndOfRead(action: () => void): boolean {
    if (this.isReading) this.endActions.push(action);
    return this.isReading;
  }

  /** See Bus.together. A system call for each of a thousand publishes takes longer than all else that is done for them. */
  together(publish: () => void): void {
    const { socket } = this;
    socket?.cork();
    try {
      publish();
    } finally {
      socket?.uncork();
    }
  }

  /** Writes a PUB behind what has been sent, at once. @param payload must not change any more. */
  publish(subject: string, reply: string | undefined, payload: Uint8Array): void {
    // Just closed: what is lost now is sent again by its link.
    if (this.isClosed || this.socket === undefined) return;
    const head = reply === undefined ? `PUB ${subject} ${payload.length}\r\n` : `PUB ${subject} ${reply} ${payload.length}\r\n`;
    if (payload.length <= copiedBytes) {
      // Subjects are ASCII.
      const bytes = Buffer.allocUnsafe(head.length + payload.length + 2);
      bytes.write(head, "latin1");
      bytes.set(payload, head.length);
      bytes.set(crlf, bytes.length - 2);
      this.socket.write(bytes);
      return;
    }
    this.socket.cork();
    this.socket.write(Buffer.from(head, "latin1"));
    this.socket.write(payload);
    this.socket.write(crlf);
    this.socket.uncork();
  }
}
