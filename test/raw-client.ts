// A client that is no library: it upgrades, and then does with its TCP connection what no WebSocket library would; or sends
// an HTTP request that no HTTP library would.

import { once } from "node:events";
import { connect, type Socket } from "node:net";

export class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    // Whoever breaks connections off gets errors.
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
  }

  /** Resolves when the request has been written. */
  static async ask(url: string, path: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    return RawClient.write(url, [
      `GET ${path} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      ...["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
    ]);
  }

  /** @param head the request's lines. @returns the answer's status. */
  static async status(url: string, head: readonly string[]): Promise<number> {
    const client = await RawClient.write(url, head);
    while (!client.received.includes("\r\n\r\n")) await once(client.socket, "data");
    client.socket.destroy();
    return Number(client.received.toString().split(" ")[1]);
  }

  /** Sends what is no request of a library. @returns what was answered until the server has closed. */
  static async untilClosed(url: string, bytes: string | Uint8Array): Promise<string> {
    const client = await RawClient.send(url, bytes);
    await client.closed();
    return client.received.toString("latin1");
  }

  /** @returns what was answered until all of this was among it. */
  static async until(url: string, bytes: string | Uint8Array, ...expected: readonly string[]): Promise<string> {
    const client = await RawClient.send(url, bytes);
    while (!expected.every((text) => client.received.includes(text))) await once(client.socket, "data");
    client.socket.destroy();
    return client.received.toString("latin1");
  }

  /** Resolves when it has been written. */
  static async send(url: string, bytes: string | Uint8Array): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const client = new RawClient(connect(Number(port), hostname));
    await new Promise<void>((resolve) => client.socket.write(bytes, () => resolve()));
    return client;
  }

  private static async write(url: string, head: readonly string[]): Promise<RawClient> {
    return RawClient.send(url, [...head, "", ""].join("\r\n"));
  }

  /** Resolves when it has been let in. */
  static async open(url: string, path: string): Promise<RawClient> {
    const client = await RawClient.ask(url, path);
    while (!client.received.includes("\r\n\r\n")) await once(client.socket, "data");
    return client;
  }

  /** Resolves when the server has closed, or reset. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once("close", resolve));
  }

  /** A frame from a client: RFC 6455, 5.2. The mask is zero, which is one, too. */
  send(opcode: number, payload: Uint8Array): void {
    this.frames(opcode, payload, payload.length);
  }

  /** A message in frames of so many bytes. @param first of the first frame: opcode and reserved bits, without FIN. */
  frames(first: number, payload: Uint8Array, bytes: number): void {
    for (let at = 0; at === 0 || at < payload.length; at += bytes) {
      const part = payload.subarray(at, at + bytes);
      const { length } = part;
      const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 0xff] : [127, 0, 0, 0, 0, ...wide(length)];
      const [start = 0, ...rest] = size;
      const fin = at + bytes >= payload.length ? 0x80 : 0;
      this.socket.write(Buffer.concat([Buffer.from([fin | (at === 0 ? first : 0), 0x80 | start, ...rest, 0, 0, 0, 0]), part]));
      if (length === 0) return;
    }
  }

  text(value: unknown): void {
    this.send(0x1, Buffer.from(JSON.stringify(value)));
  }

  close(code: number): void {
    this.send(0x8, Buffer.from([code >> 8, code & 0xff]));
  }

  /** Takes nothing any more, and answers nothing. */
  stopReading(): void {
    this.socket.pause();
  }

  /** RST: the other side learns of it with the next packet. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** FIN, without a close frame. */
  end(): void {
    this.socket.end();
  }
}

function wide(value: number): number[] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}
