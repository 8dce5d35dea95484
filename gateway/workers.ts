// Which workers there are: met by their hellos, lost when they say so, when their supervisor does, or by their silence.

import type { Logger } from "pino";
import type { LinkHub } from "../protocol/link-hub.ts";
import type { UnderWay, WorkerHello } from "../protocol/membership.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { underWayAt } from "./under-way.ts";
import { type Loss, WorkerPeer } from "./worker-peer.ts";
import type { WorkerRequests } from "./worker-requests.ts";

export interface WorkersOptions {
  readonly hub: LinkHub;
  readonly dispatcher: Dispatcher;
  readonly requests: Pick<WorkerRequests, "underWayAt">;
  readonly log: Logger;
  readonly now: () => number;
  readonly limits: WorkerLimits;
  readonly onLost: (worker: WorkerPeer, how: Loss) => void;
}

export interface WorkerLimits {
  /** Silent for longer, a worker is unreachable. */
  readonly silenceMs: number;
  /** Unreachable for so long, it has died. */
  readonly confirmMs: number;
  /** For how long its supervisor is told what it had in hand. */
  readonly rememberMs: number;
}

export class Workers {
  private readonly options: WorkersOptions;
  private readonly peers = new Map<string, WorkerPeer>();
  /** Those that nobody hears: since when, how often each had come back to NATS until then, and what it had in hand. */
  private readonly unreachable = new Map<string, { at: number; readonly reconnects: number; readonly underWay: UnderWay }>();

  constructor(options: WorkersOptions) {
    this.options = options;
  }

  get(id: string): WorkerPeer | undefined {
    return this.peers.get(id);
  }

  all(): Iterable<WorkerPeer> {
    return this.peers.values();
  }

  /** By id, those that nobody hears: what each had in hand. */
  get silent(): Record<string, UnderWay> {
    return Object.fromEntries([...this.unreachable].map(([id, { underWay }]) => [id, underWay]));
  }

  hear(hello: WorkerHello): void {
    const worker = this.peers.get(hello.id) ?? this.meet(hello);
    worker.heardAt = this.options.now();
    worker.reconnects = hello.reconnects ?? 0;
    worker.hasMetrics = hello.metrics === true;
    if (hello.state === "draining") this.options.dispatcher.drains(worker);
    const isStarting = isStartingIn(hello);
    if (isStarting !== worker.isStarting) this.options.dispatcher.starts(worker, isStarting);
  }

  /** It has ended: by its own word, or, exited, by its supervisor's. */
  gone(id: string, reason: "bye" | "exited"): void {
    this.lose(id, reason, reason === "exited" ? "exited" : "left");
    if (!this.unreachable.delete(id)) return;
    if (reason === "exited") this.options.dispatcher.confirm(id);
    else this.options.dispatcher.clear(id);
  }

  /** @param reason for the log. */
  lose(id: string, reason: string, how: Loss): void {
    const { hub, dispatcher, requests, log, now, onLost } = this.options;
    const worker = this.peers.get(id);
    if (worker === undefined) return;
    this.peers.delete(id);
    hub.close(id);
    const fields = { worker: id, release: worker.release, reason, connections: worker.pins };
    if (how === "left") log.info(fields, "worker left");
    else {
      const underWay = underWayAt(worker, dispatcher.busy(), requests.underWayAt(worker));
      log.warn({ ...fields, underWay }, "worker left");
      if (how === "unreachable") this.unreachable.set(id, { at: now(), reconnects: worker.reconnects, underWay });
    }
    // One that was asked to end and took too long has died of that; one of a release on trial, of its release.
    const isExcused = worker.isDraining || dispatcher.trial.isBlamed(worker.release, now());
    const loss = isExcused && how !== "forgotUs" ? "left" : how;
    dispatcher.lost(worker, loss);
    onLost(worker, loss);
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    const now = this.options.now();
    for (const worker of this.peers.values()) worker.heardAt = now;
    for (const worker of this.unreachable.values()) worker.at = now;
  }

  /** To be called a few times a second. @param at When all that workers had said until then was known to be heard. */
  sweep(at = this.options.now()): void {
    const { dispatcher, limits } = this.options;
    // One that works on something and is sent nothing: NATS tells whether it is still there.
    for (const { inFlight, link } of this.peers.values()) if (inFlight > 0) link.probe();
    const latest = at - limits.silenceMs;
    for (const { id, heardAt } of [...this.peers.values()]) if (heardAt < latest) this.lose(id, "silent for too long", "unreachable");
    for (const [id, { at: since }] of this.unreachable) {
      if (since <= at - limits.confirmMs) dispatcher.confirm(id);
      if (since < latest - limits.rememberMs) this.unreachable.delete(id);
    }
  }

  private meet(hello: WorkerHello): WorkerPeer {
    const { hub, dispatcher, log, now } = this.options;
    const { id, release, routes } = hello;
    const link = hub.open(id);
    // One that has only stood still learns that it has lost what it had: else it would run its onClose at our end.
    link.probe();
    const worker = new WorkerPeer({ id, release, table: compileRoutes(routes), link, now: now() });
    this.peers.set(id, worker);
    log.info({ worker: id, release }, "worker joined");
    // What was silent because NATS had lost it was killed by no message; what hung may have been.
    const before = this.unreachable.get(id);
    if (before !== undefined && (hello.reconnects ?? 0) > before.reconnects) dispatcher.clear(id);
    else if (before !== undefined) dispatcher.confirm(id);
    this.unreachable.delete(id);
    if (hello.state === "draining") worker.drainsSince = now();
    worker.isStarting = isStartingIn(hello);
    dispatcher.joined(worker);
    return worker;
  }
}

function isStartingIn({ onStart }: WorkerHello): boolean {
  return onStart !== undefined && onStart.phase !== "on";
}
