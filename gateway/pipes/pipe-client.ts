// A WebSocket of this gateway that is for a session of another one: what its client sends goes there, and what is for it comes from there.
// For its limits it is a client of this gateway like any other.

import type { Batch } from "../../protocol/envelope.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { RouteHello } from "../../protocol/membership.ts";
import { packValue } from "../../protocol/msgpack.ts";
import { type PipeBody, toSession, toWebSocket } from "../../protocol/pipe-records.ts";
import { flag } from "../../protocol/records.ts";
import type { RouteMatch } from "../../protocol/route-table.ts";
import type { ClientEvents } from "../client-events.ts";
import type { Intake, Socket } from "../connection.ts";
import type { ConnectionMeter } from "../connection-meter.ts";
import { type Parking, parkedEventBytes } from "../parking.ts";
import { meterWith } from "../route-meter.ts";
import type { SocketClose } from "../socket-events.ts";
import type { PeerLink, PipeEnd, PipeRecord } from "./peer-link.ts";

export interface PipeClientOptions {
  readonly number: number;
  /** For the log. */
  readonly id: string;
  /** Of the session's gateway. */
  readonly peer: string;
  readonly link: PeerLink;
  readonly body: PipeBody;
  readonly clients: Pick<ClientEvents, "break" | "tooLarge" | "countBug" | "limits">;
  /** What has not reached the session's gateway takes room as what is parked. */
  readonly parking: Pick<Parking, "keepBody" | "dropBody">;
  readonly limits: { readonly parkedMessages: number; readonly parkedBytes: number };
  readonly messageBytes: () => number;
  /** See Dispatcher. */
  readonly routeOf: (path: string) => RouteMatch<RouteHello> | null | undefined;
  readonly onClose: (client: PipeClient) => void;
}

export class PipeClient implements PipeEnd {
  readonly number: number;
  readonly peer: string;
  /** As a connection has them. */
  readonly id: string;
  readonly route: string;
  readonly ip: string;
  readonly user: string | undefined;
  readonly worker = undefined;
  meter: ConnectionMeter | undefined;
  /** Undefined until it opens, and from the moment it closes. */
  socket: Socket | undefined;
  /** Until the session's gateway closes it, something of it may be uncommitted there. */
  readonly events = { length: 1 };
  /** What is no message: it takes no room. */
  private readonly control: PipeEnd;
  private controls = 0;
  /** The same of `alive` alone: what is told of unread bytes must not keep it back. */
  private readonly pulse: PipeEnd;
  private pulses = 0;
  /** Nobody there needs to hear of its close. */
  private isOver = false;
  private unread = 0;
  private records = 0;
  private bytes = 0;
  private state: Intake = "open";
  private readonly options: Omit<PipeClientOptions, "body">;
  /** Until it has opened. */
  private opening: Uint8Array;

  constructor({ body, ...options }: PipeClientOptions) {
    this.options = options;
    this.opening = packValue(openingOf(body));
    const { number, id, peer } = options;
    this.number = number;
    this.peer = peer;
    this.id = id;
    this.route = body.path;
    this.ip = body.ip;
    this.user = body.user;
    this.control = {
      number,
      onWay: (records) => {
        this.controls += records;
      },
    };
    this.pulse = {
      number,
      onWay: (records) => {
        this.pulses += records;
      },
    };
  }

  /** Something that its client has sent has not arrived. */
  get isWaiting(): boolean {
    return this.records > 0;
  }

  get intake(): Intake {
    return this.state;
  }

  /** closing: this gateway ends, and takes nothing more of it. The session's gateway closes it. */
  set intake(intake: Intake) {
    if (this.state === "open" && intake === "closing") this.say({ type: toSession.leave });
    this.state = intake;
  }

  onWay(records: number, bytes: number): void {
    const { parking } = this.options;
    this.records += records;
    this.bytes += bytes;
    if (records < 0) parking.dropBody(parkedEventBytes - bytes, this.meter?.address);
  }

  opened(socket: Socket): void {
    this.socket = socket;
    this.say({ type: toSession.open, payload: this.opening });
    this.opening = new Uint8Array(0);
  }

  receive(message: Uint8Array, isBinary: boolean): void {
    const { clients, messageBytes } = this.options;
    this.followRoute();
    if (this.meter?.message(message.length) === false) return clients.break(this, "rate.sent");
    const limitBytes = messageBytes();
    if (message.length > limitBytes) return clients.tooLarge(this, message.length, limitBytes);
    if (this.state === "open") this.send(message, isBinary);
  }

  // No worker here is given it, so nothing tells when another release allows another rate.
  private followRoute(): void {
    if (this.meter === undefined) return;
    const match = this.options.routeOf(this.route);
    // Where no worker knows its route, the rate that it had holds.
    if (match) this.meter = meterWith(this.meter, match.route.messages);
  }

  /** A ping or a pong. @param isAnswer It answers a ping of this gateway's, or of the session's. */
  pinged(isAnswer: boolean): void {
    if (!isAnswer && this.meter?.ping() === false) return this.options.clients.break(this, "rate.sent");
    if (this.pulses === 0) this.options.link.send(this.pulse, { type: toSession.alive });
  }

  /** Its socket has closed. */
  closed({ code, reason, isSlow }: SocketClose): void {
    const { clients, onClose } = this.options;
    this.socket = undefined;
    this.state = "closed";
    onClose(this);
    if (!this.isOver) this.say({ type: toSession.closed, extra: code, flags: isSlow ? flag.broken : 0, payload: reason });
    if (this.meter !== undefined) clients.limits.close(this.meter);
  }

  /** The session's gateway wants this: what there is for it in a batch, in order. */
  take(batch: Batch, indexes: readonly number[]): void {
    const { socket } = this;
    if (socket === undefined) return;
    let next = 0;
    // A single record is a single write anyway.
    if (indexes.length > 1) {
      socket.cork(() => {
        next = this.takeFrom(batch, indexes, next, true);
      });
    }
    this.takeFrom(batch, indexes, next, false);
  }

  /** @returns where it has stopped: what ends the socket does not happen under its cork. */
  private takeFrom(batch: Batch, indexes: readonly number[], from: number, isCorked: boolean): number {
    for (let at = from; at < indexes.length; at++) {
      const index = indexes[at] as number;
      const type = batch.type(index);
      if (isCorked && type !== toWebSocket.frame && type !== toWebSocket.ping) return at;
      this.takeOne(type, batch, index);
    }
    return indexes.length;
  }

  private takeOne(type: number, batch: Batch, index: number): void {
    const { socket } = this;
    if (socket === undefined) return;
    if (type === toWebSocket.frame) return socket.send(batch.view(index), (batch.flags(index) & flag.binary) !== 0);
    if (type === toWebSocket.ping) return socket.ping();
    if (type !== toWebSocket.end && type !== toWebSocket.cut) return;
    this.isOver = true;
    if (type === toWebSocket.end) socket.end(batch.extra(index), batch.text(index));
    else socket.cut();
  }

  /** Tells the session's gateway what its client has not read. @returns whether to look again. */
  tellUnread(): boolean {
    if (this.socket === undefined) return false;
    const { waitingBytes } = this.socket;
    if (waitingBytes !== this.unread && this.controls === 0) {
      this.unread = waitingBytes;
      this.say({ type: toSession.waits, epoch: Math.min(waitingBytes, 0xffff_ffff) });
    }
    return this.unread > 0 || waitingBytes > 0;
  }

  /** A bug has met it. */
  meetBug(error: unknown): void {
    this.options.clients.countBug(this, error);
    this.breakOff("connection.bug");
  }

  /** Nobody has its session any more, or nothing can be told to whoever has. */
  breakOff(code: ErrorCode): void {
    this.isOver ||= code === "gateway.lost";
    this.options.clients.break(this, code);
  }

  private send(payload: Uint8Array, isBinary: boolean): void {
    const { link, clients } = this.options;
    let passed = this.keep(payload.length);
    if (passed !== undefined) {
      // What has arrived may not have been looked at yet.
      link.settle();
      passed = this.keep(payload.length);
    }
    if (passed !== undefined) return clients.break(this, passed);
    link.send(this, { type: toSession.message, flags: isBinary ? flag.binary : 0, payload });
  }

  /** Takes the room of a message. @returns the bound that it would pass; then it has none. */
  private keep(bytes: number): ErrorCode | undefined {
    const { parking, limits } = this.options;
    if (this.records >= limits.parkedMessages || this.bytes + bytes > limits.parkedBytes) return "parked.tooMuch";
    return parking.keepBody(bytes + parkedEventBytes, this.meter?.address) ? undefined : "parked.total";
  }

  private say(record: PipeRecord): void {
    this.options.link.send(this.control, record);
  }
}

/** As docs/wire.md has it: what is not there is left out. */
function openingOf({ key, path, query, ip, user, subprotocol, state, expiresAt }: PipeBody): PipeBody {
  return { key, path, query, ip, subprotocol, expiresAt, ...(user !== undefined && { user }), ...(state !== undefined && { state }) };
}
