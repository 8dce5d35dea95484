// What happens on sockets, on its way to the dispatcher; and what closes them for an error, said in the log and counted.

import type { Logger } from "pino";
import { gatewaySweepMs } from "../process/gateway-timeout.ts";
import { type Kind, SparseLog } from "../process/sparse-log.ts";
import { connectionId } from "../protocol/connection-id.ts";
import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import type { IdentityBody } from "../protocol/records.ts";
import type { Admission } from "./admission.ts";
import { isClientFault, isReleaseFault, tooLargeText } from "./client-fault.ts";
import { identified, whyUnnamed } from "./client-identity.ts";
import { settingsOf } from "./client-limit-settings.ts";
import { ClientLimits } from "./client-limits.ts";
import { about, Connection, type Guest, type Socket } from "./connection.ts";
import { poisonOf } from "./crash-attribution.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Expiries } from "./expiry.ts";
import { Heartbeats } from "./heartbeats.ts";
import { HookSubscribers } from "./hook-subscribers.ts";
import type { LiveSettings } from "./live-settings.ts";
import type { Members } from "./members.ts";
import type { SlotTable } from "./slot-table.ts";
import { SlowClients } from "./slow-clients.ts";
import type { SocketClose } from "./socket-events.ts";
import { Timers } from "./timers.ts";
import { UnfinishedMessages } from "./unfinished-messages.ts";
import type { UserConnections } from "./user-connections.ts";
import type { Incoming } from "./uws/request.ts";

export interface ClientEventsOptions {
  /** Of the gateway. */
  readonly id: string;
  readonly slots: SlotTable;
  readonly users: Pick<UserConnections, "add" | "forget">;
  readonly members: Pick<Members, "forget">;
  readonly dispatcher: Dispatcher;
  readonly now: () => number;
  readonly log: Logger;
  readonly settings: Pick<LiveSettings, "config" | "proxies" | "unlimited" | "clients" | "slowClients" | "timers">;
}

export class ClientEvents {
  readonly counters = { bugs: 0, tooLarge: 0, slowConsumers: 0 };
  /** Connections that were closed for an error, by its code. */
  readonly broken: Record<string, number> = {};
  readonly expiries: Expiries;
  readonly timers: Timers;
  readonly hooks: HookSubscribers;
  readonly heartbeats: Heartbeats;
  /** For what clients cause. */
  readonly sparseLog: SparseLog;
  readonly limits: ClientLimits;
  readonly slowClients: SlowClients;
  private readonly unfinished: UnfinishedMessages;
  private readonly options: ClientEventsOptions;

  constructor(options: ClientEventsOptions) {
    this.options = options;
    const { settings, dispatcher, now } = options;
    this.expiries = new Expiries({
      now,
      wallClock: Date.now,
      later: (run) => setImmediate(run),
      graceMs: () => settings.config.EXPIRE_GRACE_MS,
      park: (connection, event) => dispatcher.arrived(connection, event),
      close: (connection, code) => dispatcher.breakOff(connection, code),
      onBug: (connection, error) => this.meetBug(connection, error),
    });
    this.timers = new Timers({
      now,
      later: (run) => setImmediate(run),
      after: (ms, run) => setTimeout(run, ms),
      limits: settings.timers,
      waiting: () => dispatcher.parking.timers,
      park: (connection, event) => dispatcher.arrived(connection, event),
      onBug: (connection, error) => this.meetBug(connection, error),
    });
    this.hooks = new HookSubscribers({
      later: (run) => setImmediate(run),
      park: (connection, event) => dispatcher.arrived(connection, event),
      passed: (connection) => dispatcher.parking.passed(connection),
      close: (connection, code) => dispatcher.breakOff(connection, code),
      onBug: (connection, error) => this.meetBug(connection, error),
    });
    this.heartbeats = new Heartbeats({
      now,
      later: (run) => setImmediate(run),
      after: (ms, run) => setTimeout(run, ms),
      onBug: (connection, error) => this.meetBug(connection, error),
    });
    this.limits = new ClientLimits({
      now,
      rates: settings.clients,
      isExempt: (address) => settings.unlimited.has(address) || settings.proxies.has(address),
    });
    this.slowClients = new SlowClients({
      connections: options.slots.connections,
      now,
      limits: settings.slowClients,
      onTooSlow: (client, code) => this.cut(client, code),
    });
    this.unfinished = new UnfinishedMessages({
      connections: options.slots.connections,
      sweepMs: gatewaySweepMs,
      idleTimeoutMs: () => settings.config.IDLE_TIMEOUT_MS,
      onUnfinished: (connection) => this.cutUnfinished(connection),
    });
    this.sparseLog = new SparseLog(options.log, options.now);
  }

  /** To be called every `gatewaySweepMs`. */
  sweep(): void {
    this.expiries.sweep();
    this.limits.sweep();
    this.slowClients.sweep();
    this.unfinished.sweep();
    this.sparseLog.sweep();
  }

  /** As its client has made it, where proxies stand between. */
  identified(incoming: Incoming): Incoming {
    const { proxies } = this.options.settings;
    const seen = identified(incoming, proxies);
    const reason = seen.fault === undefined ? whyUnnamed(incoming, seen.ip, proxies) : undefined;
    if (reason !== undefined) {
      this.sparseLog.warn(
        { reason },
        { ip: seen.ip },
        "a proxy names no client: its own address is taken, which has no limits (TRUSTED_PROXIES)",
      );
    }
    return seen;
  }

  admit(admission: Admission): Connection {
    const { id, slots } = this.options;
    const { slot, epoch } = slots.take();
    const { path, query, ip, user, subprotocol, state, expiresAt } = admission;
    // One by one: objects that are made by spreading get a shape of their own each, which costs memory and time.
    return new Connection({ slot, epoch, id: connectionId(id, slot, slots.opened), path, query, ip, user, subprotocol, state, expiresAt });
  }

  open(connection: Connection, socket: Socket): void {
    connection.socket = socket;
    this.options.slots.put(connection);
    this.options.users.add(connection);
    this.unfinished.heard(connection);
    this.safely(connection, () => this.options.dispatcher.opened(connection));
    if (connection.expiry !== undefined) this.expiries.set(connection, connection.expiry.at);
  }

  /** A turn has found out who the client is, or for how long that holds. */
  learn(connection: Connection, { user, expiresAt }: IdentityBody): void {
    if (user !== undefined && user !== connection.user) {
      const { users } = this.options;
      users.forget(connection);
      connection.user = user;
      if (connection.socket !== undefined) {
        users.add(connection);
        if (connection.meter !== undefined) this.limits.learn(connection.meter, user);
      }
    }
    if (expiresAt !== undefined) this.expiries.set(connection, expiresAt);
  }

  /** @param isCounted It has come on another connection of its client, whose meter has it. */
  receive(connection: Connection, message: Uint8Array, isBinary: boolean, isCounted = false): void {
    this.unfinished.heard(connection);
    if (!isCounted && connection.meter?.message(message.length) === false) return this.break(connection, "rate.sent");
    const limitBytes = this.options.settings.config.MESSAGE_BYTES;
    if (message.length > limitBytes) return this.tooLarge(connection, message.length, limitBytes);
    if (connection.heartbeat !== undefined && this.heartbeats.heard(connection, message, isBinary)) return;
    this.safely(connection, () => this.options.dispatcher.received(connection, message, isBinary));
  }

  /** Its client is there. */
  heard(connection: Connection): void {
    this.unfinished.heard(connection);
  }

  pinged(connection: Connection, isAnswer: boolean): void {
    this.unfinished.heard(connection);
    if (!isAnswer && connection.meter?.ping() === false) this.break(connection, "rate.sent");
  }

  /** The socket of a connection that is here and subscribes to a topic, for itself. */
  subscriber(id: string, topic: string): Socket | undefined {
    const { socket, topics } = this.options.slots.find(id) ?? {};
    return topics?.has(topic) === true && topics.hooked?.has(topic) !== true ? socket : undefined;
  }

  /** It is closed or cut off for what its client has sent. */
  private faulted({ meter }: Pick<Guest, "meter">): void {
    if (meter !== undefined) this.limits.failed(meter.address);
  }

  /** The same, with no close code that would tell. @param why Of a few. */
  wasCutOff(connection: Guest, why: Kind): void {
    this.faulted(connection);
    this.sparseLog.warn({ ...why, route: connection.route }, { ...about(connection), ip: connection.ip }, "connection cut off");
  }

  /** @param isSlow It was closed since it read too slowly. */
  closed(connection: Connection, { code, reason, isSlow }: SocketClose): void {
    if (isSlow) {
      this.counters.slowConsumers++;
      const limitBytes = this.options.settings.config.BACKPRESSURE_BYTES;
      this.sparseLog.warn(
        { route: connection.route },
        { ...about(connection), limitBytes },
        "slow consumer: connection closed (BACKPRESSURE_BYTES)",
      );
    }
    try {
      if (connection.meter !== undefined) this.limits.close(connection.meter);
      const { users, members } = this.options;
      for (const keeper of [users, members, this.timers, this.hooks, this.heartbeats]) keeper.forget(connection);
    } finally {
      // Its onClose runs, whatever becomes of the rest; and its socket is not used any more.
      this.safely(connection, () => this.options.dispatcher.closed(connection, code, reason));
    }
  }

  private safely(connection: Connection, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.meetBug(connection, error);
    }
  }

  /** Its client has sent a message of so many bytes. */
  tooLarge(connection: Guest, bytes: number, limitBytes: number): void {
    this.counters.tooLarge++;
    this.break(connection, "message.tooLarge", { fault: tooLargeText("the message", bytes, limitBytes) });
  }

  /** Closes it for an error. Its close comes back through `closed`. @param why For the log. */
  break(connection: Guest, code: ErrorCode, why: object = {}): void {
    if (connection.socket === undefined) return;
    const { close } = errorTable[code];
    this.countBroken(code);
    if (isReleaseFault(code, close)) this.options.dispatcher.handover.closed(code);
    const { meter, route, ip } = connection;
    if (isClientFault(code, meter)) this.faulted(connection);
    const passed =
      code === "rate.sent" && meter?.passed !== undefined ? { passed: meter.passed, limit: settingsOf(meter.passed), ip } : why;
    // Whoever stays away from his page for long enough meets that: nothing is wrong.
    if (code === "auth.expired") this.options.log.debug({ ...about(connection), code }, "connection closed");
    else this.sparseLog.warn({ code, route }, { ...about(connection), ...passed }, "connection closed");
    connection.socket.end(close, code);
  }

  /** What it has published, or wanted to read, of history cannot be had. */
  notKept(connection: Connection, code: ErrorCode, err: unknown): void {
    this.sparseLog.error({ code }, { ...about(connection), err }, "a connection's history cannot be kept or read");
    this.break(connection, code);
  }

  /** Closes one that reads too slowly: a close frame would wait behind all that it has not read. */
  cut(connection: Guest, code: ErrorCode): void {
    if (connection.socket === undefined) return;
    this.counters.slowConsumers++;
    this.countBroken(code);
    const { route, socket } = connection;
    this.sparseLog.warn({ code, route }, { ...about(connection), bytes: socket.waitingBytes }, "slow consumer: connection closed");
    connection.socket.cut();
  }

  /** Closes one in the middle of a message: it may never read a close frame, and what it has sent is kept until it is gone. */
  private cutUnfinished(connection: Connection): void {
    this.countBroken("message.unfinished");
    this.wasCutOff(connection, { code: "message.unfinished" });
    connection.socket?.cut();
  }

  /** A worker of this release has closed one for an error. */
  closedByWorker(code: string, closeCode: number, release: string): void {
    const { dispatcher } = this.options;
    this.countBroken(code);
    // What the release before had begun is its own.
    if (release === dispatcher.activation?.release && isReleaseFault(code, closeCode)) dispatcher.handover.closed(code);
  }

  logPoison(connection: Connection, poison: "event" | "adoption"): void {
    const fields = { ...about(connection), ...poisonOf(connection, poison), code: "message.poison" };
    this.options.log.error(fields, "set aside what kills workers");
  }

  /** A bug met this connection: no other notices. */
  meetBug(connection: Connection, error: unknown): void {
    this.countBug(connection, error);
    this.options.dispatcher.broken(connection);
  }

  /** A bug has met it, and closes it. */
  countBug(connection: Guest, error: unknown): void {
    this.counters.bugs++;
    this.options.log.error({ ...about(connection), err: error }, "bug: this connection is closed, no other notices");
  }

  private countBroken(code: string): void {
    this.broken[code] = (this.broken[code] ?? 0) + 1;
  }
}
