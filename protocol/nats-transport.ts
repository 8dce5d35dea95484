// How the NATS client reads and writes its socket, without copies of what is large. The client's own way copies a batch once
// to send it and two or three times into growing, zeroed buffers to receive it, since a read has 64 KiB at most; memory that
// is allocated so fast keeps V8's collector running (a third of a gateway's time with messages of 16 KiB). Here a message
// that does not fit into one read is put together once, in a buffer of its size, and payloads are written from where they are.
// All reads share one buffer, and what came is copied out of it in one piece.
//
// It builds on the client's own transport and hands everything to the client's own parser. Both are of one version: package.json.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { NodeTransport } from "nats/lib/node_transport.js";

const lineFeed = 0x0a;
const crlf = Buffer.from("\r\n");
/**
 * What one read brings at most. One buffer for all reads: Node.js' own way allocates 64 KiB for each, however little comes, which
 * costs a sixth of a small read, and has the collector count bytes that nobody uses.
 */
const slabBytes = 128 * 1024;
/** What is smaller is copied behind its head: that costs less than a third part to write. */
const copiedBytes = 2048;

export class NatsTransport extends NodeTransport {
  private readonly frames = new Frames((bytes) => this.yields.push(bytes));

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
      this.frames.take(bytes);
      this.signal.resolve();
    };
    // A socket with TLS brings its bytes as events.
    this.socket.removeAllListeners("data");
    this.socket.on("data", this.take);
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

/**
 * Cuts what is read into pieces of whole protocol operations.
 * Source: NATS client protocol: an operation is a line; MSG and HMSG have a payload of the line's last number of bytes and CRLF.
 */
export class Frames {
  private readonly push: (bytes: Uint8Array) => void;
  /** What is being put together: `filled` bytes of it are there. Of a line that has not ended, no more is known. */
  private partial: Buffer | undefined;
  private filled = 0;
  private isLine = false;

  constructor(push: (bytes: Uint8Array) => void) {
    this.push = push;
  }

  /** @param bytes are copied: they may be overwritten afterwards. */
  take(bytes: Buffer): void {
    let rest = bytes;
    if (this.isLine) {
      rest = Buffer.concat([this.partial as Buffer, bytes]);
      this.partial = undefined;
      this.isLine = false;
    } else if (this.partial !== undefined) {
      const taken = bytes.copy(this.partial, this.filled);
      this.filled += taken;
      if (this.filled < this.partial.length) return;
      this.push(this.partial);
      this.partial = undefined;
      if (taken === bytes.length) return;
      rest = bytes.subarray(taken);
    }
    const whole = this.wholeBytes(rest);
    if (whole > 0) this.push(copyOf(rest.subarray(0, whole)));
  }

  // How many of them are whole operations; the rest is kept.
  private wholeBytes(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      const lineEnd = bytes.indexOf(lineFeed, at);
      if (lineEnd < 0) {
        this.partial = copyOf(bytes.subarray(at));
        this.isLine = true;
        return at;
      }
      const end = lineEnd + 1 + payloadBytes(bytes, at, lineEnd);
      if (end > bytes.length) {
        this.partial = Buffer.allocUnsafeSlow(end - at);
        this.filled = bytes.copy(this.partial, 0, at);
        return at;
      }
      at = end;
    }
    return at;
  }
}

const space = 0x20;
const carriageReturn = 0x0d;

/** Bytes that follow a line, CRLF included: none but after MSG and HMSG, the only operations that begin with M or H. */
function payloadBytes(bytes: Buffer, at: number, lineEnd: number): number {
  const first = (bytes[at] as number) & 0xdf;
  if (first !== 0x4d && first !== 0x48) return 0;
  let end = lineEnd;
  if (bytes[end - 1] === carriageReturn) end--;
  let size = 0;
  for (let digit = end - 1, weight = 1; digit > at && bytes[digit] !== space; digit--, weight *= 10) {
    size += ((bytes[digit] as number) - 0x30) * weight;
  }
  return size + 2;
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}
