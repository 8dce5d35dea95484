// Puts the worker together: links to gateways on one side, mailboxes and turns on the other.

import { hostname } from "node:os";
import type { Logger } from "pino";
import { FaultMeter } from "../process/fault-meter.ts";
import { ProcessMeter } from "../process/process-meter.ts";
import { encodeScraped, parseScrape, type Scrape } from "../process/scrape.ts";
import type { Bus } from "../protocol/bus.ts";
import { type Batch, protocolVersion } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import type { Link } from "../protocol/link.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import {
  type Activation,
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  heartbeatMs,
  laterActivation,
  type WorkerCounts,
} from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { payloadLimits } from "../protocol/payload.ts";
import {
  decodeClose,
  flag,
  parseCredit,
  parseGatewayLost,
  parsePin,
  parseResult,
  parseStates,
  toGateway,
  toWorker,
} from "../protocol/records.ts";
import { compileRoutes, matchRoute, type RouteTable } from "../protocol/route.ts";
import { StallDetector } from "../protocol/stall-detector.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { AppClient } from "./app.ts";
import type { WorkerConfig } from "./config.ts";
import { Effects, sendGroup } from "./effects.ts";
import { ExclusiveRunner } from "./exclusive-runner.ts";
import { isClientFault } from "./failure.ts";
import { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import type { Handler, HandlerError } from "./handler.ts";
import type { LoadedHandlers } from "./loader.ts";
import { Mailbox } from "./mailbox.ts";
import { ReceivedMessage } from "./message.ts";
import { workerMetrics } from "./metrics.ts";
import { OnStart } from "./on-start.ts";
import { OrphanedCloses } from "./orphaned-closes.ts";
import { Refusals } from "./refusals.ts";
import { queryOf } from "./request.ts";
import { RequestHandler } from "./request-handler.ts";
import { pinnedState } from "./state.ts";
import { StateCheck } from "./state-check.ts";
import { type HookName, Turns } from "./turns.ts";

/** How often turns' time-outs are looked at, and how often gateways' silence. */
const turnSweepMs = 50;
const silenceSweepMs = 250;

export interface WorkerOptions {
  readonly id: string;
  readonly config: WorkerConfig;
  readonly loaded: LoadedHandlers;
  readonly bus: Bus;
  readonly log: Logger;
  readonly now: () => number;
}

/** A gateway, and what it has given to this worker: mailboxes by slot. */
interface GatewayPeer {
  readonly link: Link;
  readonly mailboxes: Map<number, Mailbox>;
  /** Flushes that wait to be confirmed, by mailbox, in order. */
  readonly flushes: Map<Mailbox, Array<{ resolve(): void; reject(error: Error): void }>>;
  /** Mailboxes that wait for the link's credit. */
  readonly waiting: Set<Mailbox>;
  /** What stood directly before a pin. */
  earlier: { readonly state: Uint8Array; readonly slot: number; readonly epoch: number } | undefined;
  heardAt: number;
}

export class Worker {
  readonly turns: Turns;
  readonly faults = new FaultMeter();
  /** What clients sent wrong. */
  readonly refusals = new Refusals();
  private readonly options: WorkerOptions;
  private readonly limits: ReturnType<typeof limitsOf>;
  private readonly subjects: Subjects;
  readonly hub: LinkHub;
  private readonly handlers: RouteTable<Handler>;
  private readonly gateways = new Map<string, GatewayPeer>();
  private readonly appClient: AppClient;
  private readonly requests: RequestHandler;
  private readonly stateCheck: StateCheck;
  readonly gatewayLostHooks: GatewayLostHooks;
  /** By gateway and number of the question: its onGatewayLost that runs. */
  private readonly cancelling = new Map<string, AbortController>();
  private readonly orphanedCloses: OrphanedCloses;
  private readonly exclusive: ExclusiveRunner;
  readonly onStart: OnStart;
  private readonly stalls: StallDetector;
  private readonly timers: NodeJS.Timeout[] = [];
  private state: "ready" | "draining" = "ready";
  private activation: Activation | undefined;
  private readonly meter = new ProcessMeter("worker");
  private reconnects = 0;
  private hasLeft = false;

  constructor(options: WorkerOptions) {
    this.options = options;
    const { config, bus, now } = options;
    this.limits = limitsOf(config, bus.maxPayloadBytes);
    this.subjects = subjectsOf(config.NAMESPACE);
    this.handlers = compileRoutes(options.loaded.handlers.map(({ handler }) => handler));
    this.hub = new LinkHub({
      self: options.id,
      bus,
      subjects: this.subjects,
      now,
      onBatch: (peer, batch) => this.handle(peer, batch),
      onStranger: (peer) => this.meetGateway(peer),
      onCredit: (peer) => this.resume(peer),
      onLost: (peer) => this.forgetGateway(peer, "it has begun another life", false),
    });
    this.turns = new Turns({
      release: config.RELEASE,
      limits: this.limits,
      now,
      commit: (mailbox, effects, end) => this.commit(mailbox, effects, end),
      flushed: (mailbox) => this.confirmation(mailbox),
      onIdle: (mailbox) => this.settle(mailbox),
      mayRun: (mailbox) => this.mayRun(mailbox),
      app: () => this.appClient,
      refusals: this.refusals,
      onThrown: (mailbox, error, hook) => this.logThrown(mailbox, error, hook),
    });
    this.exclusive = new ExclusiveRunner({
      isBusy: ({ pin }) => this.turns.waiting > 0 || this.requests.size > 0 || pin.link?.hasCredit === false,
      tell: ({ pin }) => {
        pin.link?.appendEmpty({ type: toGateway.begins, flags: 0, extra: 0, slot: pin.slot, epoch: pin.epoch });
        this.hub.flush();
        return this.options.bus.flush();
      },
      run: (mailbox) => this.turns.run(mailbox),
    });
    this.stalls = new StallDetector({
      now,
      askNats: () => bus.flush(),
      onStoodStill: () => this.hub.stoodStill(),
      everyMs: silenceSweepMs,
    });
    this.appClient = new AppClient({
      workerId: options.id,
      release: config.RELEASE,
      timeoutMs: config.APP_TIMEOUT_MS,
      limitBytes: bus.maxPayloadBytes - 4096,
      gateways: () => [...this.gateways].sort(([, a], [, b]) => b.heardAt - a.heardAt).map(([id]) => id),
      hub: this.hub,
    });
    this.orphanedCloses = new OrphanedCloses({ turns: () => this.turns, appClient: this.appClient, log: options.log });
    this.onStart = this.startHooks();
    this.stateCheck = new StateCheck({
      routes: this.handlers,
      ask: (gateway, number, from) => {
        const link = this.hub.get(gateway);
        link?.append({ type: toGateway.askStates, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(from));
        return link !== undefined;
      },
      onDone: () => this.announce(),
    });
    this.gatewayLostHooks = new GatewayLostHooks({ ...options.loaded, app: this.appClient, limits: this.limits, log: options.log });
    this.requests = new RequestHandler({
      handlers: this.handlers,
      release: config.RELEASE,
      limits: this.limits,
      app: this.appClient,
      hub: this.hub,
      refusals: this.refusals,
      log: options.log,
    });
  }

  get connections(): number {
    let sum = 0;
    for (const { mailboxes } of this.gateways.values()) sum += mailboxes.size;
    return sum;
  }

  /** Says hello: from now on gateways may give it work. The modules' onStart follows the activation. */
  start(): void {
    this.options.bus.subscribe(this.subjects.members, ({ payload }) => this.hear(decodeAnnouncement(payload)));
    this.options.bus.subscribe(this.subjects.scrape, ({ payload }) => this.tell(parseScrape(payload)));
    this.timers.push(
      setInterval(() => this.announce(), heartbeatMs),
      setInterval(() => this.sweep(), turnSweepMs),
      setInterval(() => this.forgetSilent(), silenceSweepMs),
    );
    this.say({ kind: "ask" });
    this.announce();
  }

  /** Goes on with other settings: see liveSettings. */
  change(config: WorkerConfig): void {
    // Whoever was given them reads them each time.
    Object.assign(this.limits, limitsOf(config, this.options.bus.maxPayloadBytes));
  }

  reconnected(): void {
    this.reconnects++;
    this.excuseGateways();
    this.hub.reconnected();
    this.announce();
  }

  /** Something came over NATS that nobody of ours sends, or a bug met no connection in particular. */
  meetFault(error: unknown): void {
    this.faults.meet(error, (text, count) => this.options.log.error({ err: error, count }, text));
  }

  /** Takes no new work, lets begun turns finish, gives the rest back, and leaves; at most DRAIN_MS. */
  async drain(): Promise<void> {
    this.state = "draining";
    this.onStart.end();
    this.announce();
    const deadline = this.options.now() + this.options.config.DRAIN_MS;
    while (!this.isDone() && this.options.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    if (!this.isDone())
      this.options.log.warn({ connections: this.connections }, "ended before all turns had settled: they are redelivered");
    this.requests.stop();
    for (const timer of this.timers) clearInterval(timer);
    this.meter.stop();
    this.hub.flush();
    this.hub.stop();
    // The last word: whoever heard more of this worker would think that it is there again.
    this.say({ kind: "gone", id: this.options.id, reason: "bye" });
    this.hasLeft = true;
    await this.options.bus.close();
  }

  private isDone(): boolean {
    if (
      !this.onStart.isOff ||
      this.connections > 0 ||
      this.requests.size > 0 ||
      this.requests.streams > 0 ||
      this.gatewayLostHooks.running > 0 ||
      this.exclusive.waiting > 0 ||
      this.orphanedCloses.size > 0
    )
      return false;
    for (const link of this.hub.all()) if (link.unackedBatches > 0 || link.batch.records > 0) return false;
    return true;
  }

  // ── what gateways say ─────────────────────────────────────────────────────────────────────────────────────────────

  private hear(announcement: Announcement): void {
    if (announcement.kind === "ask") this.announce();
    else if (announcement.kind === "checkStates" && announcement.worker === this.options.id) {
      this.stateCheck.begin(announcement.number, announcement.gateways);
    } else if (announcement.kind === "gone") {
      this.forgetGateway(announcement.id, announcement.reason, true);
      // It may be a worker's.
      this.onStart.forget(announcement.id);
    } else if (announcement.kind === "gateway") {
      this.meetGateway(announcement.id);
      this.onStart.hearGateway(announcement);
    }
    if ("activation" in announcement) this.activation = laterActivation(this.activation, announcement.activation);
    if (this.activation !== undefined) this.onStart.activated(this.activation);
    if (announcement.kind === "worker") this.onStart.hear(announcement);
  }

  private meetGateway(id: string): void {
    if (this.hasLeft) return;
    const known = this.gateways.get(id);
    if (known !== undefined) {
      known.heardAt = this.options.now();
      return;
    }
    const link = this.hub.open(id);
    // One that has only stood still learns that it was taken for dead.
    link.probe();
    const heardAt = this.options.now();
    this.gateways.set(id, {
      link,
      mailboxes: new Map(),
      flushes: new Map(),
      waiting: new Set(),
      earlier: undefined,
      heardAt,
    });
    this.appClient.gained();
    this.stateCheck.met(id);
    // Not every gateway has heard of this worker.
    this.announce();
  }

  /** @param isDead nobody else will run its connections' onClose. Not so where the gateway itself has forgotten this worker. */
  private forgetGateway(id: string, reason: string, isDead: boolean): void {
    const gateway = this.gateways.get(id);
    if (gateway === undefined) return;
    this.gateways.delete(id);
    this.hub.close(id);
    this.appClient.lost(id);
    this.requests.forget(id);
    this.stateCheck.lost(id);
    this.onStart.forget(id);
    const fields = { gateway: id, reason, connections: gateway.mailboxes.size };
    if (reason === "bye") this.options.log.info(fields, "gateway left");
    else this.options.log.warn(fields, "gateway left");
    for (const mailbox of gateway.mailboxes.values()) {
      // One whose onOpen has not committed was never open as far as handlers know.
      const wasOpen = !mailbox.isGone && mailbox.next > 0;
      const closeHandoff = mailbox.closeHandoff();
      this.forgetMailbox(gateway, mailbox);
      if (isDead && wasOpen) this.orphanedCloses.adopt(mailbox, closeHandoff);
    }
  }

  private forgetMailbox(gateway: GatewayPeer, mailbox: Mailbox): void {
    this.turns.forget(mailbox);
    for (const { reject } of gateway.flushes.get(mailbox) ?? []) reject(goneError());
    gateway.flushes.delete(mailbox);
    gateway.waiting.delete(mailbox);
  }

  // Whoever was silent until now could not be heard.
  private excuseGateways(): void {
    const now = this.options.now();
    for (const gateway of this.gateways.values()) gateway.heardAt = now;
  }

  private forgetSilent(): void {
    if (!this.stalls.check()) this.excuseGateways();
    if (!this.options.bus.connected) return;
    const latest = this.options.now() - this.options.config.GATEWAY_TIMEOUT_MS;
    for (const [id, { heardAt }] of this.gateways) if (heardAt < latest) this.forgetGateway(id, "silent for too long", true);
  }

  private handle(peer: string, batch: Batch): void {
    const gateway = this.gateways.get(peer);
    if (gateway === undefined) return;
    this.turns.meter.batch(batch.records);
    for (let index = 0; index < batch.records; index++) {
      try {
        this.handleRecord(peer, gateway, batch, index);
      } catch (error) {
        // The rest of the batch is of other connections.
        this.meetFault(error);
      }
    }
  }

  private handleRecord(peer: string, gateway: GatewayPeer, batch: Batch, index: number): void {
    const type = batch.type(index);
    const slot = batch.slot(index);
    if (type === toWorker.pin) return this.pin(peer, gateway, batch, index);
    if (type === toWorker.earlier) {
      gateway.earlier = { slot, epoch: batch.epoch(index), state: new Uint8Array(batch.view(index)) };
      return;
    }
    if (type === toWorker.upgrade || type === toWorker.request) return this.ask(peer, batch, index);
    if (type === toWorker.gatewayLost) return void this.runGatewayLost(peer, slot, parseGatewayLost(batch.payload(index)));
    if (type === toWorker.credit) return this.requests.credit(peer, slot, parseCredit(batch.payload(index)));
    if (type === toWorker.cancel) return this.cancel(peer, slot);
    if (type === toWorker.states) return this.stateCheck.answered(peer, slot, parseStates(batch.payload(index)));
    if (type === toWorker.result) return this.appClient.result(peer, slot, parseResult(batch.payload(index)));
    const mailbox = gateway.mailboxes.get(slot);
    if (mailbox === undefined || mailbox.pin.epoch !== batch.epoch(index)) return;
    const flags = batch.flags(index);
    if ((flags & flag.alone) !== 0) this.exclusive.add(mailbox);
    const redelivered = (flags & flag.redelivered) !== 0;
    const flushed = batch.extra(index);
    switch (type) {
      case toWorker.message: {
        const message = new ReceivedMessage(batch.view(index), (flags & flag.binary) !== 0);
        mailbox.push({ type, message, redelivered, flushed });
        return this.turns.run(mailbox);
      }
      case toWorker.open:
      case toWorker.adopt:
        mailbox.push({ type, redelivered, flushed });
        return this.turns.run(mailbox);
      case toWorker.close: {
        const { code, reason } = decodeClose(batch.payload(index));
        mailbox.push({ type, code, reason, redelivered, flushed });
        return this.turns.run(mailbox);
      }
      case toWorker.unpin:
        mailbox.leave();
        return this.settle(mailbox);
      case toWorker.flushed:
        return gateway.flushes.get(mailbox)?.shift()?.resolve();
      case toWorker.refused:
        gateway.mailboxes.delete(slot);
        return this.forgetMailbox(gateway, mailbox);
      default:
        throw new CodedError("envelope.malformed", `a record of type ${type}`);
    }
  }

  // It belongs to no connection yet.
  private ask(peer: string, batch: Batch, index: number): void {
    const type = batch.type(index);
    const slot = batch.slot(index);
    const payload = batch.payload(index);
    this.exclusive.do(() => {
      try {
        if (type === toWorker.upgrade) this.requests.upgrade(peer, slot, payload);
        else this.requests.request(peer, slot, payload);
      } catch (error) {
        // It may be done late, where nobody else would catch it.
        this.meetFault(error);
      }
    });
  }

  private pin(peer: string, gateway: GatewayPeer, batch: Batch, index: number): void {
    const slot = batch.slot(index);
    const epoch = batch.epoch(index);
    const body = parsePin(batch.payload(index));
    const match = matchRoute(this.handlers, body.path);
    if (match === undefined)
      throw new CodedError("route.unknown", `a connection to ${body.path} was given to a worker that does not serve it`);
    const earlier = gateway.mailboxes.get(slot);
    if (earlier !== undefined) this.forgetMailbox(gateway, earlier);
    const left = gateway.earlier;
    gateway.earlier = undefined;
    const isBehind = left?.slot === slot && left.epoch === epoch;
    const { state, isMigrated, fault } = pinnedState(match.route, body.state, isBehind ? left : undefined);
    // One by one: V8 gives each object that is made by spreading a shape of its own, and then each look at a pin is a slow one.
    const mailbox = new Mailbox({
      gateway: peer,
      link: gateway.link,
      slot,
      epoch,
      id: body.id,
      user: body.user,
      path: body.path,
      ip: body.ip,
      subprotocol: body.subprotocol,
      next: body.next,
      params: match.params,
      query: queryOf(body.query),
      state,
      isMigrated,
      topics: new Set(body.topics),
      fault,
      handler: match.route,
    });
    gateway.mailboxes.set(slot, mailbox);
    if (fault === undefined) return;
    this.turns.unfit(mailbox);
    this.logThrown(mailbox, fault, "onAdopt");
    const effects = new Effects(Number.POSITIVE_INFINITY);
    effects.add(toGateway.close, fault.code, 0, fault.closeCode);
    // No event's commit: an early one, which the gateway applies at once. It keeps the first of the events that follow the
    // pin, if there is one, and that one's own commit comes from the turns.
    this.commit(mailbox, effects, flag.flush);
  }

  private resume(peer: string): void {
    const gateway = this.gateways.get(peer);
    if (gateway === undefined) return;
    const waiting = [...gateway.waiting];
    gateway.waiting.clear();
    for (const mailbox of waiting) this.turns.run(mailbox);
    this.requests.resume(peer);
  }

  // ── what turns say ────────────────────────────────────────────────────────────────────────────────────────────────

  private mayRun(mailbox: Mailbox): boolean {
    const { link } = mailbox.pin;
    if (link === undefined || link.hasCredit) return this.exclusive.mayRun(mailbox);
    this.gateways.get(mailbox.pin.gateway)?.waiting.add(mailbox);
    return false;
  }

  private commit(mailbox: Mailbox, effects: Effects, end: number): void {
    const { link } = mailbox.pin;
    if (link === undefined) this.orphanedCloses.commit(mailbox, effects, end);
    else sendGroup(link, mailbox.pin, effects, end);
  }

  private confirmation(mailbox: Mailbox): Promise<void> {
    if (mailbox.pin.link === undefined) return this.orphanedCloses.flushed(mailbox);
    const gateway = this.gateways.get(mailbox.pin.gateway);
    if (gateway === undefined || mailbox.isGone) return Promise.reject(goneError());
    return new Promise((resolve, reject) => {
      const waiting = gateway.flushes.get(mailbox) ?? [];
      waiting.push({ resolve, reject });
      gateway.flushes.set(mailbox, waiting);
    });
  }

  // Nothing of the mailbox runs: gives it back if its gateway wants it, forgets it if it has closed.
  private settle(mailbox: Mailbox): void {
    const { gateway: peer, link, slot, epoch } = mailbox.pin;
    const isReleased = mailbox.release();
    if (isReleased) link?.appendEmpty({ type: toGateway.released, flags: 0, extra: 0, slot, epoch });
    this.exclusive.step();
    if (!mailbox.isGone) return;
    const gateway = this.gateways.get(peer);
    if (gateway?.mailboxes.get(slot) !== mailbox) return;
    gateway.mailboxes.delete(slot);
    gateway.waiting.delete(mailbox);
    gateway.flushes.delete(mailbox);
  }

  private cancel(peer: string, number: number): void {
    this.requests.cancel(peer, number);
    this.cancelling.get(`${peer} ${number}`)?.abort(new CodedError("turn.over", "nobody waits for onGatewayLost any more"));
  }

  private async runGatewayLost(peer: string, number: number, gateway: string): Promise<void> {
    const controller = new AbortController();
    const key = `${peer} ${number}`;
    this.cancelling.set(key, controller);
    const failed = await this.gatewayLostHooks.run(gateway, controller.signal);
    this.cancelling.delete(key);
    this.hub.get(peer)?.append({ type: toGateway.gatewayLostHandled, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(failed));
  }

  private logThrown(mailbox: Mailbox, error: HandlerError, hook: HookName): void {
    const { pin } = mailbox;
    const fields = { connection: pin.id, gateway: pin.gateway, route: pin.handler.path, hook, code: error.code };
    // What a client sent wrong is the client's business: it must not be able to fill the log.
    if (isClientFault(error)) this.options.log.debug({ ...fields, issues: error.issues }, error.message);
    else this.options.log.error({ ...fields, err: error.code === "handler.thrown" ? error.cause : error }, `${hook} was rolled back`);
  }

  private sweep(): void {
    this.turns.sweep();
    this.exclusive.step();
    this.onStart.step();
  }

  // ── the process ───────────────────────────────────────────────────────────────────────────────────────────────────

  private startHooks(): OnStart {
    const { id, config, loaded, log, now } = this.options;
    return new OnStart({
      id,
      release: config.RELEASE,
      hooks: loaded.handlers.flatMap(({ file, handler }) => {
        return handler.onStart === undefined ? [] : [{ file, run: (context) => handler.onStart?.(this.appClient, context) }];
      }),
      limitMs: config.READY_TIMEOUT_MS / 2,
      now,
      confirmed: () => this.appClient.confirmed(),
      onChange: () => this.announce(),
      onFailed: (file, error) => log.error({ file, err: error }, "onStart failed"),
    });
  }

  // Its metrics, to a gateway that is asked for them.
  private tell({ to, number }: Scrape): void {
    const metrics = [...workerMetrics(this), ...this.meter.read()];
    this.options.bus.publish(this.subjects.scraped(to), encodeScraped({ from: this.options.id, number, metrics }));
  }

  private announce(): void {
    const { id, config, loaded } = this.options;
    this.say({
      kind: "worker",
      id,
      pid: process.pid,
      host: hostname(),
      protocol: protocolVersion,
      release: config.RELEASE,
      state: this.state,
      routes: [...loaded.routes],
      connections: this.connections,
      counts: this.counts(),
      reconnects: this.reconnects,
      metrics: true,
      onStart: this.onStart.hello,
      stateCheck: this.stateCheck.report,
      activation: this.activation,
    });
  }

  private counts(): WorkerCounts {
    const { committed, thrown, timedOut } = this.turns.counters;
    const { answered, failed } = this.requests.counters;
    return { turns: committed, thrown, timedOut, answers: answered, failed };
  }

  private say(announcement: Announcement): void {
    if (this.hasLeft) return;
    this.options.bus.publish(this.subjects.members, encodeAnnouncement(announcement));
  }
}

/** What turns and answers are held to: a pin has to fit into one message of NATS, with a half of it each for state and topics. */
function limitsOf(config: WorkerConfig, maxPayloadBytes: number) {
  const most = payloadLimits(maxPayloadBytes);
  return {
    effectsBytes: Math.min(config.EFFECTS_BYTES, most.EFFECTS_BYTES),
    stateBytes: Math.min(config.STATE_BYTES, most.STATE_BYTES),
    topicsPerConnection: Math.min(config.TOPICS_PER_CONNECTION, most.TOPICS_PER_CONNECTION),
    turnTimeoutMs: config.TURN_TIMEOUT_MS,
  };
}

function goneError(): CodedError {
  return new CodedError("turn.over", "the connection's gateway is gone, or has given it to another worker");
}
