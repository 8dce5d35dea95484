// One WebSocket of the load: a plain TCP connection, an upgrade request written by hand, and then frames.

import { connect, type Socket } from "node:net";
import { FrameReader, type PayloadHead } from "./frame-reader.ts";

export interface ConnectionListener {
  /** The server has agreed to speak WebSocket. */
  onOpen(): void;
  /** @param number -1: a greeting. */
  onMessage(number: number, stamp: number, payloadBytes: number): void;
  /** Everything that came together has been read. */
  onRead(): void;
  onMalformed(): void;
  /** The end; before `onOpen`, it was refused. */
  onEnd(why: string): void;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly localAddress?: string | undefined;
  readonly subprotocol?: string | undefined;
}

export interface ConnectionOptions {
  readonly listener: ConnectionListener;
  /** What is read into, by all connections: it is done with when the call returns. */
  readonly buffer: Uint8Array;
  /** Missing: that of OutgoingFrames. */
  readonly head?: PayloadHead;
}

const endOfHead = "\r\n\r\n";
/** The key of RFC 6455, 1.3, and what a server makes of it. */
const key = "dGhlIHNhbXBsZSBub25jZQ==";
const accepted = "s3pplmbitxaq9kygzzhzrbk+xoo=";

export class Connection {
  private readonly listener: ConnectionListener;
  private readonly reader: FrameReader;
  private readonly socket: Socket;
  /** Of the response, until it is whole. */
  private head: string | undefined = "";
  private hasEnded = false;

  constructor(endpoint: Endpoint, { listener, buffer: shared, head }: ConnectionOptions) {
    const { host, port, localAddress } = endpoint;
    this.listener = listener;
    const frameListener = {
      onMessage: (number: number, stamp: number, payloadBytes: number) => listener.onMessage(number, stamp, payloadBytes),
      onMalformed: () => listener.onMalformed(),
      onClose: () => this.end("closed by the server"),
    };
    this.reader = new FrameReader(frameListener, head);
    this.socket = connect({
      host,
      port,
      ...(localAddress !== undefined && { localAddress }),
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (bytes, buffer) => {
          this.read(buffer, bytes);
          return true;
        },
      },
    });
    this.socket.once("connect", () => this.socket.write(requestFor(endpoint)));
    this.socket.on("error", (error) => this.end(error.message));
    this.socket.once("close", () => this.end("the connection broke"));
  }

  /** @returns whether nothing of the bytes is needed any longer. */
  write(frames: Uint8Array): boolean {
    if (!this.hasEnded) this.socket.write(frames);
    return this.socket.writableLength === 0;
  }

  /** Without a word, and without a word to the listener. */
  leave(): void {
    this.hasEnded = true;
    this.socket.destroy();
  }

  private read(bytes: Uint8Array, end: number): void {
    if (this.hasEnded) return;
    let start = 0;
    if (this.head !== undefined) {
      start = this.readHead(this.head, bytes, end);
      if (this.head !== undefined) return;
    }
    this.reader.read(bytes, start, end);
    this.listener.onRead();
  }

  /** @returns where the frames begin. */
  private readHead(before: string, bytes: Uint8Array, end: number): number {
    const head = before + Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("latin1");
    const endAt = head.indexOf(endOfHead);
    if (endAt === -1) {
      this.head = head;
      return end;
    }
    this.head = undefined;
    const [status = ""] = head.split("\r\n", 1);
    const isAccepted = status.startsWith("HTTP/1.1 101") && head.slice(0, endAt).toLowerCase().includes(accepted);
    if (isAccepted) this.listener.onOpen();
    else this.end(status);
    return endAt + endOfHead.length - before.length;
  }

  private end(why: string): void {
    if (this.hasEnded) return;
    this.leave();
    this.listener.onEnd(why);
  }
}

function requestFor({ host, port, path, subprotocol }: Endpoint): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    ...["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${key}`],
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
  ];
  return lines.join("\r\n") + endOfHead;
}
