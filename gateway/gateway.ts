// Puts the gateway together: sockets on one side, links to workers on the other, the dispatcher between them.

import type { Logger } from "pino";
import { FaultMeter } from "../process/fault-meter.ts";
import { gatewaySweepMs } from "../process/gateway-timeout.ts";
import type { IdentityFile } from "../process/identity-file.ts";
import { ProcessMeter } from "../process/process-meter.ts";
import { encodeScrape, parseScraped } from "../process/scrape.ts";
import type { Bus } from "../protocol/bus.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import type { Activation } from "../protocol/membership.ts";
import { Presence } from "../protocol/presence.ts";
import { StallDetector } from "../protocol/stall-detector.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { Announcements } from "./announcements.ts";
import { AppCommands } from "./app-commands.ts";
import type { Certificate } from "./certificate.ts";
import { ClientEvents } from "./client-events.ts";
import { Commits } from "./commit.ts";
import type { GatewayConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Frontend } from "./frontend.ts";
import { handoverStage, helloOf } from "./hello.ts";
import { LiveSettings } from "./live-settings.ts";
import { LostGateways } from "./lost-gateways.ts";
import { PacedInterest } from "./paced-interest.ts";
import { PeerGateways } from "./peer-gateways.ts";
import { closeEveryone } from "./shutdown.ts";
import { SlotTable } from "./slot-table.ts";
import { Topics } from "./topics.ts";
import { WorkerRecords } from "./worker-records.ts";
import { WorkerRequests } from "./worker-requests.ts";
import { Scrapes } from "./worker-scrapes.ts";
import { Workers } from "./workers.ts";

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
  readonly id: string;
  readonly startedAt = Date.now();
  /** Part of the hello. */
  adminPort = 0;
  readonly settings: LiveSettings;
  readonly slots = new SlotTable();
  readonly dispatcher: Dispatcher;
  readonly topics: Topics;
  readonly interest: PacedInterest;
  readonly commits: Commits;
  readonly clients: ClientEvents;
  readonly frontend: Frontend;
  readonly hub: LinkHub;
  readonly workers: Workers;
  readonly scrapes: Scrapes;
  readonly faults = new FaultMeter();
  readonly meter = new ProcessMeter("gateway");
  private readonly options: GatewayOptions;
  private readonly subjects: Subjects;
  private readonly peers: PeerGateways;
  private readonly lostGateways: LostGateways;
  private readonly presence: Presence;
  private readonly announcements: Announcements;
  private readonly requests: WorkerRequests;
  private readonly records: WorkerRecords;
  private readonly stalls: StallDetector;
  private sweeping: NodeJS.Timeout | undefined;
  private reconnects = 0;
  /** Since when NATS is gone. */
  private awaySince: number | undefined;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.id = options.id;
    const { config, bus, now, log } = options;
    this.settings = new LiveSettings(config, options.certificate, bus.maxPayloadBytes);
    this.peers = new PeerGateways(now);
    this.subjects = subjectsOf(config.NAMESPACE);
    const publishHere = (topic: string, data: Uint8Array, isBinary: boolean) => this.frontend.publish(topic, data, isBinary);
    this.hub = new LinkHub({
      self: options.id,
      bus,
      subjects: this.subjects,
      inboxes: [this.subjects.linkFromWorkers(options.id), this.subjects.link(options.id)],
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
      subjects: () => [this.subjects.members],
      now,
      hello: () => helloOf(this),
      stage: () => handoverStage(this.dispatcher),
      limits: this.settings.dispatch,
    });
    this.topics = new Topics({
      self: options.id,
      bus,
      subjects: this.subjects,
      now,
      later: (run) => setImmediate(run),
      wallClock: Date.now,
      publishHere,
      onBegun: () => this.hub.flushSoon(),
      limits: this.settings.topics,
    });
    this.interest = new PacedInterest({ topics: this.topics, limits: this.settings.interest, now, later: (run) => setImmediate(run) });
    this.hub.onFlush(() => this.topics.flush());
    this.dispatcher = new Dispatcher({
      connections: () => this.slots.all(),
      now,
      later: (run) => setImmediate(run),
      limits: this.settings.dispatch,
      onPoison: (connection, poison) => this.clients.logPoison(connection, poison),
      onBug: (connection, error) => this.clients.meetBug(connection, error),
      onBreak: (connection, code) => this.clients.break(connection, code),
      onEnd: (connection) => this.forget(connection),
      onCandidates: () => {
        this.presence.announceSoon();
        this.frontend.upgrades.retry();
      },
    });
    this.clients = new ClientEvents({
      id: options.id,
      slots: this.slots,
      dispatcher: this.dispatcher,
      now,
      log,
      settings: this.settings,
    });
    this.commits = new Commits({
      connections: this.slots.connections,
      dispatcher: this.dispatcher,
      topics: this.topics,
      interest: this.interest,
      publishHere,
      onTooManyTopics: (connection) => this.clients.break(connection, "topics.total"),
      onBug: (connection, error) => this.clients.meetBug(connection, error),
      onIdentity: (connection, identity) => this.clients.learn(connection, identity),
      onError: (code, closeCode, release) => this.clients.closedByWorker(code, closeCode, release),
    });
    this.requests = new WorkerRequests({
      now,
      limits: this.settings.dispatch,
      choose: () => this.dispatcher.leastLoaded(),
      memory: this.dispatcher.parking,
    });
    this.workers = new Workers({
      hub: this.hub,
      dispatcher: this.dispatcher,
      requests: this.requests,
      log: options.log,
      now,
      limits: this.settings.workers,
      onLost: (worker, how) => {
        this.requests.lost(worker, how);
        this.presence.announceSoon();
      },
    });
    this.stalls = new StallDetector({
      now,
      askNats: () => bus.flush(),
      onStoodStill: () => this.hub.stoodStill(),
      everyMs: gatewaySweepMs,
    });
    this.scrapes = new Scrapes((number) => bus.publish(this.subjects.scrape, encodeScrape({ to: this.id, number })));
    this.records = new WorkerRecords({
      slots: this.slots,
      dispatcher: this.dispatcher,
      commits: this.commits,
      requests: this.requests,
      appCommands: new AppCommands({ slots: this.slots, topics: this.topics, publishHere, now, later: (run) => setImmediate(run) }),
      log: options.log,
    });
    const { settings, clients, dispatcher, topics, workers, requests, peers, presence } = this;
    this.frontend = new Frontend({ id: this.id, settings, clients, dispatcher, requests, now, log });
    this.lostGateways = new LostGateways({
      self: options.id,
      identity: options.identity,
      requests,
      log,
      silenceMs: () => settings.config.GATEWAY_TIMEOUT_MS,
      now,
      onHandled: (gateway) => presence.say({ kind: "gone", id: gateway, reason: "exited" }),
    });
    const { lostGateways, subjects } = this;
    this.announcements = new Announcements({ bus, subjects, dispatcher, workers, peers, lostGateways, topics, presence, log });
    if (options.activation !== undefined) this.dispatcher.activate(options.activation);
  }

  get counters() {
    const { bugs, tooLarge, slowConsumers } = this.clients.counters;
    return { malformed: this.records.malformed, bugs, tooLarge, slowConsumers, reconnects: this.reconnects };
  }

  get connected(): boolean {
    return this.options.bus.connected;
  }

  /** Takes connections from now on, and tells everybody. */
  async start(): Promise<{ port: number }> {
    const { bus, identity, log } = this.options;
    this.announcements.begin();
    bus.subscribe(this.subjects.scraped(this.id), ({ payload }) => this.scrapes.answered(parseScraped(payload)));
    await this.frontend.listen();
    // Not before: what cannot listen has nobody to lose.
    await identity
      .take()
      .catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: if this gateway crashes, onGatewayLost may not run for it"));
    this.presence.begin();
    this.sweeping = setInterval(() => this.sweep(), gatewaySweepMs);
    this.lostGateways.begin();
    return { port: this.frontend.port };
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
    this.dispatcher.reconnected(this.options.now() - (this.awaySince ?? this.options.now()));
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
    const { dispatcher, frontend, peers } = this;
    const { bus, identity, now, log } = this.options;
    frontend.drain();
    this.lostGateways.end();
    this.presence.announce();
    await closeEveryone({ config: this.settings.config, dispatcher, frontend, peers, now, log });
    if (dispatcher.size === 0) {
      await identity.leave().catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: onGatewayLost will run"));
    }
    this.announcements.end();
    this.clients.sparseLog.end();
    clearInterval(this.sweeping);
    this.hub.flush();
    this.hub.stop();
    this.presence.leave();
    await bus.close();
  }

  private forget(connection: Connection): void {
    this.clients.expiries.forget(connection);
    if (connection.topics !== undefined) this.interest.release(connection.topics);
    this.slots.free(connection);
  }

  private sweep(): void {
    this.dispatcher.sweep(this.awaySince === undefined ? 0 : this.options.now() - this.awaySince);
    this.frontend.sweep();
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
