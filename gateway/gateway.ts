// Puts the gateway together: sockets on one side, links to workers on the other, the dispatcher between them.

import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { FaultMeter } from "../process/fault-meter.ts";
import type { IdentityFile } from "../process/identity-file.ts";
import { ProcessMeter } from "../process/process-meter.ts";
import { encodeScrape, parseScraped } from "../process/scrape.ts";
import type { Bus } from "../protocol/bus.ts";
import { protocolVersion } from "../protocol/envelope.ts";
import { errorTable } from "../protocol/errors.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import { type Activation, type Announcement, decodeAnnouncement, type GatewayHello } from "../protocol/membership.ts";
import { Presence } from "../protocol/presence.ts";
import { StallDetector } from "../protocol/stall-detector.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { AppCommands } from "./app-commands.ts";
import type { Certificate } from "./certificate.ts";
import { ClientEvents } from "./client-events.ts";
import { Commits } from "./commit.ts";
import type { GatewayConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { ConnectionDrain } from "./connection-drain.ts";
import { Dispatcher, type DispatchLimits } from "./dispatcher.ts";
import { FileGuard } from "./file-guard.ts";
import { dispatchLimits, requestLimits, serverLimits, topicLimits, workerLimits } from "./limits.ts";
import { LostGateways } from "./lost-gateways.ts";
import { openFiles, openFilesLimit } from "./open-files.ts";
import { PeerGateways } from "./peer-gateways.ts";
import { Scrapes } from "./scrapes.ts";
import { SlotTable } from "./slots.ts";
import { type TopicLimits, Topics } from "./topics.ts";
import { TrustedProxies } from "./trusted-proxies.ts";
import { Upgrades, type UpgradesOptions } from "./upgrade.ts";
import { listen, type Server } from "./uws/server.ts";
import { WorkerRecords } from "./worker-records.ts";
import { WorkerRequests } from "./worker-requests.ts";
import { type WorkerLimits, Workers } from "./workers.ts";

/** How often time-outs are looked at. */
const sweepMs = 250;
/** At the end: until other gateways have said whether they end too, then how often it is looked who may be closed. */
const togetherMs = 30;
const drainStepMs = 5;
/** Of DRAIN_MS: then everybody is closed, and the rest is for their onClose. */
const closeShare = 0.75;

export interface GatewayOptions {
  readonly id: string;
  readonly config: GatewayConfig;
  /** undefined: clients speak without TLS. */
  readonly certificate?: Certificate | undefined;
  readonly identity: Pick<IdentityFile, "crashed" | "add" | "take" | "settle" | "leave">;
  readonly bus: Bus;
  readonly log: Logger;
  readonly now: () => number;
  /** What was active when the last gateway ended, where that is known. */
  readonly activation?: Activation;
}

export class Gateway {
  readonly faults = new FaultMeter();
  readonly dispatcher: Dispatcher;
  readonly topics: Topics;
  readonly commits: Commits;
  readonly upgrades: Upgrades<Connection>;
  readonly hub: LinkHub;
  readonly slots = new SlotTable();
  readonly workers: Workers;
  readonly scrapes: Scrapes;
  readonly meter = new ProcessMeter("gateway");
  /** undefined: clients speak without TLS. */
  certificate: Certificate | undefined;
  private readonly options: GatewayOptions;
  private readonly subjects: Subjects;
  private readonly lostGateways: LostGateways;
  private readonly requests: WorkerRequests;
  private sweeping: NodeJS.Timeout | undefined;
  private readonly startedAt = Date.now();
  private readonly peers: PeerGateways;
  private readonly presence: Presence;
  private readonly records: WorkerRecords;
  private readonly clients: ClientEvents;
  private readonly limits: DispatchLimits;
  private readonly files: FileGuard;
  private readonly requestLimits: UpgradesOptions<Connection>["limits"];
  private readonly topicLimits: TopicLimits;
  private readonly workerLimits: WorkerLimits;
  private readonly stalls: StallDetector;
  private settings: GatewayConfig;
  private proxies: TrustedProxies;
  private server: Server | undefined;
  private adminPort = 0;
  private reconnects = 0;
  /** Since when NATS is gone. */
  private awaySince: number | undefined;
  private hasLeft = false;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { config, bus, now } = options;
    this.settings = config;
    this.certificate = options.certificate;
    this.proxies = new TrustedProxies(config.TRUSTED_PROXIES);
    this.peers = new PeerGateways(now);
    this.limits = dispatchLimits(config);
    this.requestLimits = requestLimits(config);
    this.topicLimits = topicLimits(config, bus.maxPayloadBytes);
    this.workerLimits = workerLimits(config);
    this.subjects = subjectsOf(config.NAMESPACE);
    const publishHere = (topic: string, data: Uint8Array, isBinary: boolean) => this.server?.publish(topic, data, isBinary);
    this.hub = new LinkHub({
      self: options.id,
      bus,
      subjects: this.subjects,
      now,
      onBatch: (peer, batch) => {
        const worker = this.workers.get(peer);
        if (worker !== undefined) this.records.handle(worker, batch);
      },
      // Workers speak only when they were given something; a stranger's frame is from before our time.
      onStranger: () => undefined,
      onCredit: (peer) => {
        const worker = this.workers.get(peer);
        if (worker !== undefined) this.dispatcher.creditBack(worker);
      },
      onLost: (peer) => {
        if (this.presence.mayBeForgotten) this.workers.lose(peer, "it took this gateway for dead", "forgotUs");
        else this.workers.lose(peer, "it has begun another life", "left");
      },
      onUnheard: (peer) => this.workers.lose(peer, "nobody hears it", "unreachable"),
    });
    this.presence = new Presence({
      id: options.id,
      bus,
      subject: this.subjects.members,
      now,
      hello: () => this.hello(),
      stage: () => this.handoverStage,
      limits: this.limits,
    });
    this.topics = new Topics({
      self: options.id,
      bus,
      subjects: this.subjects,
      now,
      wallClock: Date.now,
      publishHere,
      onBegun: () => this.hub.flushSoon(),
      limits: this.topicLimits,
    });
    this.hub.onFlush(() => this.topics.flush());
    this.dispatcher = new Dispatcher({
      now,
      later: (run) => setImmediate(run),
      limits: this.limits,
      onPoison: (connection) => this.clients.logPoison(connection),
      onBreak: (connection, code) => this.clients.break(connection, code),
      onEnd: (connection) => this.forget(connection),
      onCandidates: () => {
        this.presence.announceSoon();
        this.upgrades.retry();
      },
    });
    this.clients = new ClientEvents({
      id: options.id,
      slots: this.slots,
      dispatcher: this.dispatcher,
      log: options.log,
      proxies: () => this.proxies,
      limits: () => this.settings,
    });
    this.commits = new Commits({
      connections: this.slots.connections,
      dispatcher: this.dispatcher,
      topics: this.topics,
      publishHere,
      onBug: (connection, error) => this.clients.meetBug(connection, error),
      onError: (code, closeCode, release) => this.clients.closedByWorker(code, closeCode, release),
    });
    this.requests = new WorkerRequests({
      now,
      limits: this.limits,
      choose: () => this.dispatcher.leastLoaded(),
      memory: this.dispatcher.parking,
    });
    this.workers = new Workers({
      hub: this.hub,
      dispatcher: this.dispatcher,
      requests: this.requests,
      log: options.log,
      now,
      limits: this.workerLimits,
      onLost: (worker, how) => {
        this.requests.lost(worker, how);
        this.presence.announceSoon();
      },
    });
    this.stalls = new StallDetector({
      now,
      askNats: () => bus.flush(),
      onStoodStill: () => this.hub.stoodStill(),
      everyMs: sweepMs,
    });
    this.scrapes = new Scrapes((number) => bus.publish(this.subjects.scrape, encodeScrape({ to: this.id, number })));
    this.records = new WorkerRecords({
      slots: this.slots,
      dispatcher: this.dispatcher,
      commits: this.commits,
      requests: this.requests,
      appCommands: new AppCommands({ slots: this.slots, topics: this.topics, publishHere }),
      log: options.log,
    });
    this.files = new FileGuard({
      files: openFiles(),
      now,
      connections: () => this.dispatcher.size,
      stopListening: () => this.server?.pauseListening(),
      listenAgain: async () => this.server?.listenAgain(),
      onFull: (open) => {
        const text =
          "no files for more connections: newcomers are refused (gateway.full); raise the limit (systemd: LimitNOFILE=, a shell: ulimit -n)";
        options.log.warn({ openFiles: open, limit: openFilesLimit(), connections: this.dispatcher.size, code: "gateway.full" }, text);
      },
      onRoom: () => options.log.info("there are files for more connections again"),
    });
    this.upgrades = new Upgrades({
      dispatcher: this.dispatcher,
      requests: this.requests,
      now,
      limits: this.requestLimits,
      isFull: () => this.files.isFull,
      onPoison: (kind, method, path) => {
        options.log.error({ kind, method, path, code: "request.poison" }, "given up: it was with three workers that died");
      },
      onCut: ({ method, path }, reason) => {
        options.log.warn({ method, path, reason, code: "response.broken" }, "an answer was cut off before it was whole");
      },
      admit: (admission) => this.clients.admit(admission),
    });
    this.lostGateways = new LostGateways({
      self: options.id,
      identity: options.identity,
      requests: this.requests,
      log: options.log,
      silenceMs: () => this.settings.GATEWAY_TIMEOUT_MS,
      now,
      onHandled: (gateway) => this.presence.say({ kind: "gone", id: gateway, reason: "exited" }),
    });
    if (options.activation !== undefined) this.dispatcher.activate(options.activation);
  }

  get id(): string {
    return this.options.id;
  }

  get config(): GatewayConfig {
    return this.settings;
  }

  get counters() {
    const { bugs, tooLarge, slowConsumers } = this.clients.counters;
    return { malformed: this.records.malformed, bugs, tooLarge, slowConsumers, reconnects: this.reconnects };
  }

  /** Connections that were closed for an error, by its code. */
  get broken(): Readonly<Record<string, number>> {
    return this.clients.broken;
  }

  get connected(): boolean {
    return this.options.bus.connected;
  }

  /** Takes connections from now on, and tells everybody. */
  async start(): Promise<{ port: number }> {
    const { bus, config, identity, log } = this.options;
    bus.subscribe(this.subjects.members, ({ payload }) => this.hear(decodeAnnouncement(payload)));
    bus.subscribe(this.subjects.scraped(this.id), ({ payload }) => this.scrapes.answered(parseScraped(payload)));
    // Hundreds may come before the first sweep: all of those whom an earlier gateway served.
    await this.files.step();
    this.server = await listen<Connection>(
      {
        host: config.HOST,
        port: config.PORT,
        tls: this.certificate,
        limits: serverLimits(config),
      },
      {
        onUpgrade: (incoming, client) => this.upgrades.upgrade(this.clients.identified(incoming), client),
        onRequest: (incoming, client) => this.upgrades.request(this.clients.identified(incoming), client),
        onOpen: (connection, socket) => this.clients.open(connection, socket),
        onMessage: (connection, message, isBinary) => this.clients.receive(connection, message, isBinary),
        onClose: (connection, code, reason, isSlow) => this.clients.closed(connection, { code, reason, isSlow }),
      },
    );
    // Not before: what cannot listen has nobody to lose.
    await identity
      .take()
      .catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: if this gateway crashes, onGatewayLost may not run for it"));
    this.presence.begin();
    this.sweeping = setInterval(() => this.sweep(), sweepMs);
    this.lostGateways.begin();
    return { port: this.server.port };
  }

  /**
   * Goes on with other settings: at once where that is possible, else for new connections. See liveSettings.
   * @throws where uWebSockets.js refuses the certificate; then nothing has changed.
   */
  async change(config: GatewayConfig, certificate: Certificate | undefined): Promise<void> {
    const limits = serverLimits(config);
    const isSameServer =
      isDeepStrictEqual(limits, serverLimits(this.settings)) && certificate?.fingerprint === this.certificate?.fingerprint;
    if (!isSameServer) await this.server?.renew({ tls: certificate, limits });
    this.settings = config;
    this.certificate = certificate;
    this.proxies = new TrustedProxies(config.TRUSTED_PROXIES);
    // Whoever was given them reads them each time.
    Object.assign(this.limits, dispatchLimits(config));
    Object.assign(this.requestLimits, requestLimits(config));
    Object.assign(this.topicLimits, topicLimits(config, this.options.bus.maxPayloadBytes));
    Object.assign(this.workerLimits, workerLimits(config));
  }

  /** The admin port is part of the hello. */
  set admin(port: number) {
    this.adminPort = port;
  }

  /** Something came over NATS that nobody of ours sends, or a bug met no connection in particular. */
  meetFault(error: unknown): void {
    this.faults.meet(error, (text, count) => this.options.log.error({ err: error, count }, text));
  }

  /** NATS is gone: messages park. */
  disconnected(): void {
    this.awaySince = this.options.now();
    this.topics.disconnected();
  }

  /** NATS is back: links resume where they were, and nobody is thought dead for the silence. */
  reconnected(): void {
    this.awaySince = undefined;
    this.reconnects++;
    this.excuse();
    this.hub.reconnected();
    this.topics.reconnected();
    this.presence.say({ kind: "ask" });
    this.presence.announce();
  }

  /** Lets no one in, closes everyone once their begun turns have committed, and waits until their onClose has run; at most DRAIN_MS. */
  async drain(): Promise<void> {
    const { now, log } = this.options;
    const { DRAIN_MS, CLOSE_BATCH, CLOSE_PAUSE_MS } = this.settings;
    const deadline = now() + DRAIN_MS;
    this.server?.stopListening();
    this.upgrades.drain();
    this.lostGateways.end();
    this.presence.announce();
    // Until gateways that end together have heard of each other.
    await pause(Math.min(togetherMs, DRAIN_MS));
    const connectionDrain = new ConnectionDrain({
      now,
      connections: this.dispatcher.all(),
      hasPeer: () => this.peers.areThere,
      limits: { batch: CLOSE_BATCH, pauseMs: CLOSE_PAUSE_MS, closeMs: DRAIN_MS * closeShare },
      close: ({ socket }, code) => socket?.end(errorTable[code].close, code),
      onBatch: (connections, left) => log.info({ connections, left }, "connections are told to leave"),
    });
    const isBusy = () => this.dispatcher.size > 0 || this.upgrades.parked > 0 || this.writing > 0;
    while (isBusy() && now() < deadline) {
      connectionDrain.step();
      await pause(drainStepMs);
    }
    const answers = this.writing;
    if (answers > 0) log.warn({ answers }, "ended before every answer was whole: their clients are cut off");
    if (this.dispatcher.size > 0) log.warn({ connections: this.dispatcher.size }, "ended before every onClose had run");
    else
      await this.options.identity.leave().catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: onGatewayLost will run"));
    clearInterval(this.sweeping);
    this.hub.flush();
    this.hub.stop();
    this.presence.leave();
    this.hasLeft = true;
    await this.options.bus.close();
  }

  private get writing(): number {
    return this.server?.writing ?? 0;
  }

  get isDraining(): boolean {
    return this.upgrades.isDraining;
  }

  hello(): GatewayHello {
    const { dispatcher } = this;
    return {
      kind: "gateway",
      id: this.id,
      pid: process.pid,
      host: hostname(),
      protocol: protocolVersion,
      port: this.server?.port ?? 0,
      adminPort: this.adminPort,
      startedAt: this.startedAt,
      connections: dispatcher.size,
      parked: dispatcher.parked + this.upgrades.parked,
      messagesIn: dispatcher.counters.messagesIn,
      messagesOut: this.commits.counters.messagesOut,
      draining: this.isDraining,
      tellsStates: true,
      serving: dispatcher.serving,
      routes: dispatcher.routes,
      pins: Object.fromEntries([...this.workers.all()].map((worker) => [worker.id, worker.pins])),
      silent: this.workers.silent,
      handover: dispatcher.handover.report(dispatcher.hasHandedOver),
      activation: dispatcher.activation,
    };
  }

  private get handoverStage(): string {
    const { handover, hasHandedOver } = this.dispatcher;
    // What is closed later is told with the next heartbeat.
    return `${handover.remaining} ${hasHandedOver} ${hasHandedOver ? "" : handover.closedTotal}`;
  }

  private forget(connection: Connection): void {
    for (const topic of connection.topics ?? []) this.topics.release(topic);
    this.slots.free(connection);
  }

  // ── what others say ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private hear(announcement: Announcement): void {
    if (this.hasLeft) return;
    this.peers.hear(announcement);
    this.topics.hear(announcement);
    this.lostGateways.hear(announcement);
    switch (announcement.kind) {
      case "worker":
        if (announcement.protocol !== protocolVersion) return;
        // First: it may be why the worker's onStart has ended.
        if (announcement.activation !== undefined) this.activate(announcement.activation);
        return this.workers.hear(announcement);
      case "ask":
        return this.presence.announce();
      case "activate":
        return this.activate(announcement.activation);
      case "gateway":
        if (announcement.activation !== undefined) this.activate(announcement.activation);
        return;
      case "gone":
        return this.workers.gone(announcement.id, announcement.reason);
    }
  }

  private activate(activation: Activation): void {
    if (!this.dispatcher.activate(activation)) return;
    this.options.log.info({ release: activation.release, generation: activation.generation }, "release activated");
    this.presence.announce();
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private sweep(): void {
    this.dispatcher.sweep(this.awaySince === undefined ? 0 : this.options.now() - this.awaySince);
    this.upgrades.sweep();
    void this.files.step();
    this.topics.sweep();
    if (!this.stalls.check()) this.excuse();
    if (!this.options.bus.connected) return;
    this.workers.sweep();
    this.lostGateways.sweep();
  }

  // Whoever was silent until now could not be heard.
  private excuse(): void {
    this.workers.excuse();
    this.lostGateways.excuse();
  }
}
