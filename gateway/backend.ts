// The side that workers are on, over NATS: the links to them, what they say and are asked, and what members of the installation tell
// each other. The side that clients are on is frontend.ts.

import type { Logger } from "pino";
import { FaultMeter } from "../process/fault-meter.ts";
import { gatewaySweepMs } from "../process/gateway-timeout.ts";
import type { IdentityFile } from "../process/identity-file.ts";
import { encodeScrape, parseScraped } from "../process/scrape.ts";
import type { SparseLog } from "../process/sparse-log.ts";
import type { Bus } from "../protocol/bus.ts";
import { type DeployProgress, parseDeployProgress } from "../protocol/deploy-progress.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import type { GatewayHello } from "../protocol/membership.ts";
import { Presence } from "../protocol/presence.ts";
import { StallDetector } from "../protocol/stall-detector.ts";
import type { Subjects } from "../protocol/subjects.ts";
import { Announcements } from "./announcements.ts";
import { AppCommands } from "./app-commands.ts";
import type { Commits } from "./commit.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { handoverStage } from "./hello.ts";
import type { History } from "./history/history.ts";
import type { LiveSettings } from "./live-settings.ts";
import type { LockEntries } from "./locks/lock-entries.ts";
import type { Locks } from "./locks/locks.ts";
import { freeLostLocks } from "./locks/lost-locks.ts";
import { LostGateways } from "./lost-gateways.ts";
import type { Members } from "./members.ts";
import { PeerGateways } from "./peer-gateways.ts";
import type { Pipes } from "./pipes/pipes.ts";
import type { SlotTable } from "./slot-table.ts";
import { TaskFences } from "./task-fences.ts";
import type { PublishHere, Topics } from "./topics.ts";
import type { UserConnections } from "./user-connections.ts";
import { WorkerRecords } from "./worker-records.ts";
import { WorkerRequests } from "./worker-requests.ts";
import { Scrapes } from "./worker-scrapes.ts";
import { Workers } from "./workers.ts";

export interface BackendOptions {
  /** Of the gateway. */
  readonly id: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly identity: Pick<IdentityFile, "crashed" | "add" | "settle">;
  readonly settings: LiveSettings;
  readonly slots: SlotTable;
  readonly users: UserConnections;
  readonly dispatcher: Dispatcher;
  readonly topics: Topics;
  readonly members: Members;
  readonly history: History;
  readonly locks: Locks;
  readonly lockEntries: LockEntries;
  readonly commits: Commits;
  readonly publishHere: PublishHere;
  readonly hello: () => GatewayHello;
  /** With other gateways. */
  readonly pipes: () => Pick<Pipes, "isPeer" | "has" | "received" | "stranger" | "credit" | "lost" | "unheard">;
  /** NATS is back. */
  readonly onReconnected: () => void;
  /** This gateway, or NATS, has stood still or was away: whoever was silent until now could not be heard. */
  readonly onExcuse: () => void;
  readonly now: () => number;
  readonly log: Logger;
  /** Swept elsewhere. */
  readonly sparseLog: Pick<SparseLog, "error">;
}

export class Backend {
  readonly hub: LinkHub;
  readonly workers: Workers;
  readonly requests: WorkerRequests;
  readonly scrapes: Scrapes;
  readonly announcements: Announcements;
  readonly peers: PeerGateways;
  readonly appCommands: AppCommands;
  readonly presence: Presence;
  readonly faults: FaultMeter;
  /** How often NATS came back. */
  reconnects = 0;
  private readonly options: BackendOptions;
  private readonly lostGateways: LostGateways;
  private readonly records: WorkerRecords;
  private readonly stalls: StallDetector;
  /** Since when NATS is gone. */
  private awaySince: number | undefined;

  constructor(options: BackendOptions) {
    this.options = options;
    const { id, bus, subjects, settings, slots, dispatcher, topics, commits, publishHere, pipes, now, log } = options;
    const fromWorkers = subjects.linkFromWorkers(id);
    this.faults = new FaultMeter((kind, err, text) => options.sparseLog.error(kind, { err }, text));
    this.peers = new PeerGateways({ now, timeoutMs: () => settings.config.GATEWAY_TIMEOUT_MS });
    this.hub = new LinkHub({
      self: id,
      bus,
      subjects,
      inboxes: [fromWorkers, subjects.link(id)],
      now,
      onBatch: (peer, batch) => {
        const worker = this.workers.get(peer);
        if (worker !== undefined) this.records.handle(worker, batch);
        else if (pipes().has(peer)) pipes().received(peer, batch);
      },
      // NATS lets workers write to one inbox only, where gateways do not.
      isForeign: (peer, inbox) => inbox === fromWorkers && pipes().isPeer(peer),
      // Workers speak only when they were given something; a stranger's frame is from before our time.
      onStranger: (peer) => pipes().stranger(peer),
      onCredit: (peer) => {
        const worker = this.workers.get(peer);
        if (worker !== undefined) dispatcher.creditBack(worker);
        else pipes().credit(peer);
      },
      onLost: (peer) => {
        if (pipes().has(peer)) pipes().lost(peer);
        else if (this.presence.mayBeForgotten) this.workers.lose(peer, "it took this gateway for dead", "forgotUs");
        else this.workers.lose(peer, "it has begun another life", "left");
      },
      onUnheard: (peer) => {
        if (pipes().has(peer)) pipes().unheard(peer);
        else this.workers.lose(peer, "nobody hears it", "unreachable");
      },
    });
    this.hub.onFlush(() => topics.flush());
    this.presence = new Presence({
      id,
      bus,
      subjects: () => [subjects.members],
      now,
      hello: options.hello,
      stage: () => handoverStage(dispatcher),
      limits: settings.dispatch,
    });
    this.requests = new WorkerRequests({
      now,
      later: (run) => setImmediate(run),
      limits: settings.dispatch,
      choose: () => dispatcher.leastLoaded(),
      memory: dispatcher.parking,
      onBug: (error) => this.meetFault(error),
    });
    this.workers = new Workers({
      hub: this.hub,
      dispatcher,
      requests: this.requests,
      log,
      now,
      limits: settings.workers,
      onLost: (worker, how) => {
        this.requests.lost(worker, how);
        this.presence.announceSoon();
      },
    });
    this.stalls = new StallDetector({
      now,
      askNats: () => bus.flush(),
      onStoodStill: () => {
        this.hub.stoodStill();
        // Others may have taken this gateway for dead.
        options.locks.reconnected();
      },
      everyMs: gatewaySweepMs,
    });
    this.scrapes = new Scrapes((question) => bus.publish(subjects.scrape, encodeScrape({ to: id, ...question })));
    const { requests, workers, peers, presence } = this;
    const { users, members, history, locks } = options;
    const fences = new TaskFences();
    const connections = () => dispatcher.size;
    this.appCommands = new AppCommands({ slots, users, topics, members, history, publishHere, fences, locks, connections });
    this.records = new WorkerRecords({ slots, dispatcher, commits, requests, appCommands: this.appCommands, log });
    this.lostGateways = new LostGateways({
      self: id,
      identity: options.identity,
      requests,
      log,
      silenceMs: () => settings.config.GATEWAY_TIMEOUT_MS,
      now,
      freeLocks: (gateway, isWanted, onFreed) => {
        void freeLostLocks({ gateway, entries: options.lockEntries, bus, isWanted, log }).then(onFreed);
      },
      onHandled: (gateway) => presence.say({ kind: "gone", id: gateway, reason: "exited" }),
    });
    const { lostGateways } = this;
    this.announcements = new Announcements({ bus, subjects, dispatcher, workers, peers, lostGateways, topics, presence, log });
  }

  get connected(): boolean {
    return this.options.bus.connected;
  }

  /** For how long NATS has been gone; 0 while it is there. */
  get awayMs(): number {
    return this.awaySince === undefined ? 0 : this.options.now() - this.awaySince;
  }

  /** Records from workers that could not be read. */
  get malformed(): number {
    return this.records.malformed;
  }

  /** Hears the others, and says nothing yet. */
  listen(): void {
    const { id, bus, subjects } = this.options;
    this.announcements.begin();
    this.peers.listens();
    bus.subscribe(subjects.scraped(id), ({ payload }) => this.scrapes.answered(parseScraped(payload)));
  }

  /** Tells of deploys as they happen. @returns what ends that. */
  listenToDeploys(listener: (progress: DeployProgress) => void): () => void {
    const { bus, subjects } = this.options;
    const subscription = bus.subscribe(subjects.deploys, ({ payload }) => listener(parseDeployProgress(payload)));
    return () => subscription.unsubscribe();
  }

  /** Tells everybody that the gateway is there. */
  begin(): void {
    this.presence.begin();
    this.lostGateways.begin();
  }

  /** Something came over NATS that nobody of ours sends, or a bug met no connection in particular. */
  meetFault(error: unknown): void {
    this.faults.meet(error);
  }

  /** NATS is gone: messages park. */
  disconnected(): void {
    this.awaySince = this.options.now();
    this.options.topics.disconnected();
    this.options.history.topics.disconnected();
  }

  /** NATS is back: links resume where they were, and nobody is thought dead for the silence. */
  reconnected(): void {
    const { dispatcher, topics, history, locks } = this.options;
    dispatcher.reconnected(this.awayMs);
    this.awaySince = undefined;
    this.reconnects++;
    this.excuse();
    this.peers.listens();
    this.hub.reconnected();
    topics.reconnected();
    history.topics.reconnected(topics.size > 0);
    locks.reconnected();
    this.options.onReconnected();
    this.presence.say({ kind: "ask" });
    this.presence.announce();
  }

  /** To be called every `gatewaySweepMs`. */
  sweep(): void {
    // Before that is checked: this process may be stopped at any moment behind it, and what is said meanwhile is read later.
    const at = this.options.now();
    if (!this.stalls.check()) this.excuse();
    if (!this.connected) return;
    this.workers.sweep(at);
    this.peers.sweep(at);
    this.options.locks.sweep();
    this.lostGateways.sweep();
  }

  /** The gateway ends: others are told, and gateways that were lost are left to them. */
  drain(): void {
    this.lostGateways.end();
    this.presence.announce();
  }

  /** The last word. */
  async end(): Promise<void> {
    this.announcements.end();
    this.hub.flush();
    this.hub.stop();
    this.presence.leave();
    await this.options.bus.close();
  }

  // Whoever was silent until now could not be heard.
  private excuse(): void {
    this.workers.excuse();
    this.peers.excuse();
    this.lostGateways.excuse();
    this.options.onExcuse();
  }
}
