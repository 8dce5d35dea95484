// Closes all connections of a user, for app.closeUser. Which ones these are is found by looking at all, in slices: an index by user
// would take memory for each connection, and a Map of a million stops the event loop whenever it grows. Pure.

import { runSlices, type Slices } from "../process/time-slice.ts";
import { countOf } from "../protocol/connection-id.ts";
import type { SlotTable } from "./slot-table.ts";

export interface UserCloserOptions extends Slices {
  readonly slots: SlotTable;
}

interface CloseRequest {
  readonly code: number;
  readonly reason: string;
  /** Is told how many were closed, when all have been looked at. */
  readonly onDone: (closed: number) => void;
}

interface Pending extends CloseRequest {
  /** Connections that were opened until then: later ones are not meant. */
  readonly opened: number;
  closed: number;
}

/** So many slots are looked at in one step of a slice. */
const stepSlots = 100;

export class UserCloser {
  private readonly options: UserCloserOptions;
  /** By user, for the next pass: it looks at all connections once, however many users there are. */
  private waiting = new Map<string, Pending[]>();
  private isRunning = false;

  constructor(options: UserCloserOptions) {
    this.options = options;
  }

  /** Closes those that are open now. The first slice runs before this returns. */
  close(user: string, request: CloseRequest): void {
    const pending = { ...request, opened: this.options.slots.opened, closed: 0 };
    const ofUser = this.waiting.get(user);
    if (ofUser === undefined) this.waiting.set(user, [pending]);
    else ofUser.push(pending);
    if (!this.isRunning) runSlices(this.runPasses(), this.options);
  }

  private *runPasses(): Generator<void> {
    this.isRunning = true;
    try {
      while (this.waiting.size > 0) {
        const byUser = this.waiting;
        this.waiting = new Map();
        yield* this.pass(byUser);
        for (const ofUser of byUser.values()) for (const { onDone, closed } of ofUser) onDone(closed);
      }
    } finally {
      this.isRunning = false;
    }
  }

  private *pass(byUser: ReadonlyMap<string, readonly Pending[]>): Generator<void> {
    const { connections } = this.options.slots;
    for (let slot = 0; slot < connections.length; slot++) {
      if (slot % stepSlots === stepSlots - 1) yield;
      const connection = connections[slot];
      const user = connection?.user;
      if (connection?.socket === undefined || user === undefined) continue;
      const pending = byUser.get(user)?.find(({ opened }) => countOf(connection.id) < opened);
      if (pending === undefined) continue;
      pending.closed++;
      connection.socket.end(pending.code, pending.reason);
    }
  }
}
