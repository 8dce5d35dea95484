// Questions to workers that belong to no connection: may this client connect, plain HTTP, and what is to be done for a gateway that
// crashed. Like events they wait while there is no worker, and are asked again when the worker that had them is lost; not for ever, since one may kill workers.

import { CodedError } from "../protocol/errors.ts";
import { AnswerStreams, type AnswerStreamsOptions, cancelAt, type StreamedAnswer } from "./answer-streams.ts";
import type { Loss, WorkerPeer } from "./worker-peer.ts";

/** Of workers that had a question in hand: it is given to no other then. */
const mostDeaths = 3;

export interface Question {
  /** For people: "onRequest of /chat/:room". */
  readonly what: string;
  readonly type: number;
  /** The record's body; told whether some worker may have seen the question before. */
  readonly body: (isRedelivered: boolean) => Uint8Array;
  /** May throw where the answer cannot be read. */
  readonly onAnswer: (payload: Buffer) => void;
  /** An answer whose body is to follow. May throw where its head cannot be read. */
  readonly onBegun?: (payload: Buffer) => StreamedAnswer;
  /** The answer was none: nobody will give another. */
  readonly onBroken: () => void;
  /** No worker has answered in time. */
  readonly onTimeout: () => void;
  /** Too many workers have died with it in hand. */
  readonly onPoison: () => void;
  /** Where nobody waits any more. */
  readonly isOver: () => boolean;
}

interface Ask extends Question {
  readonly number: number;
  readonly askedAt: number;
  worker: WorkerPeer | undefined;
  wasAsked: boolean;
  deaths: number;
}

export class WorkerRequests {
  private readonly options: AnswerStreamsOptions & {
    readonly now: () => number;
    readonly limits: { readonly parkMs: number };
    readonly choose: () => WorkerPeer | undefined;
  };
  /** Those that are answered, but for their body's end. */
  readonly streams: AnswerStreams;
  private readonly open = new Map<number, Ask>();
  private last = 0;

  constructor(options: WorkerRequests["options"]) {
    this.options = options;
    this.streams = new AnswerStreams(options);
  }

  get size(): number {
    return this.open.size;
  }

  /** @returns what is to be called when nobody waits for the answer, or for the rest of it, any more. */
  ask(
    question: Pick<Ask, "what" | "type" | "body" | "onAnswer" | "onBegun" | "onBroken" | "onTimeout" | "onPoison" | "isOver">,
  ): () => void {
    this.last = (this.last + 1) >>> 0;
    const ask = { ...question, number: this.last, askedAt: this.options.now(), worker: undefined, wasAsked: false, deaths: 0 };
    this.open.set(ask.number, ask);
    this.send(ask);
    return () => this.gone(ask);
  }

  /**
   * A worker has answered question `number`. An answer that nobody waits for is dropped.
   * @throws what `onAnswer` throws, when `onBroken` has run.
   */
  answered(worker: WorkerPeer, number: number, payload: Buffer): void {
    this.settle(worker, number, (ask) => ask.onAnswer(payload));
  }

  /**
   * A worker has begun to answer question `number`. Where nobody waits for that, it is told so.
   * @throws what `onBegun` throws, when `onBroken` has run.
   */
  begun(worker: WorkerPeer, number: number, payload: Buffer): void {
    const begin = ({ onBegun }: Ask) => {
      if (onBegun === undefined) throw new CodedError("envelope.malformed", "an answer in pieces to what has none");
      this.streams.begin(worker, number, onBegun(payload));
    };
    if (!this.settle(worker, number, begin)) cancelAt(worker, number);
  }

  /** What this worker has been asked and has not answered, how often each. */
  underWayAt(worker: WorkerPeer): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const ask of this.open.values()) if (ask.worker === worker) counts[ask.what] = (counts[ask.what] ?? 0) + 1;
    return counts;
  }

  /** Asks again what this worker has not answered. */
  lost(worker: WorkerPeer, how: Loss): void {
    this.streams.lost(worker);
    for (const ask of this.open.values()) {
      if (ask.worker !== worker) continue;
      ask.worker = undefined;
      if (how === "exited" || how === "unreachable") ask.deaths++;
      if (ask.deaths < mostDeaths) this.send(ask);
      else {
        this.open.delete(ask.number);
        ask.onPoison();
      }
    }
  }

  /** There may be a worker now. As many are asked as clients wait to be let in or answered: few beside the connections. */
  retry(): void {
    for (const ask of this.open.values()) if (ask.worker === undefined) this.send(ask);
  }

  sweep(): void {
    for (const ask of this.open.values()) {
      const isLate = this.options.now() - ask.askedAt > this.options.limits.parkMs;
      if (!isLate && !ask.isOver()) continue;
      this.open.delete(ask.number);
      if (ask.worker !== undefined) cancelAt(ask.worker, ask.number);
      if (isLate) ask.onTimeout();
    }
  }

  /** @returns whether the question was open, and with this worker. */
  private settle(worker: WorkerPeer, number: number, answer: (ask: Ask) => void): boolean {
    const ask = this.open.get(number);
    if (ask === undefined || ask.worker !== worker) return false;
    this.open.delete(number);
    try {
      answer(ask);
    } catch (error) {
      ask.onBroken();
      throw error;
    }
    return true;
  }

  private gone(ask: Ask): void {
    this.streams.gone(ask.number);
    if (!this.open.delete(ask.number)) return;
    if (ask.worker !== undefined) cancelAt(ask.worker, ask.number);
  }

  private send(ask: Ask): void {
    const worker = this.options.choose();
    if (worker === undefined) return;
    ask.worker = worker;
    worker.link.append({ type: ask.type, flags: 0, extra: 0, slot: ask.number, epoch: 0 }, ask.body(ask.wasAsked));
    ask.wasAsked = true;
  }
}
