// The side that clients come to: listens, refuses those that there is no room for, lets the others in, and hands on what their
// sockets say.

import type { Logger } from "pino";
import type { Bus } from "../protocol/bus.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import type { Subjects } from "../protocol/subjects.ts";
import type { Api } from "./api/api.ts";
import type { Certificate } from "./certificate.ts";
import type { ClientEvents } from "./client-events.ts";
import type { GatewayConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Entrance } from "./entrance.ts";
import { FileGuard } from "./file-guard.ts";
import type { LiveSettings } from "./live-settings.ts";
import { openFiles } from "./open-files.ts";
import type { PeerGateways } from "./peer-gateways.ts";
import { Pipes } from "./pipes/pipes.ts";
import { SessionTopics } from "./sessions/session-topics.ts";
import { Sessions } from "./sessions/sessions.ts";
import { type SocketEvents, type SocketOwner, socketListeners } from "./socket-events.ts";
import { Upgrades } from "./upgrade.ts";
import type { Incoming } from "./uws/request.ts";
import { listen, type Server } from "./uws/server.ts";
import type { WaitingRequest } from "./uws/waiting-client.ts";
import type { WorkerRequests } from "./worker-requests.ts";

export interface FrontendOptions {
  /** Of the gateway. */
  readonly id: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly settings: LiveSettings;
  readonly clients: ClientEvents;
  readonly dispatcher: Dispatcher;
  readonly requests: WorkerRequests;
  readonly peers: Pick<PeerGateways, "withSessions" | "levelOf" | "onGone">;
  readonly hub: Pick<LinkHub, "open" | "close">;
  readonly api: Pick<Api, "serves" | "request">;
  readonly now: () => number;
  readonly log: Logger;
  /** A bug met no connection in particular. */
  readonly onBug: (error: unknown) => void;
}

/** So long after NATS or the workers are back, requests that waited for them, also at other gateways, may still be on their way. */
const backMs = 10_000;
/** A gateway that has lost NATS for longer is not waited for, each time that a session is looked for. */
const reconnectMs = 30_000;

export class Frontend {
  readonly upgrades: Upgrades<SocketOwner>;
  readonly sessions: Sessions;
  readonly pipes: Pipes;
  private readonly sessionTopics = new SessionTopics();
  private readonly options: FrontendOptions;
  private readonly files: FileGuard;
  private readonly entrance: Entrance;
  private server: Server | undefined;
  /** When NATS, or every worker, was away last. */
  private awayAt = Number.NEGATIVE_INFINITY;

  constructor(options: FrontendOptions) {
    this.options = options;
    const { id, bus, subjects, settings, clients, dispatcher, requests, now, log } = options;
    this.files = new FileGuard({
      files: openFiles(),
      now,
      log,
      connections: () => this.connections,
      stopListening: () => this.server?.pauseListening(),
      listenAgain: async () => this.server?.listenAgain(),
    });
    this.sessions = new Sessions({
      ...{ id, bus, subjects },
      peers: () => options.peers.withSessions(reconnectMs),
      clients,
      topics: this.sessionTopics,
      publishToSockets: (topic, data, isBinary) => this.server?.publish(topic, data, isBinary),
      now,
      // What has come to another one since its last hello may be unanswered, too.
      unansweredSince: () => Math.min(this.unansweredSince, ...options.peers.withSessions(reconnectMs).map((peer) => peer.unansweredSince)),
      later: (run) => setImmediate(run),
      limitBytes: () => settings.config.BACKPRESSURE_BYTES,
      totalBytes: () => settings.config.BACKPRESSURE_TOTAL_BYTES,
      isFull: () => this.isFull,
      closing: (connection) => dispatcher.closing(connection),
      isDraining: () => this.upgrades.isDraining,
    });
    this.pipes = new Pipes({
      ...{ id, clients, dispatcher, settings, now },
      hub: options.hub,
      peers: options.peers,
      sessions: this.sessions,
      topics: this.sessionTopics,
      publishToSockets: (topic, data, isBinary) => this.server?.publish(topic, data, isBinary),
      isConnected: () => bus.connected,
      isFull: () => this.isFull,
      isDraining: () => this.upgrades.isDraining,
      later: (run) => setImmediate(run),
      onBug: options.onBug,
    });
    this.upgrades = new Upgrades({
      id,
      dispatcher,
      requests,
      sessions: this.sessions,
      now,
      later: (run) => setImmediate(run),
      log,
      sparseLog: clients.sparseLog,
      limits: settings.requests,
      hosts: () => settings.hosts,
      isFull: () => this.isFull,
      mayEnter: (user) => clients.limits.mayEnter(user),
      admit: (admission) => {
        const { session, gateway } = admission;
        if (session !== undefined && gateway !== undefined) return this.pipes.add(gateway, { ...admission, key: session });
        const connection = clients.admit(admission);
        if (session !== undefined) this.sessions.openBeside(connection, session);
        return connection;
      },
    });
    this.entrance = new Entrance({
      limits: clients.limits,
      upgrades: this.upgrades,
      isFull: () => this.hasTooMany,
      hasPeers: () => options.peers.withSessions(reconnectMs).length > 0,
      log,
      sparseLog: clients.sparseLog,
      now,
      later: (run) => setImmediate(run),
    });
  }

  /** For how long a request has waited that no worker has answered; -Infinity: none does. */
  get unansweredMs(): number {
    return this.options.now() - this.unansweredSince;
  }

  // When the oldest came. Where NATS or the workers were away, requests may have waited at others for as long as can be.
  private get unansweredSince(): number {
    const { now, requests } = this.options;
    return now() - this.awayAt < backMs ? 0 : requests.unansweredSince;
  }

  /** 0 until it listens. */
  get port(): number {
    return this.server?.port ?? 0;
  }

  /** Answers of which something still waits for its client, or for its worker. */
  get writing(): number {
    return this.server?.writing ?? 0;
  }

  /** To every subscriber here, but for these connections. */
  publish(topic: string, data: Uint8Array, isBinary: boolean, except: readonly string[] = []): void {
    this.options.clients.hooks.publish(topic, data, isBinary, except);
    const without = except.flatMap((id) => this.options.clients.subscriber(id, topic) ?? []);
    const [only] = without;
    if (only !== undefined && without.length === 1) return only.publish(topic, data, isBinary);
    // What was published before has to leave first: uWebSockets.js forgets it when its topic is left.
    for (const socket of without) {
      socket.ping();
      socket.unsubscribe(topic);
    }
    this.server?.publish(topic, data, isBinary);
    this.sessionTopics.publish(topic, data, isBinary);
    for (const socket of without) socket.subscribe(topic);
  }

  async listen(): Promise<void> {
    const { settings, clients } = this.options;
    this.sessions.relay.begin();
    // Hundreds may come before the first sweep: all of those whom an earlier gateway served.
    await this.files.step();
    this.server = await listen<SocketOwner>(settings.server, {
      mayConnect: (ip) => this.entrance.mayConnect(ip),
      isBarred: (ip) => clients.limits.isBarred(ip),
      onUpgrade: (incoming, client) => this.entrance.upgrade(clients.identified(incoming), client),
      onRequest: (incoming, client) => this.request(clients.identified(incoming), client),
      onPublish: (topic, data, isBinary) => this.sessionTopics.publish(topic, data, isBinary),
      ...socketListeners({ connections: this.connectionEvents, onFault: (owner, reason) => clients.wasCutOff(owner, { reason }) }),
    });
  }

  /** As LiveSettings has it. */
  async change(config: GatewayConfig, certificate: Certificate | undefined): Promise<void> {
    await this.options.settings.change(config, certificate, this.server);
    this.options.clients.limits.exemptAgain();
  }

  /** Lets no one in any more; those who are in stay. */
  drain(): void {
    this.server?.stopListening();
    this.upgrades.drain();
  }

  private get connectionEvents(): SocketEvents<Connection> {
    const { clients } = this.options;
    const { moves } = this.sessions;
    return {
      open: (connection, socket) => {
        clients.open(connection, socket);
        moves.opened(connection);
      },
      receive: (connection, message, isBinary) => clients.receive(connection, message, isBinary),
      pinged: (connection, isAnswer) => clients.pinged(connection, isAnswer),
      closed: (connection, close) => {
        clients.closed(connection, close);
        moves.closed(connection);
      },
      meetBug: (connection, error) => clients.meetBug(connection, error),
    };
  }

  private request(incoming: Incoming, client: WaitingRequest): void {
    const { api, settings } = this.options;
    if (api.serves(incoming)) api.request(incoming, client, settings.config.API_PATH);
    else this.entrance.request(incoming, client);
  }

  /** Whether the next newcomer is one too many. An upgrade counts as a connection from its beginning. */
  private get isFull(): boolean {
    const { settings, clients } = this.options;
    if (!this.hasTooMany) return false;
    if (this.files.isFull) return true;
    const limit = settings.config.CONNECTIONS;
    clients.sparseLog.warn({ code: "gateway.full" }, { limit }, "newcomers are refused: as many connections as CONNECTIONS allows");
    return true;
  }

  // With those that are not this gateway's own: what they take is the same.
  private get connections(): number {
    return this.options.dispatcher.size + this.pipes.clients.size;
  }

  // Not logged where it is asked for those that are let in all the same.
  private get hasTooMany(): boolean {
    const { settings } = this.options;
    return this.files.isFull || this.connections + this.entrance.waiting > settings.config.CONNECTIONS;
  }

  /** This gateway, or NATS, has stood still or was away: whoever was silent until now could not be heard. */
  excuse(): void {
    this.sessions.relay.excuse();
    this.pipes.excuse();
  }

  /** To be called several times a second. */
  sweep(): void {
    const { bus, dispatcher, now } = this.options;
    if (!bus.connected || !dispatcher.serving) this.awayAt = now();
    this.upgrades.sweep();
    this.sessions.sweep();
    this.pipes.sweep();
    this.options.clients.sweep();
    void this.files.step();
  }
}
