// Connections whose handler gets what is published to a topic, instead of their client: `conn.subscribe(topic, { hook: true })`. Each message
// becomes an event of the connection, as those of its client are, and is kept until its turn has committed. uWebSockets.js does not know
// these subscribers; topics that have none cost nothing here. Pure.

import type { ErrorCode } from "../protocol/errors.ts";
import { encodePublished } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import { matchRoute } from "../protocol/route-table.ts";
import type { Connection } from "./connection.ts";
import { ConnectionEvent } from "./event.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface HookSubscribersOptions {
  readonly later: (run: () => void) => void;
  /** Puts the event behind all others of the connection. */
  readonly park: (connection: Connection, event: ConnectionEvent) => void;
  /** The bound that this event has passed, if it has. */
  readonly passed: (connection: Connection) => ErrorCode | undefined;
  readonly close: (connection: Connection, code: ErrorCode) => void;
  readonly onBug: (connection: Connection, error: unknown) => void;
}

export class HookSubscribers {
  readonly counters = { events: 0 };
  private readonly options: HookSubscribersOptions;
  private readonly byTopic = new Map<string, Set<Connection>>();
  /** Publishes that had subscribers here: each has a number, of which their turns' ids are made. */
  private published = 0;

  constructor(options: HookSubscribersOptions) {
    this.options = options;
  }

  has(connection: Connection, topic: string): boolean {
    return this.byTopic.get(topic)?.has(connection) === true;
  }

  /** @param connection subscribes to the topic. */
  add(connection: Connection, topic: string): void {
    const { topics } = connection;
    if (topics === undefined) return;
    topics.hooked ??= new Set();
    topics.hooked.add(topic);
    const known = this.byTopic.get(topic);
    if (known === undefined) this.byTopic.set(topic, new Set([connection]));
    else known.add(connection);
  }

  /** @returns whether its handler got the topic's messages. */
  remove(connection: Connection, topic: string): boolean {
    if (connection.topics?.hooked?.delete(topic) !== true) return false;
    this.drop(connection, topic);
    return true;
  }

  /** Nothing more is given to it. Its pin still says what it had: handlers look at that in onClose. */
  forget(connection: Connection): void {
    for (const topic of connection.topics?.hooked ?? []) this.drop(connection, topic);
  }

  /** To all that have the topic, but for these ids. @param data is copied. */
  publish(topic: string, data: Uint8Array, isBinary: boolean, except: readonly string[] = []): void {
    const connections = this.byTopic.get(topic);
    if (connections === undefined) return;
    // All of them share it.
    const payload = encodePublished(++this.published, topic, data);
    for (const connection of connections) {
      if (connection.intake === "open" && !except.includes(connection.id)) this.give(connection, payload, isBinary);
    }
  }

  private give(connection: Connection, payload: Uint8Array, isBinary: boolean): void {
    const { park, passed, later, close, onBug } = this.options;
    try {
      this.counters.events++;
      park(connection, new ConnectionEvent(toWorker.published, payload, isBinary));
      const code = connection.parked === 0 ? undefined : passed(connection);
      if (code === undefined) return;
      this.forget(connection);
      // Its own turn may have published, and its socket be corked.
      later(() => close(connection, code));
    } catch (error) {
      onBug(connection, error);
    }
  }

  private drop(connection: Connection, topic: string): void {
    const connections = this.byTopic.get(topic);
    if (connections?.delete(connection) && connections.size === 0) this.byTopic.delete(topic);
  }
}

/** Whether this worker has turns for what is published. */
export function hearsPublished({ path }: Connection, { table }: WorkerPeer): boolean {
  return matchRoute(table, path)?.route.publishes === true;
}
