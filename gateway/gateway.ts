// Puts the gateway together: clients on one side, workers on the other, the dispatcher between them.

import type { Logger } from "pino";
import { gatewaySweepMs } from "../process/gateway-timeout.ts";
import type { IdentityFile } from "../process/identity-file.ts";
import { ProcessMeter } from "../process/process-meter.ts";
import type { Bus } from "../protocol/bus.ts";
import type { HistoryStore } from "../protocol/history.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { AllGateways } from "./api/all-gateways.ts";
import { Api } from "./api/api.ts";
import { countsOf } from "./api/counts-endpoint.ts";
import { IdempotentAnswers } from "./api/idempotent-answers.ts";
import { KnownKeys } from "./api/known-keys.ts";
import { memberPage } from "./api/member-pages.ts";
import { listenApi } from "./api/port.ts";
import { Publisher } from "./api/publisher.ts";
import { Backend } from "./backend.ts";
import type { Certificate } from "./certificate.ts";
import { ClientEvents } from "./client-events.ts";
import { Commits } from "./commit.ts";
import type { GatewayConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Frontend } from "./frontend.ts";
import { helloOf } from "./hello.ts";
import { History } from "./history/history.ts";
import { LiveSettings } from "./live-settings.ts";
import { LockEntries, type LockStore } from "./locks/lock-entries.ts";
import { Locks } from "./locks/locks.ts";
import { Members } from "./members.ts";
import { PacedInterest } from "./paced-interest.ts";
import { closeEveryone } from "./shutdown.ts";
import { SlotTable } from "./slot-table.ts";
import { Topics } from "./topics.ts";
import { UserConnections } from "./user-connections.ts";
import type { Server } from "./uws/server.ts";

export interface GatewayOptions {
  readonly id: string;
  readonly config: GatewayConfig;
  /** undefined: clients speak without TLS. */
  readonly certificate?: Certificate | undefined;
  readonly identity: Pick<IdentityFile, "crashed" | "add" | "take" | "settle" | "leave">;
  readonly bus: Bus;
  readonly historyStore: (limits: LiveSettings["history"]) => HistoryStore;
  readonly lockStore: LockStore;
  readonly log: Logger;
  readonly now: () => number;
}

export class Gateway {
  readonly id: string;
  readonly startedAt = Date.now();
  /** Part of the hello. */
  adminPort = 0;
  readonly settings: LiveSettings;
  readonly slots = new SlotTable();
  readonly users: UserConnections;
  readonly dispatcher: Dispatcher;
  readonly topics: Topics;
  readonly history: History;
  readonly members: Members;
  readonly locks: Locks;
  readonly interest: PacedInterest;
  readonly commits: Commits;
  readonly clients: ClientEvents;
  readonly frontend: Frontend;
  readonly api: Api;
  readonly allGateways: AllGateways;
  readonly backend: Backend;
  readonly meter = new ProcessMeter("gateway");
  private readonly options: GatewayOptions;
  private readonly apiKeys: KnownKeys;
  private readonly apiAnswers: IdempotentAnswers;
  private apiPort: Server | undefined;
  private sweeping: NodeJS.Timeout | undefined;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { id, config, identity, bus, now, log } = options;
    this.id = id;
    this.settings = new LiveSettings(config, options.certificate, bus.maxPayloadBytes);
    const { slots, settings } = this;
    this.users = new UserConnections({ slots, now, later: (run) => setImmediate(run) });
    this.members = new Members({ wallClock: Date.now, limits: settings.members });
    const { users, members } = this;
    const subjects = subjectsOf(config.NAMESPACE);
    this.history = new History({
      self: id,
      store: options.historyStore(settings.history),
      flush: () => this.topics.flush(),
      now,
      wallClock: Date.now,
      after: (ms, run) => setTimeout(run, ms),
      isConnected: () => bus.connected,
      publishHere: (topic, data, isBinary, except) => this.frontend.publish(topic, data, isBinary, except),
      wantedAt: (topic) => this.topics.wantedAt(topic),
      limits: settings.history,
    });
    const { history } = this;
    const { publishHere } = history;
    this.topics = new Topics({
      self: id,
      bus,
      subjects,
      now,
      later: (run) => setImmediate(run),
      wallClock: Date.now,
      publishHere,
      onBegun: () => this.backend.hub.flushSoon(),
      kept: history.topics,
      limits: settings.topics,
    });
    this.interest = new PacedInterest({
      topics: this.topics,
      limits: settings.interest,
      now,
      later: (run) => setImmediate(run),
      after: (ms, run) => setTimeout(run, ms),
    });
    this.dispatcher = new Dispatcher({
      connections: () => slots.all(),
      now,
      later: (run) => setImmediate(run),
      limits: settings.dispatch,
      onPoison: (connection, poison) => this.clients.logPoison(connection, poison),
      onBug: (connection, error) => this.clients.meetBug(connection, error),
      onBreak: (connection, code) => this.clients.break(connection, code),
      onEnd: (connection) => this.forget(connection),
      onCandidates: () => {
        this.backend.presence.announceSoon();
        this.frontend.upgrades.retry();
      },
    });
    const { topics, interest, dispatcher } = this;
    this.clients = new ClientEvents({ id, slots, users, members, dispatcher, now, log, settings });
    const { clients } = this;
    const lockEntries = new LockEntries(options.lockStore);
    this.locks = new Locks({
      self: id,
      entries: lockEntries,
      now,
      limits: settings.locks,
      isGone: (gateway) => this.backend.peers.isGone(gateway),
      onLost: (connection) => {
        const loser = slots.find(connection);
        if (loser !== undefined) clients.break(loser, "lock.lost");
      },
    });
    const { locks } = this;
    this.commits = new Commits({
      ...{ dispatcher, topics, interest, members, history, publishHere, locks },
      connections: slots.connections,
      hooks: clients.hooks,
      onNotKept: (connection, code, error) => this.clients.notKept(connection, code, error),
      timers: clients.timers,
      sessions: () => this.frontend.sessions.moves,
      heartbeats: clients.heartbeats,
      onNoRoom: (connection, code) => clients.break(connection, code),
      onTooManyTopics: (connection) => this.clients.break(connection, "topics.total"),
      onBug: (connection, error) => this.clients.meetBug(connection, error),
      onIdentity: (connection, identity) => this.clients.learn(connection, identity),
      onMessages: (connection, more) => {
        if (connection.meter?.moreMessages(more) === false) this.clients.break(connection, "rate.sent");
      },
      onError: (code, closeCode, release) => this.clients.closedByWorker(code, closeCode, release),
    });
    const { commits } = this;
    this.backend = new Backend({
      id,
      bus,
      subjects,
      identity,
      settings,
      slots,
      users,
      dispatcher,
      topics,
      members,
      history,
      locks,
      lockEntries,
      commits,
      publishHere,
      hello: () => helloOf(this),
      pipes: () => this.frontend.pipes,
      onReconnected: () => this.frontend.sessions.relay.reconnected(),
      onExcuse: () => this.frontend.excuse(),
      now,
      log,
      sparseLog: clients.sparseLog,
    });
    this.apiKeys = new KnownKeys({ file: config.API_KEYS_FILE, log });
    this.apiAnswers = new IdempotentAnswers({
      now,
      limits: () => ({ answers: settings.config.API_IDEMPOTENCY_KEYS, keptMs: settings.config.API_IDEMPOTENCY_MS }),
    });
    const { peers, appCommands, requests, hub } = this.backend;
    this.allGateways = new AllGateways({
      ...{ self: id, bus, subjects, peers, now },
      answers: this.apiAnswers,
      run: (command, answer) => appCommands.apply(id, command, answer),
      limits: settings.allGateways,
      onBug: (error) => this.backend.meetFault(error),
    });
    const api = this.makeApi();
    this.api = api;
    this.frontend = new Frontend({
      ...{ id, bus, subjects, hub, settings, clients, dispatcher, requests, peers, api, now, log },
      onBug: (error) => this.backend.meetFault(error),
    });
  }

  get counters() {
    const { bugs, tooLarge, slowConsumers } = this.clients.counters;
    const { malformed, reconnects } = this.backend;
    return { malformed, bugs, tooLarge, slowConsumers, reconnects };
  }

  /** Takes connections from now on, and tells everybody. */
  async start(): Promise<{ port: number }> {
    const { identity, log } = this.options;
    this.backend.listen();
    this.allGateways.begin();
    await this.apiKeys.begin();
    await this.frontend.listen();
    this.apiPort = await listenApi(this);
    // Not before: what cannot listen has nobody to lose.
    await identity
      .take()
      .catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: if this gateway crashes, onGatewayLost may not run for it"));
    this.backend.begin();
    this.sweeping = setInterval(() => this.sweep(), gatewaySweepMs);
    return { port: this.frontend.port };
  }

  /** Lets no one in, closes everyone once their begun turns have committed, and waits until their onClose has run; at most DRAIN_MS. */
  async drain(): Promise<void> {
    const { dispatcher, frontend, history, backend } = this;
    const { identity, now, log } = this.options;
    frontend.drain();
    this.apiPort?.stopListening();
    this.apiKeys.end();
    backend.drain();
    await closeEveryone({ config: this.settings.config, dispatcher, frontend, history, locks: this.locks, peers: backend.peers, now, log });
    // Whoever comes after this gateway gives back what is left.
    if (dispatcher.size === 0 && this.locks.size === 0) {
      await identity.leave().catch((error) => log.error({ err: error }, "cannot write IDENTITY_FILE: onGatewayLost will run"));
    }
    this.clients.sparseLog.end();
    clearInterval(this.sweeping);
    this.allGateways.end();
    frontend.sessions.end();
    await backend.end();
  }

  private makeApi(): Api {
    const { settings, dispatcher, topics, history, clients } = this;
    const { now } = this.options;
    const publisher = new Publisher({ history, topics });
    return new Api({
      keys: this.apiKeys,
      path: () => settings.config.API_PATH,
      limits: clients.limits,
      bodies: { parking: dispatcher.parking, now, limits: settings.requests },
      answers: this.apiAnswers,
      messageBytes: () => settings.config.MESSAGE_BYTES,
      isDraining: () => this.frontend.upgrades.isDraining,
      isConnected: () => this.backend.connected,
      publish: (publish) => publisher.publish(publish),
      keep: (publishes, once) => publisher.keep(publishes, once),
      history: (topic, last) => publisher.history(topic, last),
      everywhere: (command, once) => this.allGateways.count(command, once),
      members: (topic, page) => memberPage(topic, page, this.allGateways),
      counts: () => countsOf(this.allGateways),
      onAnswer: (outcome) => this.frontend.upgrades.outcomes.request.count(outcome),
      onBug: (error) => this.backend.meetFault(error),
      sparseLog: clients.sparseLog,
    });
  }

  private forget(connection: Connection): void {
    this.clients.expiries.forget(connection);
    this.locks.end(connection.id);
    if (connection.topics !== undefined) this.interest.release(connection.topics);
    this.slots.free(connection);
  }

  private sweep(): void {
    // First: it finds out whether this gateway has stood still, which excuses others.
    this.backend.sweep();
    this.dispatcher.sweep(this.backend.awayMs);
    this.frontend.sweep();
    this.api.sweep();
    this.allGateways.sweep();
    this.topics.sweep();
    this.history.topics.sweep();
  }
}
