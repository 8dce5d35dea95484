// Questions to workers that belong to no connection: may this client connect, plain HTTP, and what is to be done for a gateway that
// crashed. Like events they wait while there is no worker, and are asked again when the worker that had them is lost; not for ever, since one may kill workers.

import { runSlices, type Slices } from "../process/time-slice.ts";
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
  /** The answer is a connection over HTTP. May throw where it cannot be read. */
  readonly onSession?: (payload: Buffer) => void;
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
  /** undefined: it waits for one. */
  worker: WorkerPeer | undefined;
  wasAsked: boolean;
  deaths: number;
}

export interface WorkerRequestsOptions extends AnswerStreamsOptions, Slices {
  readonly limits: { readonly parkMs: number };
  readonly choose: () => WorkerPeer | undefined;
  /** One could not be asked again. It goes on to wait. */
  readonly onBug: (error: unknown) => void;
}

export class WorkerRequests {
  private readonly options: WorkerRequestsOptions;
  /** Those that are answered, but for their body's end. */
  readonly streams: AnswerStreams;
  /** The oldest first. */
  private readonly open = new Map<number, Ask>();
  private last = 0;
  private isPassing = false;
  /** One that was passed already may wait now. */
  private isPassStale = false;

  constructor(options: WorkerRequestsOptions) {
    this.options = options;
    this.streams = new AnswerStreams(options);
  }

  get size(): number {
    return this.open.size;
  }

  /** When the oldest that is open was asked; Infinity where none is. */
  get unansweredSince(): number {
    const [oldest] = this.open.values();
    return oldest?.askedAt ?? Number.POSITIVE_INFINITY;
  }

  /** @returns what is to be called when nobody waits for the answer, or for the rest of it, any more. */
  ask(question: Question): () => void {
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

  /**
   * A worker has answered question `number` with a connection over HTTP. An answer that nobody waits for is dropped.
   * @throws what `onSession` throws, when `onBroken` has run.
   */
  session(worker: WorkerPeer, number: number, payload: Buffer): void {
    this.settle(worker, number, ({ onSession }) => {
      if (onSession === undefined) throw new CodedError("envelope.malformed", "a session where there can be none");
      onSession(payload);
    });
  }

  /** What this worker has been asked and has not answered, how often each. */
  underWayAt(worker: WorkerPeer): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const ask of this.open.values()) if (ask.worker === worker) counts[ask.what] = (counts[ask.what] ?? 0) + 1;
    return counts;
  }

  /** What this worker has not answered is asked again, as by `retry`. */
  lost(worker: WorkerPeer, how: Loss): void {
    this.streams.lost(worker);
    for (const ask of this.open.values()) {
      if (ask.worker !== worker) continue;
      ask.worker = undefined;
      if (how === "exited" || how === "unreachable") ask.deaths++;
    }
    this.retry();
  }

  /** There may be a worker now: whatever waits for one is asked in slices, the first of them at once. */
  retry(): void {
    this.isPassStale = true;
    if (!this.isPassing) runSlices(this.passes(), this.options);
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

  private *passes(): Generator<void> {
    this.isPassing = true;
    try {
      while (this.isPassStale) {
        this.isPassStale = false;
        yield* this.pass();
      }
    } finally {
      this.isPassing = false;
    }
  }

  // Those that a worker has are passed over at next to no cost.
  private *pass(): Generator<void> {
    for (const ask of this.open.values()) {
      if (ask.worker !== undefined) continue;
      this.askAgain(ask);
      yield;
      if (this.isPassStale) return;
    }
  }

  private askAgain(ask: Ask): void {
    try {
      if (ask.deaths < mostDeaths) return this.send(ask);
      this.open.delete(ask.number);
      ask.onPoison();
    } catch (error) {
      // In a slice nobody else would meet it.
      ask.worker = undefined;
      this.options.onBug(error);
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
