// A WebSocket of another gateway, as the gateway of its session uses it: what is sent to it goes to that gateway, over the link. Pure.

import { toWebSocket } from "../../protocol/pipe-records.ts";
import { flag } from "../../protocol/records.ts";
import type { Connection, Socket } from "../connection.ts";
import type { Frame } from "../sessions/frame-queue.ts";
import { TopicSocket, type TopicSocketOptions } from "../sessions/topic-socket.ts";
import type { PeerLink, PipeEnd } from "./peer-link.ts";

export interface PipeClose {
  readonly code: number;
  readonly reason: Uint8Array;
  readonly isSlow: boolean;
}

export interface PipedSocketOptions extends TopicSocketOptions {
  readonly number: number;
  readonly connection: Connection;
  readonly link: PeerLink;
  /** See PeerLinks. */
  readonly quietSince: () => number;
  /** What may be on its way to it, as what may wait for a slow client: BACKPRESSURE_BYTES. Its own gateway keeps the same bound. */
  readonly limitBytes: number;
  readonly later: (run: () => void) => void;
  readonly onHeard: (connection: Connection) => void;
  /** Once. */
  readonly onClose: (connection: Connection, close: PipeClose) => void;
}

/** What a frame takes besides its own bytes while it is on its way. */
const frameBytes = 64;
const unsaid: PipeClose = { code: 1006, reason: new Uint8Array(0), isSlow: false };

export class PipedSocket extends TopicSocket implements Socket, PipeEnd {
  readonly number: number;
  /** Whose it is. */
  connection: Connection;
  /** As its gateway has told: what its client has not read. */
  unread = 0;
  private readonly options: PipedSocketOptions;
  private isOpen = true;
  private isSlow = false;
  private onWayBytes = 0;

  constructor(options: PipedSocketOptions) {
    super(options);
    this.options = options;
    this.number = options.number;
    this.connection = options.connection;
  }

  protected get maySubscribe(): boolean {
    return this.isOpen;
  }

  onWay(records: number, bytes: number): void {
    this.onWayBytes += bytes + records * frameBytes;
  }

  /** What is said to it does not arrive, or late: nobody reads it slowly. */
  get isAway(): boolean {
    const { link, quietSince } = this.options;
    return link.isFull || quietSince() !== Number.POSITIVE_INFINITY;
  }

  /** What is under way is not slowly read, but kept here all the same while it does not arrive. */
  get waitingBytes(): number {
    return this.unread + (this.isAway ? this.onWayBytes : 0);
  }

  unansweredSince(): number {
    return this.options.quietSince();
  }

  send(data: Uint8Array, isBinary: boolean): void {
    this.push({ data, isBinary });
  }

  push({ data, isBinary }: Frame): void {
    if (!this.isOpen || this.isSlow) return;
    const { link, limitBytes, later } = this.options;
    link.send(this, { type: toWebSocket.frame, flags: isBinary ? flag.binary : 0, payload: data });
    if (this.onWayBytes <= limitBytes) return;
    link.settle();
    if (this.onWayBytes <= limitBytes) return;
    this.isSlow = true;
    // Not now: it may be one of many that a publish goes to, or in the middle of its commit.
    later(() => this.cutAsSlow());
  }

  end(code: number, reason: string): void {
    if (!this.isOpen) return;
    // Nothing follows what was dropped: its client would take that for all there is.
    if (this.isSlow) return this.cutAsSlow();
    const payload = Buffer.from(reason);
    this.options.link.send(this, { type: toWebSocket.end, extra: code, payload });
    this.leave({ code, reason: payload, isSlow: false });
  }

  cut(): void {
    this.cutWith(unsaid);
  }

  /** Its gateway says so, or is gone. */
  closed(close: PipeClose = unsaid): void {
    if (!this.isOpen) return;
    this.options.link.drop(this);
    this.leave(close);
  }

  ping(): void {
    // What could not be answered is not asked.
    if (this.isAway) this.options.onHeard(this.connection);
    else if (this.isOpen) this.options.link.send(this, { type: toWebSocket.ping });
  }

  handTo(connection: Connection): void {
    this.connection = connection;
  }

  private cutAsSlow(): void {
    this.cutWith({ ...unsaid, isSlow: true });
  }

  private cutWith(close: PipeClose): void {
    if (!this.isOpen) return;
    const { link, number } = this.options;
    link.drop(this);
    link.send({ number, onWay: () => undefined }, { type: toWebSocket.cut });
    this.leave(close);
  }

  private leave(close: PipeClose): void {
    this.isOpen = false;
    this.leaveTopics();
    this.options.onClose(this.connection, close);
  }
}
