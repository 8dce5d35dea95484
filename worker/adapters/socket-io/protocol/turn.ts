// Where `socket` and `io` say what is to happen: to the turn that the code runs in, or where there is none (a timer, a task) to `app`, at once.

import { AsyncLocalStorage } from "node:async_hooks";
import type { App, Connection, DeepReadonly, PublishOptions, Sendable, Turn } from "../../../handler.ts";
import { draftOf, isAsStored } from "../../stored.ts";

/** `conn.state`: all that has to outlive a worker. */
export interface SessionState {
  readonly sid?: string;
  /** By namespace. */
  readonly sockets: Record<string, SocketState>;
  /** A binary packet whose attachments have not all come. */
  incoming?: { readonly text: string; readonly parts?: Uint8Array[] } | undefined;
}

export interface SocketState {
  readonly id: string;
  readonly auth: Readonly<Record<string, unknown>>;
  /** When it connected, in ms since 1970. */
  readonly issued: number;
  data: Record<string, unknown>;
  lastAck: number;
  /** Where sockets can be recovered: see recovery/recovery.ts. */
  recovery?: SocketRecovery | undefined;
  /** Its listeners for "connection" have not run. */
  isConnecting?: boolean;
  /** Callbacks that the client has not called yet, by the number that it was told. `at`: when to give up, in ms since 1970. */
  readonly acks: Record<string, { readonly callback: string; readonly at?: number }>;
}

export interface SocketRecovery {
  readonly pid: string;
  /** When it was new, in ms since 1970. */
  readonly since: number;
  readonly isRecovered: boolean;
  /** Offsets of the last orders that were dealt with when it was recovered, until a newer one has come: they may come once more. */
  heard?: readonly string[];
  /** Offset of the last order that a turn of it has dealt with; empty: of none yet. */
  passed?: string;
  /** Offsets of the last orders of which a turn of it has put a copy, or a receipt, on its way to its own room. */
  relayed?: readonly string[] | undefined;
}

/** A function that clients call later: a worker finds it by its name. */
export class NamedCallback {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export type Conn = Connection<unknown, DeepReadonly<SessionState>>;

export class RunningTurn {
  readonly conn: Conn;
  /** Whether it only registers listeners, again: what it asks for has happened before. */
  readonly isRerun: boolean;
  private readonly of: Pick<Turn, "app" | "id">;
  private readonly within: RunningTurn | undefined;
  private hasEnded = false;
  /** The turn does not end before these have settled. Made when there are some: most turns have none. */
  waited: unknown[] | undefined;
  private draft: SessionState | undefined;
  /** Where sockets can be recovered: what it has published to rooms of one socket each, by topic. */
  toOwn: Map<string, Sendable[]> | undefined;

  /** @param within The turn that a rerun is part of. */
  constructor(conn: Conn, of: Pick<Turn, "app" | "id">, within?: RunningTurn) {
    this.conn = conn;
    this.of = of;
    this.within = within;
    this.isRerun = within !== undefined;
  }

  get app(): App {
    return this.of.app;
  }

  /** As Turn.id. */
  get id(): string {
    return this.of.id;
  }

  get isOver(): boolean {
    return this.hasEnded || this.within?.isOver === true;
  }

  end(): void {
    this.hasEnded = true;
  }

  /** This turn's own copy of the state: what is changed in it is stored when the turn commits. */
  get state(): SessionState {
    this.draft ??= draftOf(this.conn.state) as SessionState;
    return this.draft;
  }

  /** Whether something of the state was changed. */
  get hasChanged(): boolean {
    return this.draft !== undefined && !isAsStored(this.draft, this.conn.state);
  }
}

const running = new AsyncLocalStorage<RunningTurn>();

export function runIn<Args extends unknown[], Result>(turn: RunningTurn, work: (...args: Args) => Result, ...args: Args): Result {
  return running.run(turn, work, ...args);
}

/** The turn that the caller runs in. undefined: none, or one that is over. */
export function currentTurn(): RunningTurn | undefined {
  const turn = running.getStore();
  return turn?.isOver ? undefined : turn;
}

/** What one Socket.IO server does outside of turns, too. */
export class Outlet {
  /** As the worker or the latest turn gave it. */
  app: App | undefined;
  /** How rooms keep what is emitted, where sockets can be recovered. */
  readonly keep: PublishOptions["keep"];

  constructor(keep?: PublishOptions["keep"]) {
    this.keep = keep;
  }

  /** @throws {Error} before the worker has been given work. */
  get started(): App {
    if (this.app === undefined) throw new Error("io can be used outside of listeners once the worker has started");
    return this.app;
  }

  send(connectionId: string, data: Sendable, turn = currentTurn()): void {
    if (turn?.isRerun) return;
    if (turn?.conn.id === connectionId) return turn.conn.send(data);
    // It is at most once, as Socket.IO's own: nobody waits for it.
    this.app?.send(connectionId, data).catch(() => undefined);
  }

  /** @param from The connection that does not get it. */
  publish(topic: string, data: Sendable, { from, except = [], keep }: { from?: string | undefined } & Omit<PublishOptions, "self">): void {
    const turn = currentTurn();
    if (turn?.isRerun) return;
    const isOwn = from !== undefined && from === turn?.conn.id;
    const options = { self: !isOwn, except: from === undefined || isOwn ? except : [...except, from], ...(keep && { keep }) };
    if (turn === undefined) this.app?.publish(topic, data, options).catch(() => undefined);
    else turn.conn.publish(topic, data, options);
  }
}
