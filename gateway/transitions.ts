// Takes connections from phase to phase: carries out what the table of phase.ts says. Pure.

import type { ErrorCode } from "../protocol/errors.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { toWorker } from "../protocol/records.ts";
import { matchRoute, type RouteMatch } from "../protocol/route-table.ts";
import { Candidates } from "./candidates.ts";
import type { Connection } from "./connection.ts";
import { CrashAttribution } from "./crash-attribution.ts";
import type { DispatchCounters, DispatcherOptions } from "./dispatch-options.ts";
import type { ConnectionEvent } from "./event.ts";
import { EventQueues } from "./event-queues.ts";
import { HandoverMeter } from "./handover-meter.ts";
import { Parking } from "./parking.ts";
import { type Action, type PhaseEvent, transition } from "./phase.ts";
import { Pins } from "./pins.ts";
import { Placement, placementLimits } from "./placement.ts";
import { Quarantine } from "./quarantine.ts";
import { RouteCounts } from "./route-counts.ts";
import { meterWith } from "./route-meter.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface TransitionsOptions extends DispatcherOptions {
  readonly counters: DispatchCounters;
}

export class Transitions {
  /** How many have opened and not ended. */
  size = 0;
  /** NATS was back then, after so long that workers may have taken this gateway for dead: those that have not been heard since. */
  doubtfulSince = Number.NEGATIVE_INFINITY;
  readonly candidates = new Candidates();
  readonly handover = new HandoverMeter();
  readonly routeCounts = new RouteCounts();
  readonly quarantine = new Quarantine();
  readonly crashes = new CrashAttribution();
  readonly parking: Parking;
  readonly queues: EventQueues;
  readonly placement: Placement;
  private readonly options: TransitionsOptions;
  private readonly pins: Pins;

  constructor(options: TransitionsOptions) {
    this.options = options;
    const { limits, now, later, placement = placementLimits } = options;
    this.parking = new Parking(limits);
    this.queues = new EventQueues({ window: limits, parking: this.parking, quarantine: this.quarantine, counters: options.counters });
    this.pins = new Pins({ handover: this.handover, now, onReturned: () => this.placement.returned() });
    this.placement = new Placement({
      candidates: this.candidates,
      now,
      later,
      limits: placement,
      connections: () => this.size,
      busy: () => this.queues.active,
      reserved: () => this.quarantine.worker,
      hasRoom: () => this.leastLoaded() !== undefined,
      replace: (connection) => this.safely(connection, this.replace),
      place: (connection) => this.safely(connection, this.place),
      moveAway: (connection) => this.safely(connection, this.moveAway),
    });
  }

  happen(connection: Connection, event: PhaseEvent): void {
    const [next, actions] = transition(connection.phase, event);
    connection.phase = next;
    for (const action of actions) {
      this.act(connection, action);
      // Setting its close aside has ended it.
      if (connection.phase !== next) return;
    }
  }

  /** Chooses its first worker, or its next one. */
  place(connection: Connection): void {
    this.placement.parked.delete(connection);
    if (connection.crashes?.isSuspicious) return this.happen(connection, "suspected");
    const worker = this.leastLoaded();
    if (worker === undefined) this.placement.parked.add(connection);
    else this.give(connection, worker);
  }

  /** If its worker was lost, it gets another; where a commit is held back, behind that. */
  replace(connection: Connection): void {
    const { worker } = connection;
    if (worker?.loss === undefined || connection.held !== undefined) return;
    this.happen(connection, this.isForgotten(connection, worker) ? "forgotten" : "lost");
  }

  /** Whether workers run its onClose in this gateway's stead, now that its own was lost. */
  isForgotten({ isFenced, firstEvent }: Connection, { loss, link }: WorkerPeer): boolean {
    return (loss === "forgotUs" && firstEvent > 0) || (isFenced && link.heardAt < this.doubtfulSince);
  }

  /** It has an event, and does not wait for its turn in the placement. */
  hurry(connection: Connection): void {
    if (connection.worker !== undefined) this.replace(connection);
    else if (this.placement.parked.has(connection) && this.leastLoaded() !== undefined) this.place(connection);
  }

  /** @returns undefined where none may be given work, or only one that is reserved for a suspect. */
  leastLoaded(): WorkerPeer | undefined {
    return this.candidates.leastLoaded(this.quarantine.worker);
  }

  /** Everything to its place after workers or the activation changed; moves only what must move. */
  rearrange(): void {
    const { generation } = this.candidates;
    if (generation !== this.handover.generation) this.handover.begin(generation, this.size);
    this.placement.restart(true);
    this.runNextAlone();
    this.options.onCandidates();
  }

  /** Messages that no worker has begun are discarded; the open and the close of a connection never are. */
  breakOff(connection: Connection, code: ErrorCode): void {
    this.queues.dropMessages(connection);
    if (connection.intake === "open") connection.intake = "closing";
    this.options.onBreak(connection, code);
  }

  /** In a slice nobody else would meet the error. */
  safely(connection: Connection, step: (connection: Connection) => void): void {
    try {
      step.call(this, connection);
    } catch (error) {
      this.options.onBug(connection, error);
    }
  }

  // ── suspects ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs the next suspect alone, once a worker is quiet. */
  runNextAlone(): void {
    this.free(this.quarantine.leaveUnless(this.candidates.all));
    for (let next = this.nextAlone(); next !== undefined; next = this.nextAlone()) {
      const { connection, worker } = next;
      while (this.queues.dropUnheard(connection, worker));
      if (hasToRun(connection, worker)) this.give(connection, worker);
      else {
        connection.crashes = undefined;
        this.happen(connection, "cleared");
      }
      if (connection.phase === "quarantined") return;
      this.free(this.quarantine.end());
    }
  }

  /** The worker has committed an event, or a connection has left it: what is to run alone may have waited for that. */
  hasLessInHand(worker: WorkerPeer | undefined): void {
    if (worker !== undefined && worker === this.quarantine.worker) this.runNextAlone();
  }

  /** Of one more worker it is known whether it has died. */
  judge(connection: Connection): void {
    const { crashes, phase } = connection;
    if (phase !== "suspect") return;
    if (crashes?.poison !== undefined) this.happen(connection, "convicted");
    else if (!crashes?.isSuspicious) this.happen(connection, "cleared");
    else if (crashes.unconfirmed === 0) {
      this.quarantine.add(connection);
      this.runNextAlone();
    }
  }

  /** An event has committed that lost workers may have had in hand. */
  survive(connection: Connection): void {
    this.quarantine.committed(connection);
    while (connection.worker !== undefined && this.queues.dropUnheard(connection, connection.worker));
    if (connection.events[0]?.redelivered) return;
    connection.crashes = undefined;
    this.happen(connection, "cleared");
  }

  private nextAlone() {
    return this.quarantine.next(this.candidates.all);
  }

  /** @param worker was reserved, and may be given the events of others again. */
  private free(worker: WorkerPeer | undefined): void {
    if (worker === undefined) return;
    this.queues.creditBack(worker);
    this.rearrange();
  }

  // ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private act(connection: Connection, action: Action): void {
    const worker = connection.worker as WorkerPeer;
    switch (action) {
      case "pin":
        return this.pins.pin(connection, worker);
      case "askBack":
        return this.pins.askBack(connection, worker);
      case "dismiss":
        return this.pins.tellUnpin(connection, worker, true);
      case "takeBack":
        return void this.takeBack(connection, worker);
      case "redeliver":
        return this.redeliver(connection, worker);
      case "place":
        return this.place(connection);
      case "judge":
        return this.judge(connection);
      case "setAside":
        return this.setAside(connection);
      case "close":
        return this.breakOff(connection, "connection.bug");
      case "leave":
        return this.drop(connection, "gateway.forgotten", "fenced");
      case "abandon":
        return this.drop(connection, "route.removed", "abandoned");
      case "endQuarantine":
        this.free(this.quarantine.end());
        return this.runNextAlone();
      case "forget":
        return this.forget(connection);
    }
  }

  private give(connection: Connection, worker: WorkerPeer): void {
    const match = matchRoute(worker.table, connection.path);
    if (match === undefined) return this.happen(connection, "abandoned");
    this.routeCounts.move(connection, match.route.path);
    if (connection.meter !== undefined) connection.meter = meterWith(connection.meter, match.route.messages);
    connection.worker = worker;
    this.happen(connection, "given");
    if (isAdopted(connection, match)) this.queues.parkAdoption(connection);
    this.queues.advance(connection);
  }

  private moveAway(connection: Connection): void {
    const worker = connection.worker as WorkerPeer;
    const { all } = this.candidates;
    const isReplaced = !worker.isDraining && !all.includes(worker);
    if (!isReplaced || all.some(({ table }) => matchRoute(table, connection.path) !== undefined)) this.happen(connection, "askedBack");
    // Only a forced deploy takes a route away from open connections. The old worker, still warm, runs their onClose. Not in the table: no
    // phase changes, as where a limit is passed.
    else this.options.onBreak(connection, "route.removed");
  }

  private takeBack(connection: Connection, worker: WorkerPeer): ConnectionEvent[] {
    this.pins.unpin(connection, worker);
    return this.queues.takeBack(connection, worker);
  }

  private redeliver(connection: Connection, worker: WorkerPeer): void {
    const returned = this.takeBack(connection, worker);
    const [first] = returned;
    if (first === undefined) return;
    for (const event of returned) {
      // An adoption belongs to its pin: the next worker gets another.
      if (event.type === toWorker.adopt) continue;
      event.redelivered = true;
      this.options.counters.redelivered++;
      this.handover.redelivered();
    }
    this.crashes.add(worker, { connection, event: first, alone: this.quarantine.aloneness(connection) });
  }

  private setAside(connection: Connection): void {
    const poison = connection.crashes?.poison ?? "event";
    connection.crashes = undefined;
    this.options.counters.poison++;
    this.options.onPoison(connection, poison);
    if (poison === "event" && this.queues.setFirstAside(connection).type === toWorker.close) this.happen(connection, "ended");
    else this.breakOff(connection, "message.poison");
  }

  // After a second bug it is closed already, whatever the code.
  private drop(connection: Connection, code: ErrorCode, counter: "fenced" | "abandoned"): void {
    this.breakOff(connection, code);
    this.queues.dropAll(connection);
    this.options.counters[counter]++;
  }

  private forget(connection: Connection): void {
    const { worker } = connection;
    this.size--;
    this.queues.active.delete(connection);
    this.placement.parked.delete(connection);
    if (worker !== undefined) {
      worker.waiting.delete(connection);
      this.pins.unpin(connection, worker);
    }
    this.options.onEnd(connection);
    this.free(this.quarantine.remove(connection));
  }
}

/** Whether its next worker runs onAdopt for it. */
function isAdopted({ firstEvent, intake }: Connection, { route }: RouteMatch<RouteHello>): boolean {
  return firstEvent > 0 && route.adopts && intake === "open";
}

/** A suspect may have nothing: adopting it has killed, and the worker that it is to get adopts nobody. */
function hasToRun(connection: Connection, { table }: WorkerPeer): boolean {
  const match = matchRoute(table, connection.path);
  return connection.events.length > 0 || (match !== undefined && isAdopted(connection, match));
}
