// Hears of every onOpen and onClose: each connection that opened must close exactly once.

import { WebSocket } from "ws";
import { patienceMs } from "../live/patience.ts";
import { Signal } from "../live/signal.ts";

export class Journal {
  /** Of the connection that listens: begins with its gateway's. */
  id = "";
  isDisconnected = false;
  private readonly opened = new Map<string, number>();
  private readonly closed = new Map<string, number>();
  private readonly signal = new Signal();
  private readonly socket: WebSocket;

  private constructor(url: string) {
    this.socket = new WebSocket(`${url}/journal`, { perMessageDeflate: false });
    this.socket.on("message", (data: Buffer) => {
      const [kind, id = ""] = data.toString().split(" ");
      if (kind === "listening") this.id = id;
      else {
        const counts = kind === "open" ? this.opened : this.closed;
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      this.signal.tell();
    });
    this.socket.on("close", () => {
      this.isDisconnected = true;
    });
    this.socket.on("error", () => undefined);
  }

  static async listen(url: string): Promise<Journal> {
    const journal = new Journal(url);
    await journal.signal.until(() => journal.id !== "", "the journal listens", patienceMs);
    return journal;
  }

  hasClosed(id: string): boolean {
    return this.closed.has(id);
  }

  /** Resolves once each of these has closed. */
  async closes(ids: readonly string[]): Promise<void> {
    const left = () => ids.filter((id) => !this.closed.has(id));
    await this.signal.until(
      () => ids.every((id) => this.closed.has(id)),
      () => `onClose of ${left().slice(0, 3).join(", ")}; ${left().length} are missing`,
      patienceMs,
    );
  }

  /** Resolves once everything that opened has closed; gives up quietly, since `verdict` tells. */
  async settle(ids: readonly string[]): Promise<void> {
    const isDone = () => [...ids, ...this.opened.keys()].every((id) => this.closed.has(id));
    await this.signal.until(isDone, "every onClose", patienceMs).catch(() => undefined);
  }

  /** Ids that have opened or closed other than once. */
  verdict(ids: readonly string[]): { readonly missing: string[]; readonly doubled: string[] } {
    const all = [...new Set([...ids, ...this.opened.keys(), ...this.closed.keys()])];
    return {
      missing: all.filter((id) => !this.opened.has(id) || !this.closed.has(id)),
      doubled: all.filter((id) => (this.opened.get(id) ?? 0) > 1 || (this.closed.get(id) ?? 0) > 1),
    };
  }

  end(): void {
    this.socket.close();
  }
}
