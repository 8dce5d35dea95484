// A stranger with a WebSocket.

import { WebSocket } from "ws";
import type { Attack, Stranger } from "./attack.ts";

/** What one may have in our own memory before it pauses. */
const unsentBytes = 64 * 1024;

export class WebStranger implements Stranger {
  ending: string | undefined;
  readonly ended: Promise<string>;
  /** Whether it was let in. */
  readonly opened: Promise<boolean>;
  readonly socket: WebSocket;

  constructor(attack: Attack, index: number, path: string) {
    this.socket = new WebSocket(`${attack.url}${path}`, { perMessageDeflate: false, localAddress: attack.address(index) });
    this.socket.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (ending: string) => {
        this.ending ??= ending;
        resolve(this.ending);
      };
      this.socket.once("unexpected-response", (request, { statusCode = 0 }) => {
        end(String(statusCode));
        request.destroy();
      });
      // 1006: RFC 6455, 7.1.5: there was no close frame.
      this.socket.once("close", (code) => end(code === 1006 ? "cut" : String(code)));
    });
    this.opened = new Promise((resolve) => {
      this.socket.once("open", () => resolve(true));
      void this.ended.then(() => resolve(false));
    });
  }

  get present(): "open" | "unanswered" {
    return this.socket.readyState === WebSocket.OPEN ? "open" : "unanswered";
  }

  /** Sends again and again, as fast as the server takes it, until it ends. */
  async floods(send: (socket: WebSocket) => void, isOver: () => boolean): Promise<void> {
    while (this.ending === undefined && !isOver()) {
      for (let burst = 0; burst < 64 && this.socket.bufferedAmount < unsentBytes; burst++) send(this.socket);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  destroy(): void {
    this.socket.terminate();
  }
}
