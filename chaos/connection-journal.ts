// Hears of every onOpen and onClose: each connection that opened must close exactly once, but where its gateway and its worker ended
// together: of that gateway onGatewayLost must tell.

import { WebSocket } from "ws";
import { gatewayOf } from "../protocol/connection-id.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

export class Journal {
  /** Of the connection that listens: begins with its gateway's. */
  id = "";
  isDisconnected = false;
  private readonly opened = new Map<string, number>();
  private readonly closed = new Map<string, number>();
  /** Gateways that onGatewayLost was told of. */
  private readonly lost = new Set<string>();
  /** Those of whose connections nobody can run onClose. */
  private readonly excused = new Set<string>();
  private readonly signal = new Signal();
  private readonly socket: WebSocket;

  private constructor(url: string) {
    this.socket = new WebSocket(`${url}/journal`, { perMessageDeflate: false });
    this.socket.on("message", (data: Buffer) => {
      const [kind, id = ""] = data.toString().split(" ");
      if (kind === "listening") this.id = id;
      else if (kind === "lost") this.lost.add(id);
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

  /** Its connections are gone without a word. Resolves once onGatewayLost has told so. */
  async loses(gateway: string): Promise<void> {
    this.excused.add(gateway);
    await this.signal.until(() => this.lost.has(gateway), "onGatewayLost", patienceMs);
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
    const isDone = () => [...ids, ...this.opened.keys()].every((id) => this.isSettled(id));
    await this.signal.until(isDone, "every onClose", patienceMs).catch(() => undefined);
  }

  /** Ids that have opened or closed other than once. */
  verdict(ids: readonly string[]): { readonly missing: string[]; readonly doubled: string[] } {
    const all = [...new Set([...ids, ...this.opened.keys(), ...this.closed.keys()])];
    return {
      missing: all.filter((id) => !this.opened.has(id) || !this.isSettled(id)),
      doubled: all.filter((id) => (this.opened.get(id) ?? 0) > 1 || (this.closed.get(id) ?? 0) > 1),
    };
  }

  private isSettled(id: string): boolean {
    return this.closed.has(id) || this.excused.has(gatewayOf(id));
  }

  end(): void {
    this.socket.close();
  }
}
