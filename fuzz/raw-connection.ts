// A TCP connection that sends whatever it is given, in pieces.

import { connect, type Socket } from "node:net";

export class RawConnection {
  received = Buffer.alloc(0);
  private readonly socket: Socket;
  private readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  static open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new RawConnection(socket)));
      socket.once("error", reject);
    });
  }

  /** Resolves when the system has all of it, or the other side has closed. @param cuts where to part it, each of 1. */
  async write(bytes: Uint8Array, cuts: readonly number[]): Promise<void> {
    const places = [...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
    let from = 0;
    for (const to of places) {
      const piece = bytes.subarray(from, to);
      from = to;
      if (piece.length > 0) await this.writePiece(piece);
    }
  }

  /** Resolves when so much was received, or the other side has closed. */
  async until(isThere: (received: Buffer) => boolean): Promise<void> {
    while (!isThere(this.received) && !this.socket.closed) {
      await Promise.race([new Promise((resolve) => this.socket.once("data", resolve)), this.closed]);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async writePiece(piece: Uint8Array): Promise<void> {
    if (!this.socket.writable) return;
    const written = new Promise<void>((resolve) => this.socket.write(piece, () => resolve()));
    await Promise.race([written, this.closed]);
  }
}
