// A stranger with a bare TCP connection, which sends what no library would.

import { connect, type Socket } from "node:net";
import type { Attack, Stranger } from "./attack.ts";

const keptBytes = 16 * 1024;

export class RawStranger implements Stranger {
  ending: string | undefined;
  readonly ended: Promise<string>;
  /** Resolves with the status as soon as a head is there, or with "cut". */
  readonly answered: Promise<string>;
  readonly socket: Socket;
  private received = "";

  constructor(attack: Attack, index: number) {
    const { hostname, port } = new URL(attack.url);
    this.socket = connect({ host: hostname, port: Number(port), localAddress: attack.address(index) });
    this.socket.setNoDelay(true);
    // Whoever is cut off gets errors; the close tells.
    this.socket.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.ending = this.status ?? "cut";
        resolve(this.ending);
      });
    });
    this.answered = new Promise((resolve) => {
      this.socket.on("data", (chunk: Buffer) => {
        if (this.received.length < keptBytes) this.received += chunk.toString("latin1");
        if (this.status !== undefined) resolve(this.status);
      });
      void this.ended.then(resolve);
    });
  }

  get present(): "open" | "unanswered" {
    return this.status === undefined ? "unanswered" : "open";
  }

  /** "503 with Retry-After" is told from "503": whoever has it need not guess. */
  private get status(): string | undefined {
    const head = this.received.split("\r\n\r\n", 1)[0] ?? "";
    if (head.length === this.received.length) return undefined;
    const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1];
    return status === "503" && /\r\nretry-after:/i.test(head) ? "503 with Retry-After" : status;
  }

  /** @returns false where the system wants no more for now: see `drained`. */
  write(bytes: string | Uint8Array): boolean {
    return this.socket.writable && this.socket.write(bytes);
  }

  /** Resolves when all is written, or it has ended. */
  async drained(): Promise<void> {
    if (this.socket.writableNeedDrain) await Promise.race([new Promise((resolve) => this.socket.once("drain", resolve)), this.ended]);
    else await new Promise((resolve) => setImmediate(resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The lines of a WebSocket's request, complete. */
export function upgradeHead(path: string, ...headers: readonly string[]): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "\r\n",
  ].join("\r\n");
}
