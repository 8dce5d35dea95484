// Decides which worker has which connection, and gives it the connection's events. Pure: sockets, links and the clock are
// handed in. Every event stays here until its turn has committed, so that a worker may die at any moment.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Activation, RouteHello } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { encodeClose, toWorker } from "../protocol/records.ts";
import { matchRoute, type RouteMatch } from "../protocol/route.ts";
import { acquit, addDeath, isAccused, takeDeathBack } from "./blame.ts";
import { Candidates } from "./candidates.ts";
import { type Connection, detachPayloads, pinBodyOf } from "./connection.ts";
import { Delivery, type Window } from "./delivery.ts";
import { ConnectionEvent } from "./event.ts";
import { HandoverMeter } from "./handover.ts";
import { Parking, type ParkingLimits } from "./parking.ts";
import { Placement, type PlacementLimits, placementLimits } from "./placement.ts";
import { Quarantine } from "./quarantine.ts";
import { isDeath, type Loss, type WorkerPeer } from "./worker-peer.ts";

export interface DispatchLimits extends ParkingLimits, Window {
  readonly parkMs: number;
  /** Away from NATS for longer, a gateway closes everything: workers may soon take it for dead. */
  readonly fenceMs: number;
  /** How long a worker that nobody hears has for coming back before a message is blamed for its death. */
  readonly verdictMs: number;
}

export interface DispatcherOptions {
  readonly limits: DispatchLimits;
  readonly now: () => number;
  /** As PlacementOptions has it. */
  readonly later: (run: () => void) => void;
  readonly placement?: PlacementLimits;
  /** Closes the socket; its close event comes back through `closed`. */
  readonly onBreak: (connection: Connection, code: ErrorCode) => void;
  /** An event has killed three workers, the last of them alone: it is given to no other. */
  readonly onPoison: (connection: Connection) => void;
  /** The connection's last event has committed: nothing refers to it any more. */
  readonly onEnd: (connection: Connection) => void;
  /** The set of workers that may be given work has changed. */
  readonly onCandidates: () => void;
}

export interface DispatchCounters {
  messagesIn: number;
  bytesIn: number;
  handedOver: number;
  redelivered: number;
  /** Messages that were discarded because a bound was passed. */
  discarded: number;
  /** Connections whose onClose could not run, because a forced deploy left no handler for them. */
  abandoned: number;
  /** Events that were set aside because they kill workers. */
  poison: number;
  /** Connections whose onClose workers have run that had taken this gateway for dead. */
  fenced: number;
}

const nothing = new Uint8Array(0);

export class Dispatcher {
  readonly counters: DispatchCounters = {
    messagesIn: 0,
    bytesIn: 0,
    handedOver: 0,
    redelivered: 0,
    discarded: 0,
    abandoned: 0,
    poison: 0,
    fenced: 0,
  };
  readonly handover = new HandoverMeter();
  private readonly options: DispatcherOptions;
  private readonly limits: DispatchLimits;
  private readonly connections = new Set<Connection>();
  /** Those that have uncommitted events, or had some at the last sweep. */
  private readonly active = new Set<Connection>();
  /** Those whose events workers died with, or did at some time. */
  private readonly accused = new Set<Connection>();
  /** As `routes`. */
  private readonly routeCounts = new Map<string, number>();
  private readonly placement: Placement;
  private readonly placementLimits: PlacementLimits;
  /** Those that are still to be closed, since NATS has been away for too long. */
  private fencing: Iterator<Connection> | undefined;
  private readonly candidates = new Candidates();
  /** Requests for which there is no connection are counted with what waits here. */
  readonly parking: Parking;
  private readonly quarantine = new Quarantine();
  private readonly delivery: Delivery;

  constructor(options: DispatcherOptions) {
    this.options = options;
    this.limits = options.limits;
    this.parking = new Parking(options.limits);
    this.delivery = new Delivery(options.limits, this.parking, this.quarantine);
    this.placementLimits = options.placement ?? placementLimits;
    this.placement = new Placement({
      candidates: this.candidates,
      now: options.now,
      later: options.later,
      limits: this.placementLimits,
      connections: () => this.size,
      hasRoom: () => this.leastLoaded() !== undefined,
      replace: (connection) => this.replace(connection),
      assign: (connection) => this.assign(connection),
      moveAway: (connection, worker) => this.moveAway(connection, worker),
    });
  }

  get activation(): Activation | undefined {
    return this.candidates.activation;
  }

  get size(): number {
    return this.connections.size;
  }

  /** Events that wait for a worker. */
  get parked(): number {
    return this.parking.events;
  }

  /** What they and the bodies of requests take, as PARKED_TOTAL_BYTES counts it. */
  get parkedBytes(): number {
    return this.parking.bytes;
  }

  get serving(): boolean {
    return this.candidates.all.length > 0;
  }

  /** How many may be given work. */
  get workers(): number {
    return this.candidates.all.length;
  }

  /** Workers have received all that was handed over to them. */
  get hasHandedOver(): boolean {
    return this.placement.isDone && this.handover.remaining === 0 && this.candidates.all.every(({ hasAdopted }) => hasAdopted);
  }

  all(): Iterable<Connection> {
    return this.connections;
  }

  /** Those that have uncommitted events, and some that had. */
  busy(): Iterable<Connection> {
    return this.active;
  }

  /** Open connections by the path pattern that serves them; empty: none yet. */
  get routes(): Record<string, number> {
    return Object.fromEntries(this.routeCounts);
  }

  /** @returns undefined while there is no worker of the active release; null where none of its routes fits. */
  route(path: string): RouteMatch<RouteHello> | null | undefined {
    return this.candidates.route(path);
  }

  /** The worker to ask about something that is no connection yet. */
  leastLoaded(): WorkerPeer | undefined {
    return this.candidates.leastLoaded(this.quarantine.worker);
  }

  // ── what sockets say ──────────────────────────────────────────────────────────────────────────────────────────────

  opened(connection: Connection): void {
    this.connections.add(connection);
    this.countRoute(connection.route, 1);
    this.park(connection, new ConnectionEvent(toWorker.open, nothing));
    this.assign(connection);
  }

  /** @param data valid during the call only. */
  received(connection: Connection, data: Uint8Array, isBinary: boolean): void {
    if (connection.isClosing) return;
    this.counters.messagesIn++;
    this.counters.bytesIn += data.length;
    if (!connection.isActive) this.watch(connection);
    if (this.delivery.deliverNow(connection, data, isBinary)) return;
    this.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(data), isBinary));
    this.placeNow(connection);
    const passed = this.parking.passed(connection);
    if (passed === undefined) this.delivery.advance(connection);
    else this.breakOff(connection, passed);
  }

  closed(connection: Connection, code: number, reason: Uint8Array): void {
    connection.isClosing = true;
    if (connection.socket !== undefined) this.countRoute(connection.route, -1);
    connection.socket = undefined;
    this.park(connection, new ConnectionEvent(toWorker.close, encodeClose(code, reason)));
    this.placeNow(connection);
    this.delivery.advance(connection);
  }

  // ── what workers say ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The first uncommitted event of a connection is done. */
  committed(connection: Connection): void {
    // A worker that commits what it was not given is wrong; the events of others must not pay for it.
    if (connection.delivered === 0) return;
    const event = connection.events.shift() as ConnectionEvent;
    connection.delivered--;
    connection.deliveredBytes -= event.length;
    const { worker } = connection;
    if (worker !== undefined) worker.inFlight--;
    if (event.type !== toWorker.adopt) connection.firstEvent++;
    // Everything that dead workers had in hand is done.
    if (connection.dead !== undefined && !connection.events[0]?.redelivered) connection.dead = undefined;
    if (event.type === toWorker.close) this.end(connection);
    else if (connection.parked > 0) this.delivery.advance(connection);
    if (worker !== undefined && worker === this.quarantine.worker) this.progress(worker);
  }

  // A connection has left the worker: what has waited for it may go on, if it was kept from it by a suspect.
  private resume(worker: WorkerPeer): void {
    if (worker === this.quarantine.worker) return this.progress(worker);
    if (worker.waiting.size > 0) this.delivery.creditBack(worker);
    // It may have been the one that ran alone: then it is another's turn.
    this.isolate();
  }

  /** The turn of the first event closes the connection: messages behind it are not handled any more, here and at the worker. */
  closing(connection: Connection): void {
    connection.isClosing = true;
    const rest = connection.events.splice(1);
    const delivered = Math.max(0, connection.delivered - 1);
    connection.delivered = Math.min(connection.delivered, 1);
    for (const [index, event] of rest.entries()) {
      const isDelivered = index < delivered;
      if (event.type === toWorker.close) {
        connection.events.push(event);
        if (isDelivered) connection.delivered++;
      } else if (isDelivered) {
        connection.deliveredBytes -= event.length;
        if (connection.worker !== undefined) connection.worker.inFlight--;
      } else this.parking.remove(connection, event);
    }
  }

  /** The worker has given a connection back: what it had not begun goes to the next. */
  released(connection: Connection): void {
    const { worker } = connection;
    if (connection.phase !== "leaving" || worker === undefined) return;
    this.takeBack(connection, "handover");
    this.counters.handedOver++;
    this.assign(connection);
    this.resume(worker);
  }

  /** A bug met this connection: its worker's view of it is not trusted any more, and only its onClose is left to run. */
  broken(connection: Connection): void {
    if (connection.worker?.loss !== undefined) this.replace(connection);
    if (!this.connections.has(connection)) return;
    const { worker } = connection;
    if (worker?.loss === undefined) {
      worker?.link.appendEmpty({ type: toWorker.unpin, flags: 0, extra: 0, slot: connection.slot, epoch: connection.epoch });
    }
    this.takeBack(connection, "handover");
    this.breakOff(connection, "connection.bug");
    this.assign(connection);
    if (worker !== undefined) this.resume(worker);
  }

  joined(worker: WorkerPeer): void {
    this.candidates.add(worker);
    this.settle();
  }

  drains(worker: WorkerPeer): void {
    if (worker.isDraining) return;
    worker.isDraining = true;
    this.candidates.elect();
    this.settle();
  }

  /** A worker of the active release takes no work while its onStart has not returned. */
  starts(worker: WorkerPeer, isStarting: boolean): void {
    worker.isStarting = isStarting;
    this.candidates.elect();
    this.settle();
  }

  /** An event that is to run alone begins: its worker has nothing else under way. */
  begins(connection: Connection): void {
    connection.runsAlone = true;
  }

  /** The worker is gone: its uncommitted events go to another, marked as redelivered. */
  lost(worker: WorkerPeer, how: Loss): void {
    if (!this.candidates.remove(worker)) return;
    worker.loss = how;
    for (const connection of this.active) {
      if (connection.worker === worker && connection.events.length > 0) this.replace(connection);
    }
    if (this.quarantine.worker === worker) this.quarantine.end();
    this.isolate();
    this.placement.lose(worker);
    // It may have been the one that the hand-over has waited for.
    if (this.candidates.generation !== this.handover.generation) return this.settle();
    this.placement.restart(false);
    this.options.onCandidates();
  }

  /** A worker that was taken for dead lives: NATS had lost it, and no message has killed it. */
  lives(workerId: string): void {
    for (const connection of this.accused) {
      const hasWaited = takeDeathBack(connection, workerId);
      const isFreed = this.quarantine.isWaiting(connection) && !this.quarantine.isSuspect(connection);
      if (hasWaited || isFreed) this.assign(connection);
    }
  }

  /** A worker that was taken for dead is, or has hung. */
  isDead(workerId: string): void {
    for (const connection of this.accused) if (connection.verdict?.worker === workerId) this.convict(connection);
  }

  /** @returns whether it is news. */
  activate(activation: Activation): boolean {
    if (!this.candidates.activate(activation)) return false;
    this.settle();
    return true;
  }

  /** The link to a worker has credit again. */
  creditBack(worker: WorkerPeer): void {
    this.delivery.creditBack(worker);
  }

  /**
   * To be called about once a second: what has waited too long, and views that keep whole batches in memory.
   * @param awayMs for how long NATS has been away; 0 while it is not. Nothing moves then, so what is with a worker waits too.
   *   After `fenceMs` everything is closed: workers that do hear each other will run each onClose in this gateway's stead.
   */
  sweep(awayMs: number): void {
    const now = this.options.now();
    if (awayMs <= this.limits.fenceMs) this.fencing = undefined;
    else if (this.fencing === undefined) {
      this.fencing = this.connections.values();
      this.fence();
    }
    for (const connection of this.accused) if (!isAccused(connection)) this.accused.delete(connection);
    for (const connection of this.active) {
      if (connection.events.length === 0) {
        this.active.delete(connection);
        connection.isActive = false;
        connection.stalledSince = 0;
        // The array keeps its room for seventeen events otherwise, which is a fifth of all that an idle connection takes.
        connection.events.length = 0;
        continue;
      }
      const isStalled = connection.sweptEvent === connection.firstEvent;
      if (!isStalled) connection.stalledSince = 0;
      else if (connection.stalledSince === 0) connection.stalledSince = now;
      connection.sweptEvent = connection.firstEvent;
      if (isStalled) detachPayloads(connection);
      const isTooLong = isStalled && now - connection.stalledSince > this.limits.parkMs;
      if (isTooLong && awayMs > 0) this.breakOff(connection, "nats.away");
      else if (connection.verdict !== undefined && awayMs === 0) {
        if (now >= connection.verdict.by) this.convict(connection);
      } else if (isTooLong && connection.phase === "unpinned") this.breakOff(connection, "parked.tooLong");
    }
  }

  // ── pins ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  // Everything to its place after workers or the activation changed; moves only what must move.
  private settle(): void {
    const { generation } = this.candidates;
    if (generation !== this.handover.generation) this.handover.begin(generation, this.size);
    this.placement.restart(true);
    this.isolate();
    this.options.onCandidates();
  }

  // Its worker was lost: it gets another.
  private replace(connection: Connection): void {
    // Not in the middle of a commit that was held back: it is replaced behind that.
    if (connection.isBeingReplaced) return;
    connection.isBeingReplaced = true;
    afterHeld(connection, () => {
      connection.isBeingReplaced = false;
      const how = connection.worker?.loss;
      if (how === undefined) return;
      this.takeBack(connection, how);
      if (connection.isFenced || (how === "forgotUs" && connection.firstEvent > 0)) this.leaveToWorkers(connection);
      else this.assign(connection);
    });
  }

  // It has an event, and does not wait until its turn has come in the placement.
  private placeNow(connection: Connection): void {
    if (connection.worker?.loss !== undefined) this.replace(connection);
    else if (this.placement.unpinned.has(connection) && this.leastLoaded() !== undefined) this.assign(connection);
  }

  private moveAway(connection: Connection, worker: WorkerPeer): void {
    const isReplaced = !worker.isDraining && !this.candidates.all.includes(worker);
    if (!isReplaced || this.candidates.all.some((candidate) => matchRoute(candidate.table, connection.path) !== undefined)) {
      this.askBack(connection, worker);
    }
    // Only a forced deploy takes a route away from open connections. The old worker, still warm, runs their onClose.
    else this.options.onBreak(connection, "route.removed");
  }

  private askBack(connection: Connection, worker: WorkerPeer): void {
    connection.phase = "leaving";
    connection.leavingSince = this.options.now();
    // Counted as gone at once, so that no more than the surplus is asked back.
    worker.pinned.delete(connection);
    worker.leaving.add(connection);
    if (connection.delivered === 0) {
      connection.isReturning = true;
      worker.returning++;
    }
    this.handover.asked();
    worker.link.appendEmpty({ type: toWorker.unpin, flags: 0, extra: 0, slot: connection.slot, epoch: connection.epoch });
  }

  // Undoes a pin. What the worker had not committed is parked again, in its place.
  private takeBack(connection: Connection, why: "handover" | Loss): void {
    const { worker } = connection;
    if (worker === undefined) return;
    worker.waiting.delete(connection);
    worker.inFlight -= connection.delivered;
    this.unpin(connection, worker);
    connection.phase = "unpinned";
    detachPayloads(connection);
    const returned = connection.events.splice(0, connection.delivered);
    connection.delivered = 0;
    connection.deliveredBytes = 0;
    // An adoption belongs to the pin that it was made for, delivered or not.
    const wasAdopting = returned[0]?.type === toWorker.adopt;
    if (wasAdopting) returned.shift();
    else if (connection.events[0]?.type === toWorker.adopt) this.parking.remove(connection, connection.events.shift() as ConnectionEvent);
    for (const event of returned) {
      if (why !== "handover") {
        event.redelivered = true;
        this.counters.redelivered++;
        this.handover.redelivered();
      }
      this.parking.add(connection, event);
    }
    connection.events.unshift(...returned);
    const wasToRunAlone = this.quarantine.connection === connection;
    if (isDeath(why) && (wasAdopting || returned.length > 0)) {
      const verdictBy = why === "unreachable" ? this.options.now() + this.limits.verdictMs : undefined;
      addDeath(connection, { workerId: worker.id, of: wasAdopting ? "adoption" : "event", wasToRunAlone, verdictBy });
      this.accused.add(connection);
    }
    connection.runsAlone = false;
    if (wasToRunAlone) this.quarantine.end();
  }

  private unpin(connection: Connection, worker: WorkerPeer): void {
    worker.pinned.delete(connection);
    if (worker.leaving.delete(connection)) this.handover.left();
    connection.worker = undefined;
    if (!connection.isReturning) return;
    connection.isReturning = false;
    worker.returning--;
    this.placement.returned();
  }

  private assign(connection: Connection): void {
    this.placement.unpinned.delete(connection);
    if (connection.verdict !== undefined) return;
    if (connection.culprit !== undefined && !this.setAside(connection)) return;
    if (this.quarantine.isSuspect(connection)) {
      this.quarantine.add(connection);
      this.isolate();
      return;
    }
    this.waitsNoMore(connection);
    if (connection.worker !== undefined) return;
    const worker = this.leastLoaded();
    if (worker === undefined) this.placement.unpinned.add(connection);
    else this.pin(connection, worker);
  }

  private pin(connection: Connection, worker: WorkerPeer): void {
    const match = matchRoute(worker.table, connection.path);
    if (match === undefined) {
      this.abandon(connection);
      return;
    }
    connection.worker = worker;
    connection.phase = "pinned";
    this.serve(connection, match.route.path);
    connection.epoch = (connection.epoch + 1) >>> 0;
    worker.pinned.add(connection);
    const wasOpened = connection.firstEvent > 0;
    const head = { type: toWorker.pin, flags: 0, extra: 0, slot: connection.slot, epoch: connection.epoch };
    const { own } = connection.state.givenTo(worker.release);
    if (own !== undefined) worker.link.append({ ...head, type: toWorker.earlier }, own.state ?? nothing);
    worker.link.append(head, packValue(pinBodyOf(connection)));
    if (wasOpened) worker.adoptionBatch = worker.link.lastBatch;
    if (connection.leavingSince > 0) {
      this.handover.moved(this.options.now() - connection.leavingSince);
      connection.leavingSince = 0;
    }
    if (wasOpened && match.route.adopts && !connection.isClosing) {
      const adopt = new ConnectionEvent(toWorker.adopt, nothing);
      connection.events.unshift(adopt);
      this.parking.add(connection, adopt);
      this.watch(connection);
    }
    this.delivery.advance(connection);
  }

  // ── suspects ──────────────────────────────────────────────────────────────────────────────────────────────────────

  // Runs the next suspect alone, once a worker is quiet.
  private isolate(): void {
    const next = this.quarantine.next(this.candidates.all);
    if (next === undefined) return;
    // It may have ended, or been moved, while it waited; and pinned it is only where its route is served.
    if (this.connections.has(next.connection) && next.connection.worker === undefined) this.pin(next.connection, next.worker);
    if (next.connection.worker !== next.worker) this.endQuarantine(next.worker);
  }

  // The worker that is reserved has one event less in hand.
  private progress(worker: WorkerPeer): void {
    const { connection } = this.quarantine;
    if (connection !== undefined) connection.runsAlone = false;
    if (connection === undefined) this.isolate();
    else if (!this.quarantine.isSuspect(connection)) this.endQuarantine(worker);
  }

  // What ran alone is done. Other suspects run at once, one after the other; then the worker goes on with what has waited.
  private endQuarantine(worker: WorkerPeer): void {
    if (this.quarantine.done()) {
      this.delivery.creditBack(worker);
      this.settle();
    }
    this.isolate();
  }

  // To run alone. Where no other does, the worker that was kept for that goes on with what has waited.
  private waitsNoMore(connection: Connection): void {
    const worker = this.quarantine.remove(connection);
    if (worker === undefined) return;
    this.delivery.creditBack(worker);
    this.settle();
  }

  private convict(connection: Connection): void {
    connection.verdict = undefined;
    this.assign(connection);
  }

  /** @returns whether anything of the connection is left to run. */
  private setAside(connection: Connection): boolean {
    this.counters.poison++;
    this.options.onPoison(connection);
    const event = connection.culprit === "adoption" ? undefined : connection.events.shift();
    connection.culprit = undefined;
    connection.dead = undefined;
    if (event !== undefined) {
      this.parking.remove(connection, event);
      connection.firstEvent++;
    }
    if (event?.type === toWorker.close) {
      this.end(connection);
      return false;
    }
    this.breakOff(connection, "message.poison");
    return true;
  }

  // Workers that took this gateway for dead run its onClose.
  private leaveToWorkers(connection: Connection): void {
    this.breakOff(connection, "gateway.forgotten");
    for (const event of connection.events.splice(0)) this.parking.remove(connection, event);
    this.counters.fenced++;
    this.end(connection);
  }

  // ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private park(connection: Connection, event: ConnectionEvent): void {
    connection.events.push(event);
    this.watch(connection);
    this.parking.add(connection, event);
    if (connection.phase === "leaving") this.handover.parked();
  }

  // What no worker has begun is discarded; the open and the close of a connection never are.
  private breakOff(connection: Connection, code: ErrorCode): void {
    const waiting = connection.events.splice(connection.delivered);
    for (const event of waiting) {
      if (event.type === toWorker.message) {
        this.parking.remove(connection, event);
        this.counters.discarded++;
      } else connection.events.push(event);
    }
    // What it waits to be judged for may have been one of them. What is left runs alone all the same.
    const waits = connection.verdict !== undefined;
    acquit(connection);
    connection.isClosing = true;
    this.options.onBreak(connection, code);
    if (waits) this.assign(connection);
  }

  // No worker of the active release serves its path, and none of an older one has it: nobody is left to run its onClose.
  private abandon(connection: Connection): void {
    this.breakOff(connection, "route.removed");
    for (const event of connection.events.splice(0)) this.parking.remove(connection, event);
    this.counters.abandoned++;
    this.end(connection);
  }

  private watch(connection: Connection): void {
    connection.isActive = true;
    this.active.add(connection);
  }

  private serve(connection: Connection, route: string): void {
    if (connection.route === route) return;
    if (connection.socket !== undefined) {
      this.countRoute(connection.route, -1);
      this.countRoute(route, 1);
    }
    connection.route = route;
  }

  private countRoute(route: string, more: number): void {
    const count = (this.routeCounts.get(route) ?? 0) + more;
    if (count === 0) this.routeCounts.delete(route);
    else this.routeCounts.set(route, count);
  }

  // Closes everything, slice by slice.
  private fence(): void {
    const until = this.options.now() + this.placementLimits.sliceMs;
    while (this.fencing !== undefined) {
      const { value: connection, done } = this.fencing.next();
      if (done) {
        this.fencing = undefined;
        return;
      }
      if (connection.isFenced) continue;
      connection.isFenced = true;
      this.breakOff(connection, "nats.away");
      if (this.options.now() >= until) return this.options.later(() => this.fence());
    }
  }

  private end(connection: Connection): void {
    this.connections.delete(connection);
    this.active.delete(connection);
    this.accused.delete(connection);
    this.placement.unpinned.delete(connection);
    this.waitsNoMore(connection);
    const { worker } = connection;
    if (worker !== undefined) {
      worker.waiting.delete(connection);
      this.unpin(connection, worker);
    }
    this.options.onEnd(connection);
  }
}

/** Runs an action once no commit of the connection is held back. */
export function afterHeld(connection: Connection, action: () => void): void {
  if (connection.held === undefined) action();
  else connection.held.push(action);
}
