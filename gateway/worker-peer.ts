// A worker as the gateway sees it.

import type { Link } from "../protocol/link.ts";
import type { RouteHello } from "../protocol/membership.ts";
import type { RouteTable } from "../protocol/route-table.ts";
import type { Connection } from "./connection.ts";
import { ConnectionList } from "./connection-list.ts";

/**
 * How a worker was lost. left: it said goodbye, or was asked to end; nothing has killed it. unreachable: nobody hears it. exited: its
 * supervisor has seen it end. forgotUs: it lives, and has taken this gateway for dead: it runs the onClose of what it had open.
 */
export type Loss = "left" | "unreachable" | "exited" | "forgotUs";

export class WorkerPeer {
  readonly id: string;
  readonly release: string;
  readonly table: RouteTable<RouteHello>;
  readonly link: Link;
  /** When it was last heard of. */
  heardAt: number;
  /** How often it has lost NATS and come back, as it says. */
  reconnects = 0;
  /** Whether it answers when it is asked for its metrics. */
  hasMetrics = false;
  /** When it was first known to drain. */
  drainsSince = Number.POSITIVE_INFINITY;
  /** Its onStart has not returned since its release became active: it does not take work yet. */
  isStarting = false;
  /** Of those that it was asked to give back, the ones that had nothing under way. */
  returning = 0;
  /**
   * How it was lost, once it was; unreachable until it is known whether it has exited or left. Its idle connections go to other workers
   * little by little: see Placement.
   */
  loss: Loss | undefined;
  /** Connections that are pinned to it. */
  readonly pinned = new ConnectionList();
  /** Connections that it was asked to give back, and has not. */
  readonly leaving = new ConnectionList();
  /** Events that it was given and has not committed. */
  inFlight = 0;
  /** The batch of its link that the last connection which had opened elsewhere was given to it in; 0: there was none. */
  adoptionBatch = 0;
  /** Those that have more for it, once its link has credit again. */
  readonly waiting = new Set<Connection>();

  constructor(options: {
    id: string;
    release: string;
    table: RouteTable<RouteHello>;
    link: Link;
    now: number;
  }) {
    this.id = options.id;
    this.release = options.release;
    this.table = options.table;
    this.link = options.link;
    this.heardAt = options.now;
  }

  get isDraining(): boolean {
    return this.drainsSince < Number.POSITIVE_INFINITY;
  }

  get pins(): number {
    return this.pinned.size;
  }

  /** It has received them all; what it closes for its state it closes at once. */
  get hasAdopted(): boolean {
    return this.link.ackedBatch >= this.adoptionBatch;
  }
}
