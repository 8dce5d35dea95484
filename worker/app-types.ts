// What handlers may ask for outside of a turn, and what they are told of connections. Types only; handler modules import them from handler.ts.

import type { OneTimeStore } from "../protocol/one-time-store.ts";
import type { HistoryEntry, PublishOptions, Sendable } from "./message-types.ts";

/**
 * What can be done outside of a connection's turn: `turn.app` in hooks that have a turn, `request.app` in onUpgrade, and the first
 * parameter of onStart. Outlives the turn, for timers say. At most once, if the worker dies meanwhile.
 * Its promises reject with {CodedError} "app.noGateway" where no gateway takes what was asked for.
 */
export interface App {
  readonly release: string;
  readonly workerId: string;
  /** MESSAGE_BYTES, as it is now: what one message of a client may have, or the body of a request. */
  readonly messageBytes: number;
  /** Kept in NATS' JetStream, for what worker/auth/tickets.ts is made of. */
  readonly oneTime: OneTimeStore;
  /** With `keep`, it resolves when it is stored. @throws {CodedError} "history.unavailable", "history.tooMany" */
  publish(topic: string, data: Sendable, options?: Pick<PublishOptions, "except" | "keep">): Promise<void>;
  /**
   * @param options.last 1 to 1,000. @returns so many of the latest messages that the topic keeps, oldest first, with all that was stored
   *   before: as many as have 512 KiB together. @throws {CodedError} "history.invalid", "history.unavailable"
   */
  history(topic: string, options: { readonly last: number }): Promise<HistoryEntry[]>;
  /** @returns false where the connection is gone. */
  send(connectionId: string, data: Sendable): Promise<boolean>;
  /**
   * To all connections of a user, on all gateways: two of one worker arrive in their order.
   * @returns how many there were, without those of a gateway that is silent: see docs/promise.md.
   */
  sendToUser(user: string, data: Sendable): Promise<number>;
  /** @returns false where the connection is gone. @param code 1000 (the default) or 3000 to 4999. */
  close(connectionId: string, code?: number, reason?: string): Promise<boolean>;
  /** @returns how many connections of the user were closed, on all gateways that are not silent. */
  closeUser(user: string, code?: number, reason?: string): Promise<number>;
  /**
   * @returns those whose sockets are open now, on all gateways that this worker has heard of and that are not silent: in its first second one
   *   may be missing. It rejects where one does not answer, although it is heard. Of a new connection onOpen may not have run yet.
   * @param filter.user Only those of this user.
   */
  connections(filter?: { readonly user: string }): Promise<OpenConnection[]>;
  /**
   * @returns the members of a topic on all gateways that this worker has heard of and that are not silent, each connection once, in the order
   *   in which they became members. A gateway that dies has none any more. It rejects where one does not answer, although it is heard.
   */
  members<Info = unknown>(topic: string, filter?: MembersFilter): Promise<Member<Info>[]>;
}

export interface MembersFilter {
  /** "user": a user's connections are one member. Those without a user stay what they are. */
  readonly by?: "user";
}

/** A connection that subscribes to a topic `as` something; with `by: "user"`, a user. */
export interface Member<Info = unknown> {
  /** The connection's; of a user with several, that of the one that became a member last. */
  readonly id: string;
  readonly gateway: string;
  readonly user: string | undefined;
  /** What it is subscribed as; of a user with several connections, what the last one is. */
  readonly info: Info;
  readonly since: Date;
  /** 1, or how many the user has. */
  readonly connections: number;
}

/** As a connection's own `id`, `gateway`, `path` and `user`. */
export interface OpenConnection {
  readonly id: string;
  readonly gateway: string;
  readonly path: string;
  readonly user: string | undefined;
}
