// Puts the worker together: links to gateways on one side, mailboxes and turns on the other. Starts it, and drains it.

import type { Logger } from "pino";
import { FaultMeter } from "../process/fault-meter.ts";
import { ProcessMeter } from "../process/process-meter.ts";
import type { SparseLog } from "../process/sparse-log.ts";
import type { Bus } from "../protocol/bus.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import type { WorkerHello } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import { Presence } from "../protocol/presence.ts";
import { toGateway } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { Announcements } from "./announcements.ts";
import { AppClient } from "./app.ts";
import type { WorkerConfig } from "./config.ts";
import { ExclusiveRunner } from "./exclusive-runner.ts";
import { logTaskFailure, logThrown } from "./failure.ts";
import { GatewayCommands } from "./gateway-commands.ts";
import { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import type { GatewayPeer } from "./gateway-peer.ts";
import { GatewayRecords } from "./gateway-records.ts";
import { Gateways } from "./gateways.ts";
import { helloOf } from "./hello.ts";
import { turnLimits } from "./limits.ts";
import type { LoadedHandlers } from "./loader.ts";
import { answerScrapes } from "./metrics.ts";
import { OnStart } from "./on-start.ts";
import { OrphanedCloses } from "./orphaned-closes.ts";
import type { RecentErrors } from "./recent-errors.ts";
import { Refusals } from "./refusal-counts.ts";
import { RequestHandler } from "./request-handler.ts";
import { RunningClock } from "./running-time.ts";
import { finishWork } from "./shutdown.ts";
import { Speech } from "./speech.ts";
import { StateCheck } from "./state-check.ts";
import { Tasks, type TasksOptions } from "./tasks.ts";
import { Turns, type TurnsOptions } from "./turns.ts";

/** How often time-outs are looked at. */
const sweepMs = 50;

export interface WorkerOptions {
  readonly id: string;
  readonly config: WorkerConfig;
  readonly loaded: LoadedHandlers;
  readonly bus: Bus;
  readonly oneTime: OneTimeStore;
  readonly taskStore: TasksOptions["store"];
  readonly log: Logger;
  /** For what others cause. Swept here. */
  readonly sparseLog: SparseLog;
  /** For gateways that ask. */
  readonly recentErrors: Pick<RecentErrors, "after">;
  readonly now: () => number;
}

export class Worker {
  readonly turns: Turns;
  readonly faults: FaultMeter;
  /** What clients sent wrong. */
  readonly refusals = new Refusals();
  readonly hub: LinkHub;
  readonly requests: RequestHandler;
  readonly gatewayLostHooks: GatewayLostHooks;
  readonly onStart: OnStart;
  readonly tasks: Tasks;
  readonly stateCheck: StateCheck;
  readonly meter = new ProcessMeter("worker");
  readonly options: WorkerOptions;
  state: WorkerHello["state"] = "ready";
  /** To NATS. */
  reconnects = 0;
  private readonly limits: TurnsOptions["limits"];
  readonly announcements: Announcements;
  private readonly presence: Presence;
  private readonly gateways: Gateways;
  private readonly records: GatewayRecords;
  private readonly commands: GatewayCommands;
  private readonly orphanedCloses: OrphanedCloses;
  private readonly exclusive: ExclusiveRunner;
  private sweeping: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.options = options;
    const { id, config, loaded, bus, log, sparseLog, now } = options;
    const { refusals } = this;
    this.faults = new FaultMeter((kind, err, text) => sparseLog.error(kind, { err }, text));
    const handlers = compileRoutes(loaded.handlers.map(({ handler }) => handler));
    const limits = turnLimits(config, bus.maxPayloadBytes);
    this.limits = limits;
    const subjects = subjectsOf(config.NAMESPACE);
    const speech = new Speech(subjects);
    this.presence = new Presence({
      id,
      bus,
      subjects: () => speech.members,
      now,
      hello: () => helloOf(this),
    });
    this.hub = new LinkHub({
      self: id,
      bus,
      subjects,
      subjectOf: speech.link,
      now,
      onBatch: (peer, batch) => {
        const gateway = this.gateways.get(peer);
        if (gateway !== undefined) this.records.handle(gateway, batch);
      },
      onStranger: (peer) => {
        if (!this.presence.hasLeft) this.gateways.hear(peer);
      },
      onCredit: (peer) => {
        for (const mailbox of this.gateways.get(peer)?.creditBack() ?? []) this.turns.run(mailbox);
        this.requests.resume(peer);
      },
      onLost: (peer) => this.gateways.lose(peer, "it has begun another life", false),
    });
    const { hub } = this;
    this.gateways = new Gateways({
      hub,
      bus,
      log,
      now,
      silenceMs: config.GATEWAY_TIMEOUT_MS,
      onMet: (gateway) => {
        this.commands.gained();
        this.stateCheck.met(gateway);
        this.tasks.met(gateway);
        // Not every gateway has heard of this worker.
        this.presence.announce();
      },
      onSilent: (gateway) => this.commands.fellSilent(gateway),
      onLost: (gateway, isDead) => {
        speech.forget(gateway.id);
        this.lost(gateway, isDead);
      },
    });
    this.commands = new GatewayCommands({
      timeoutMs: config.APP_TIMEOUT_MS,
      limitBytes: bus.maxPayloadBytes - 4096,
      gateways: this.gateways,
      hub,
    });
    const { commands } = this;
    const appOptions = { workerId: id, release: config.RELEASE, commands, oneTime: options.oneTime, limits };
    const appClient = new AppClient(appOptions);
    this.exclusive = new ExclusiveRunner({
      isBusy: ({ pin }) =>
        this.turns.waiting > 0 ||
        this.requests.size > 0 ||
        this.gatewayLostHooks.running > 0 ||
        hub.get(pin.gateway.id)?.hasCredit === false,
      tell: ({ pin: { gateway, slot, epoch } }) => {
        hub.get(gateway.id)?.appendEmpty({ type: toGateway.begins, flags: 0, extra: 0, slot, epoch });
        hub.flush();
        return bus.flush();
      },
      run: (mailbox) => this.turns.run(mailbox),
    });
    const running = new RunningClock(now);
    this.turns = new Turns({
      release: config.RELEASE,
      limits,
      now,
      ran: () => running.read(),
      minLevel: () => this.gateways.minLevel,
      lock: (connection, name, waitMs) => commands.lock(connection, name, waitMs),
      app: appClient,
      exclusive: this.exclusive,
      refusals,
      onThrown: (mailbox, error, hook) => logThrown({ log, sparseLog }, mailbox, error, hook),
    });
    this.orphanedCloses = new OrphanedCloses({ turns: this.turns, appClient, log, now, later: (run) => setImmediate(run) });
    const answering = { handlers, release: config.RELEASE, limits, app: appClient, hub, refusals, log, sparseLog };
    this.requests = new RequestHandler({ ...answering, sources: this.turns.sources });
    this.gatewayLostHooks = new GatewayLostHooks({ ...loaded, app: appClient, hub, limits, log });
    this.stateCheck = new StateCheck({
      routes: handlers,
      ask: (gateway, number, from) => {
        const link = hub.get(gateway);
        link?.append({ type: toGateway.askStates, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(from));
        return link !== undefined;
      },
      onDone: () => this.presence.announce(),
    });
    this.onStart = new OnStart({
      id,
      release: config.RELEASE,
      hooks: loaded.handlers.flatMap(({ file, handler }) => {
        return handler.onStart === undefined ? [] : [{ file, run: (context) => handler.onStart?.(appClient, context) }];
      }),
      limitMs: config.READY_TIMEOUT_MS / 2,
      now,
      confirmed: () => commands.confirmed(),
      onChange: () => this.presence.announce(),
      onFailed: (file, error) => log.error({ file, err: error }, "onStart failed"),
    });
    this.tasks = new Tasks({
      id,
      release: config.RELEASE,
      tasks: loaded.handlers.flatMap(({ file, handler }) => {
        const { path, tasks = {} } = handler;
        return Object.entries(tasks).map(([name, task]) => ({ file, path, name, run: (app, context) => task.run(app, context) }));
      }),
      store: options.taskStore,
      now,
      app: (pass) => new AppClient({ ...appOptions, pass }),
      gateways: () => this.gateways.ids,
      tell: (gateway, fence) => commands.run(gateway, { kind: "fence", fence }),
      confirmed: () => commands.confirmed(),
      onChange: () => this.presence.announce(),
      onFailed: (task, error) => logTaskFailure(sparseLog, task, error),
      after: (ms, run) => setTimeout(run, ms),
    });
    this.records = new GatewayRecords({
      handlers,
      turns: this.turns,
      exclusive: this.exclusive,
      requests: this.requests,
      gatewayLostHooks: this.gatewayLostHooks,
      stateCheck: this.stateCheck,
      commands,
      onFault: (error) => this.meetFault(error),
    });
    const { gateways, presence, onStart, tasks, stateCheck } = this;
    this.announcements = new Announcements({ id, bus, subjects, gateways, speech, presence, onStart, tasks, stateCheck });
  }

  get connections(): number {
    return this.gateways.connections;
  }

  /** Says hello: from now on gateways may give it work. The modules' onStart follows the activation. */
  start(): void {
    answerScrapes(this);
    this.announcements.begin();
    this.presence.begin();
    this.gateways.begin();
    this.sweeping = setInterval(() => this.sweep(), sweepMs);
  }

  /** Goes on with other settings: see liveSettings. */
  change(config: WorkerConfig): void {
    // Whoever was given them reads them each time.
    Object.assign(this.limits, turnLimits(config, this.options.bus.maxPayloadBytes));
  }

  reconnected(): void {
    this.reconnects++;
    this.gateways.excuse();
    this.hub.reconnected();
    this.presence.announce();
  }

  /** Something came over NATS that nobody of ours sends, or a bug met no connection in particular. */
  meetFault(error: unknown): void {
    this.faults.meet(error);
  }

  /** Takes no new work, lets begun turns finish, gives the rest back, and leaves; at most DRAIN_MS. */
  async drain(): Promise<void> {
    const { onStart, tasks, gateways, requests, gatewayLostHooks, exclusive, orphanedCloses, hub } = this;
    const { config, bus, now, log, sparseLog } = this.options;
    this.state = "draining";
    onStart.end();
    tasks.end();
    this.turns.stays.drain();
    this.presence.announce();
    await finishWork({ config, onStart, tasks, gateways, requests, gatewayLostHooks, exclusive, orphanedCloses, now, log });
    requests.stop();
    tasks.stop();
    this.announcements.end();
    gateways.end();
    clearInterval(this.sweeping);
    sparseLog.end();
    this.meter.stop();
    hub.flush();
    hub.stop();
    this.presence.leave();
    await bus.close();
  }

  private lost(gateway: GatewayPeer, isDead: boolean): void {
    this.commands.lost(gateway.id);
    this.requests.forget(gateway.id);
    this.stateCheck.lost(gateway.id);
    this.onStart.forget(gateway.id);
    this.orphanedCloses.take(gateway, isDead);
  }

  private sweep(): void {
    this.turns.sweep();
    this.exclusive.step();
    this.onStart.step();
    this.tasks.step();
    this.options.sparseLog.sweep();
  }
}
