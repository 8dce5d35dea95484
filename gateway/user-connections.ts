// Finds the connections of a user, for app.sendToUser, app.closeUser and app.connections({ user }). An index by user takes memory for each
// connection that has one, so it is made when somebody asks for the first time, by looking at all connections once, in slices. Pure.
//
// What is asked for is done in its order, in slices: two messages to one user arrive in the order in which they were sent.

import { runSlices, type Slices } from "../process/time-slice.ts";
import { countOf } from "../protocol/connection-id.ts";
import type { Connection } from "./connection.ts";
import type { SlotTable } from "./slot-table.ts";

export interface UserConnectionsOptions extends Slices {
  readonly slots: SlotTable;
}

interface Job {
  readonly user: string;
  /** Connections that were opened until then: later ones are not meant. */
  readonly opened: number;
  readonly act: (connection: Connection) => void;
  readonly onDone: (met: number) => void;
}

/** So many slots are looked at in one step of a slice. */
const stepSlots = 100;
/** A Map of a million stops the event loop whenever it grows: these have a share of the users each. */
const shards = 256;

export class UserConnections {
  private readonly options: UserConnectionsOptions;
  /** A user's only connection, or all. Undefined until somebody asks. */
  private index: ReadonlyArray<Map<string, Connection | Set<Connection>>> | undefined;
  private readonly jobs: Job[] = [];
  private isRunning = false;

  constructor(options: UserConnectionsOptions) {
    this.options = options;
  }

  /**
   * Does something to each connection of a user that is open now. The first slice runs before this returns.
   * @param onDone Is told how many there were, when it was done to all of them.
   */
  each(user: string, act: Job["act"], onDone: Job["onDone"]): void {
    this.jobs.push({ user, opened: this.options.slots.opened, act, onDone });
    if (!this.isRunning) runSlices(this.work(), this.options);
  }

  /** It has opened, or its client turns out to be another user: after `forget`. */
  add(connection: Connection): void {
    const { user } = connection;
    const shard = user === undefined ? undefined : this.index?.[shardOf(user)];
    if (shard === undefined || user === undefined) return;
    const known = shard.get(user);
    if (known === undefined || known === connection) shard.set(user, connection);
    else if (known instanceof Set) known.add(connection);
    else shard.set(user, new Set([known, connection]));
  }

  /** It has closed. */
  forget(connection: Connection): void {
    const { user } = connection;
    const shard = user === undefined ? undefined : this.index?.[shardOf(user)];
    if (shard === undefined || user === undefined) return;
    const known = shard.get(user);
    if (known instanceof Set) {
      known.delete(connection);
      if (known.size === 0) shard.delete(user);
    } else if (known === connection) shard.delete(user);
  }

  private *work(): Generator<void> {
    this.isRunning = true;
    try {
      if (this.index === undefined) yield* this.begin();
      for (let job = this.jobs.shift(); job !== undefined; job = this.jobs.shift()) yield* this.run(job);
    } finally {
      this.isRunning = false;
    }
  }

  private *begin(): Generator<void> {
    this.index = Array.from({ length: shards }, () => new Map());
    const { connections } = this.options.slots;
    for (let slot = 0; slot < connections.length; slot++) {
      if (slot % stepSlots === stepSlots - 1) yield;
      const connection = connections[slot];
      if (connection?.socket !== undefined) this.add(connection);
    }
  }

  private *run({ user, opened, act, onDone }: Job): Generator<void> {
    let met = 0;
    for (const connection of this.of(user)) {
      if (connection.socket === undefined || countOf(connection.id) >= opened) continue;
      met++;
      act(connection);
      yield;
    }
    onDone(met);
  }

  private of(user: string): Iterable<Connection> {
    const known = this.index?.[shardOf(user)]?.get(user);
    if (known === undefined) return [];
    return known instanceof Set ? known : [known];
  }
}

/** FNV-1a over the UTF-16 units. Source: RFC 9923 (draft-eastlake-fnv), with 32 bits. */
function shardOf(user: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < user.length; at++) hash = Math.imul(hash ^ user.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % shards;
}
