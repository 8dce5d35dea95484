// Each message of a SockJS frame counts for the limits of its handler. They are counted by a flush before the hook runs, so that they have
// counted where it throws; the hook's own `turn.flushed` does not tell of that flush.

import type { Connection, Turn } from "../../handler.ts";
import { turnOf } from "./connection.ts";

export class FrameCounts {
  /** Ids of the turns that began with such a flush, until they are over, onError included. */
  private readonly turns = new Set<string>();

  /** Counts what a frame holds beyond one message, then takes it. */
  async first(conn: Connection, more: number, turn: Turn, take: (own: Turn) => unknown): Promise<void> {
    this.turns.add(turn.id);
    try {
      // Else a worker that died has done so in this turn.
      if (turn.flushed === 0) {
        conn.countMessages(more);
        await conn.flush();
      }
      await take(this.turnOf(turn));
    } finally {
      // If it throws, onError is called first.
      setImmediate(() => this.turns.delete(turn.id));
    }
  }

  /** The handler's own turn. */
  turnOf(turn: Turn): Turn {
    return turnOf(turn, this.turns.has(turn.id) ? 1 : 0);
  }
}
