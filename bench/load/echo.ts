// Work in closed loop: each connection keeps so many messages in flight.

import type { Client } from "./client.ts";
import type { Workload } from "./workload.ts";

export class Echo implements Workload {
  private readonly clients: readonly Client[];
  private readonly window: number;
  private isSending = true;

  constructor(clients: readonly Client[], window: number) {
    this.clients = clients;
    this.window = window;
  }

  begin(): void {
    for (const client of this.clients) {
      let due = 0;
      client.ears = {
        onMessage: () => {
          due++;
        },
        // What came together is answered together, in one write. More than the window comes only where something is doubled.
        onRead: () => {
          const count = Math.min(due, this.window);
          due = 0;
          if (count > 0 && this.isSending) client.send(count, 0);
        },
      };
      client.send(this.window, 0);
    }
  }

  stop(): void {
    this.isSending = false;
  }

  lost(): number {
    return lostEchoes(this.clients);
  }
}

/** What was sent and has not come back. */
export function lostEchoes(clients: readonly Client[]): number {
  return clients.reduce((sum, { heard, sent }) => sum + heard.lost(sent - 1), 0);
}
