// Where connections are found by number: a number says where to look, an epoch whether it is still the same connection.

import { slotOf } from "../protocol/connection-id.ts";
import type { Connection } from "./connection.ts";

export class SlotTable {
  readonly connections: Array<Connection | undefined> = [];
  /** Connections that ever had a slot. */
  opened = 0;
  private readonly freed: Array<{ slot: number; epoch: number }> = [];

  /** A slot that is free, and the last epoch that was used in it. */
  take(): { slot: number; epoch: number } {
    return this.freed.pop() ?? { slot: this.connections.length, epoch: 0 };
  }

  put(connection: Connection): void {
    this.opened++;
    this.connections[connection.slot] = connection;
  }

  /** All of them, in no particular order. Others may come and go meanwhile. */
  *all(): Generator<Connection, void> {
    for (const connection of this.connections) if (connection !== undefined) yield connection;
  }

  /** @param id as `connectionId` made it. */
  find(id: string): Connection | undefined {
    const connection = this.connections[slotOf(id)];
    return connection?.id === id ? connection : undefined;
  }

  free(connection: Connection): void {
    this.connections[connection.slot] = undefined;
    this.freed.push({ slot: connection.slot, epoch: connection.epoch });
  }
}
