// Questions to workers that belong to no connection yet: may this client connect, and plain HTTP. Like events they wait
// while there is no worker, and are asked again when the worker that had them is lost; not for ever, since one may kill workers.

import { isDeath, type Loss } from "./dispatcher.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** Of workers that had a question in hand: it is given to no other then. */
const mostDeaths = 3;

interface Ask {
  readonly number: number;
  readonly type: number;
  /** The record's body; told whether some worker may have seen the question before. */
  readonly body: (isRedelivered: boolean) => Uint8Array;
  readonly askedAt: number;
  /** May throw where the answer cannot be read. */
  readonly onAnswer: (payload: Buffer) => void;
  /** The answer was none: nobody will give another. */
  readonly onBroken: () => void;
  /** No worker has answered in time. */
  readonly onTimeout: () => void;
  /** Too many workers have died with it in hand. */
  readonly onPoison: () => void;
  /** Where nobody waits any more. */
  readonly isOver: () => boolean;
  worker: WorkerPeer | undefined;
  wasAsked: boolean;
  deaths: number;
}

export class Asks {
  private readonly options: {
    readonly now: () => number;
    readonly limits: { readonly parkMs: number };
    readonly choose: () => WorkerPeer | undefined;
  };
  private readonly open = new Map<number, Ask>();
  private last = 0;

  constructor(options: Asks["options"]) {
    this.options = options;
  }

  get size(): number {
    return this.open.size;
  }

  ask(question: Pick<Ask, "type" | "body" | "onAnswer" | "onBroken" | "onTimeout" | "onPoison" | "isOver">): void {
    this.last = (this.last + 1) >>> 0;
    const ask = { ...question, number: this.last, askedAt: this.options.now(), worker: undefined, wasAsked: false, deaths: 0 };
    this.open.set(ask.number, ask);
    this.send(ask);
  }

  /**
   * A worker has answered question `number`. An answer that nobody waits for is dropped.
   * @throws what `onAnswer` throws, when `onBroken` has run.
   */
  answered(worker: WorkerPeer, number: number, payload: Buffer): void {
    const ask = this.open.get(number);
    if (ask === undefined || ask.worker !== worker) return;
    this.open.delete(number);
    try {
      ask.onAnswer(payload);
    } catch (error) {
      ask.onBroken();
      throw error;
    }
  }

  /** Asks again what this worker has not answered. */
  lost(worker: WorkerPeer, how: Loss): void {
    for (const ask of this.open.values()) {
      if (ask.worker !== worker) continue;
      ask.worker = undefined;
      if (isDeath(how)) ask.deaths++;
      if (ask.deaths < mostDeaths) this.send(ask);
      else {
        this.open.delete(ask.number);
        ask.onPoison();
      }
    }
  }

  /** There may be a worker now. */
  retry(): void {
    for (const ask of this.open.values()) if (ask.worker === undefined) this.send(ask);
  }

  sweep(): void {
    for (const ask of this.open.values()) {
      const isLate = this.options.now() - ask.askedAt > this.options.limits.parkMs;
      if (!isLate && !ask.isOver()) continue;
      this.open.delete(ask.number);
      if (isLate) ask.onTimeout();
    }
  }

  private send(ask: Ask): void {
    const worker = this.options.choose();
    if (worker === undefined) return;
    ask.worker = worker;
    worker.link.append({ type: ask.type, flags: 0, extra: 0, slot: ask.number, epoch: 0 }, ask.body(ask.wasAsked));
    ask.wasAsked = true;
  }
}
