// Which worker has which connection, and its events: finds out what sockets and workers say means for each connection's phase (phase.ts).
// Every event stays here until its turn has committed: a worker may die at any moment. Pure: sockets, links and the clock are handed in.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Activation, RouteHello } from "../protocol/membership.ts";
import { encodeClose } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import type { RouteMatch } from "../protocol/route-table.ts";
import type { Connection } from "./connection.ts";
import { type DispatchCounters, type DispatcherOptions, noDispatches } from "./dispatch-options.ts";
import { ConnectionEvent } from "./event.ts";
import type { HandoverMeter } from "./handover-meter.ts";
import type { Parking } from "./parking.ts";
import { placementLimits } from "./placement.ts";
import { SelfFence } from "./self-fence.ts";
import { Transitions } from "./transitions.ts";
import { Trial } from "./trial.ts";
import type { Loss, WorkerPeer } from "./worker-peer.ts";

export class Dispatcher {
  readonly counters: DispatchCounters = noDispatches();
  readonly trial = new Trial();
  private readonly options: DispatcherOptions;
  private readonly transitions: Transitions;
  private readonly fence: SelfFence;

  constructor(options: DispatcherOptions) {
    this.options = options;
    this.transitions = new Transitions({ ...options, counters: this.counters });
    this.fence = new SelfFence({
      connections: options.connections,
      now: options.now,
      later: options.later,
      sliceMs: (options.placement ?? placementLimits).sliceMs,
      close: (connection) => this.breakOff(connection, "nats.away"),
    });
  }

  get handover(): HandoverMeter {
    return this.transitions.handover;
  }

  /** What waits for a worker, and what it takes. Bodies of requests are counted with it. */
  get parking(): Parking {
    return this.transitions.parking;
  }

  get activation(): Activation | undefined {
    return this.transitions.candidates.activation;
  }

  get size(): number {
    return this.transitions.size;
  }

  /** How many may be given work. */
  get workers(): number {
    return this.transitions.candidates.all.length;
  }

  get serving(): boolean {
    return this.workers > 0;
  }

  /** Connections that have not moved to the workers that should have them. */
  get remaining(): number {
    return this.transitions.placement.remaining;
  }

  /** Workers have received all that was handed over to them. */
  get hasHandedOver(): boolean {
    const { placement, quarantine, candidates } = this.transitions;
    if (!placement.isDone || this.remaining > 0 || quarantine.connection !== undefined) return false;
    return this.serving && candidates.all.every(({ hasAdopted }) => hasAdopted);
  }

  all(): Iterable<Connection> {
    return this.options.connections();
  }

  /** Those that have uncommitted events, and some that had. */
  busy(): Iterable<Connection> {
    return this.transitions.queues.active;
  }

  /** Open connections by the path pattern that serves them; empty: none yet. */
  get routes(): Record<string, number> {
    return this.transitions.routeCounts.all;
  }

  /** @returns undefined while there is no worker of the active release; null where none of its routes fits. */
  route(path: string): RouteMatch<RouteHello> | null | undefined {
    return this.transitions.candidates.route(path);
  }

  /** The worker to ask about something that is no connection yet. */
  leastLoaded(): WorkerPeer | undefined {
    return this.transitions.leastLoaded();
  }

  // ── what sockets say ──────────────────────────────────────────────────────────────────────────────────────────────

  opened(connection: Connection): void {
    this.transitions.size++;
    this.transitions.routeCounts.opened(connection);
    this.park(connection, new ConnectionEvent(toWorker.open, new Uint8Array(0)));
    this.transitions.place(connection);
    this.fence.opened(connection);
  }

  /** @param data valid during the call only. */
  received(connection: Connection, data: Uint8Array, isBinary: boolean): void {
    if (connection.intake !== "open") return;
    const { queues } = this.transitions;
    this.counters.messagesIn++;
    this.counters.bytesIn += data.length;
    if (queues.deliverNow(connection, data, isBinary)) return;
    this.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(data), isBinary));
    this.transitions.hurry(connection);
    const passed = this.parking.passed(connection);
    if (passed === undefined) queues.advance(connection);
    else this.transitions.breakOff(connection, passed);
  }

  closed(connection: Connection, code: number, reason: Uint8Array): void {
    if (connection.intake !== "closed") this.transitions.routeCounts.closed(connection);
    connection.intake = "closed";
    connection.socket = undefined;
    this.arrived(connection, new ConnectionEvent(toWorker.close, encodeClose(code, reason)));
  }

  /** The server has something for its handler, behind all that the client has sent. */
  arrived(connection: Connection, event: ConnectionEvent): void {
    this.park(connection, event);
    this.transitions.hurry(connection);
    this.transitions.queues.advance(connection);
  }

  private park(connection: Connection, event: ConnectionEvent): void {
    this.transitions.queues.park(connection, event);
    if (connection.phase === "leaving" && connection.staysUntil <= 0) this.handover.parked();
  }

  // ── what workers say ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The first uncommitted event of a connection is done. */
  committed(connection: Connection): void {
    const { queues } = this.transitions;
    const { worker } = connection;
    const event = queues.commit(connection);
    // A worker that commits what it was not given is wrong; the events of others must not pay for it.
    if (event === undefined) return;
    if (connection.crashes !== undefined) this.transitions.survive(connection);
    if (event.type === toWorker.close) {
      // What it publishes has to reach others though this gateway dies now: until then, the worker keeps it. See docs/wire.md.
      worker?.link.ackAtFlush();
      this.transitions.happen(connection, "ended");
    } else if (connection.parked > 0) queues.advance(connection);
    this.transitions.hasLessInHand(worker);
  }

  /** The turn of the first event closes the connection: messages behind it are not handled any more, here and at the worker. */
  closing(connection: Connection): void {
    if (connection.intake === "open") connection.intake = "closing";
    this.transitions.queues.cut(connection);
  }

  stay(connection: Connection, ms: number): void {
    this.transitions.placement.stays.set(connection, ms);
  }

  /** What its worker has said so far is applied. Not to be called under a cork: a stay that is over may move it now, and so close it. */
  applied(connection: Connection): void {
    this.transitions.placement.stays.applied(connection);
  }

  /** The worker has given a connection back: what it had not begun goes to the next. */
  released(connection: Connection): void {
    const { worker } = connection;
    if (connection.phase === "leaving") this.counters.handedOver++;
    this.transitions.happen(connection, "givenBack");
    this.transitions.hasLessInHand(worker);
  }

  /** A bug met it: its worker's view of it is not trusted any more, and only its onClose is left to run; not after a second bug. */
  broken(connection: Connection): void {
    const { worker, hasMetBug } = connection;
    connection.hasMetBug = true;
    if (worker?.loss !== undefined && this.transitions.isForgotten(connection, worker)) this.transitions.happen(connection, "forgotten");
    else if (hasMetBug) this.transitions.happen(connection, "abandoned");
    else this.transitions.happen(connection, worker?.loss === undefined ? "broken" : "lostBroken");
    this.transitions.hasLessInHand(worker);
  }

  /** An event that is to run alone begins: its worker has nothing else under way. */
  begins(connection: Connection): void {
    this.transitions.quarantine.begin(connection);
  }

  /** No commit of the connection is held back any more: if its worker was lost meanwhile, it is replaced now. */
  unheld(connection: Connection): void {
    this.transitions.replace(connection);
  }

  /** The link to a worker has credit again. */
  creditBack(worker: WorkerPeer): void {
    this.transitions.queues.creditBack(worker);
  }

  // ── which workers there are ───────────────────────────────────────────────────────────────────────────────────────

  joined(worker: WorkerPeer): void {
    this.transitions.candidates.add(worker);
    this.transitions.rearrange();
  }

  drains(worker: WorkerPeer): void {
    if (worker.isDraining) return;
    worker.drainsSince = this.options.now();
    this.transitions.candidates.elect();
    this.transitions.rearrange();
  }

  /** A worker of the active release takes no work while its onStart has not returned. */
  starts(worker: WorkerPeer, isStarting: boolean): void {
    worker.isStarting = isStarting;
    this.transitions.candidates.elect();
    this.transitions.rearrange();
  }

  /** @returns whether it is news. */
  activate(activation: Activation): boolean {
    if (!this.transitions.candidates.activate(activation)) return false;
    this.trial.activated(activation, this.options.now());
    this.transitions.rearrange();
    return true;
  }

  /** Its uncommitted events go to another, marked as redelivered. @param how If unreachable, `confirm` or `clear` has to follow. */
  lost(worker: WorkerPeer, how: Loss): void {
    const { candidates, placement, crashes } = this.transitions;
    if (!candidates.remove(worker)) return;
    worker.loss = how;
    if (how === "unreachable") crashes.unreachable(worker);
    placement.lose(worker);
    // It may have been the one that the hand-over has waited for.
    if (candidates.generation !== this.handover.generation) return this.transitions.rearrange();
    placement.restart(false);
    this.transitions.runNextAlone();
    this.options.onCandidates();
  }

  /** A worker that was unreachable has died, or has hung. */
  confirm(workerId: string): void {
    for (const connection of this.transitions.crashes.confirm(workerId)) this.judge(connection);
  }

  /** A worker that was unreachable lives: NATS had lost it, and no message has killed it. */
  clear(workerId: string): void {
    for (const connection of this.transitions.crashes.clear(workerId)) this.judge(connection);
  }

  private judge(connection: Connection): void {
    this.transitions.safely(connection, this.transitions.judge);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * To be called a few times a second: what has waited too long, and views that keep whole batches in memory.
   * @param awayMs For how long NATS has been away; 0 while it is not. Nothing moves then, so what is with a worker waits too.
   *   After `fenceMs` everything is closed: workers that do hear each other will run each onClose in this gateway's stead.
   */
  sweep(awayMs: number): void {
    const { limits, now } = this.options;
    const { queues, placement } = this.transitions;
    placement.stays.sweep();
    if (awayMs > limits.fenceMs) this.fence.raise();
    for (const connection of queues.active) {
      if (connection.events.length === 0) queues.rest(connection);
      else if (queues.stalledMs(connection, now()) > limits.parkMs) {
        if (awayMs > 0) this.breakOff(connection, "nats.away");
        else if (connection.worker === undefined) this.breakOff(connection, "parked.tooLong");
      }
    }
  }

  /** NATS is back, before anything that it brings is heard. @param awayMs For how long it was away. */
  reconnected(awayMs: number): void {
    this.fence.lower();
    if (awayMs >= this.options.limits.forgottenMs) this.transitions.doubtfulSince = this.options.now();
  }

  /** What no worker has begun is discarded, and it is closed. */
  breakOff(connection: Connection, code: ErrorCode): void {
    this.transitions.safely(connection, () => this.transitions.breakOff(connection, code));
  }
}
