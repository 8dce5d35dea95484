// What the dispatcher is handed, and what it counts.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Connection } from "./connection.ts";
import type { Window } from "./event-queues.ts";
import type { ParkingLimits } from "./parking.ts";
import type { PlacementLimits } from "./placement.ts";

export interface DispatchLimits extends ParkingLimits, Window {
  readonly parkMs: number;
  /** Away from NATS for longer, a gateway closes everything: workers may soon take it for dead. */
  readonly fenceMs: number;
  /** Away from NATS for less, no worker has taken it for dead. */
  readonly forgottenMs: number;
}

export interface DispatcherOptions {
  /** All that have opened and not ended. */
  readonly connections: () => Iterable<Connection>;
  readonly limits: DispatchLimits;
  readonly now: () => number;
  /** As PlacementOptions has it. */
  readonly later: (run: () => void) => void;
  readonly placement?: PlacementLimits;
  /** Closes the socket; its close event comes back through `closed`. */
  readonly onBreak: (connection: Connection, code: ErrorCode) => void;
  /** Its first event, or adopting it, has killed three workers, the last of them alone: it is given to no other. */
  readonly onPoison: (connection: Connection, poison: "event" | "adoption") => void;
  /** Moving it threw. To be answered with `broken`. */
  readonly onBug: (connection: Connection, error: unknown) => void;
  /** The connection's last event has committed: nothing refers to it any more. */
  readonly onEnd: (connection: Connection) => void;
  /** The set of workers that may be given work has changed. */
  readonly onCandidates: () => void;
}

export interface DispatchCounters {
  messagesIn: number;
  bytesIn: number;
  handedOver: number;
  redelivered: number;
  /** Messages that were discarded because a bound was passed. */
  discarded: number;
  /** Timers that had come due and had no turn: their handler has no onTimer, or their connection was closed for an error. */
  readonly timersDropped: { unhandled: number; discarded: number };
  /** The same of what was published for hooks. */
  readonly publishedDropped: { unhandled: number; discarded: number };
  /** Connections whose onClose could not run: a forced deploy left no handler for them, or bugs met them twice. */
  abandoned: number;
  /** Events that were set aside because they kill workers. */
  poison: number;
  /** Connections whose onClose workers have run that had taken this gateway for dead. */
  fenced: number;
}

export function noDispatches(): DispatchCounters {
  return {
    messagesIn: 0,
    bytesIn: 0,
    handedOver: 0,
    redelivered: 0,
    discarded: 0,
    timersDropped: { unhandled: 0, discarded: 0 },
    publishedDropped: { unhandled: 0, discarded: 0 },
    abandoned: 0,
    poison: 0,
    fenced: 0,
  };
}
