// Answers whose bodies come in pieces. A worker may send so much of one beyond what the client's socket has taken; what waits
// for sockets counts towards PARKED_TOTAL_BYTES. An answer that has begun belongs to its worker: nobody else could go on with it,
// and a client that has some of it must not take that for the whole.

import { CodedError } from "../protocol/errors.ts";
import { packValue } from "../protocol/msgpack.ts";
import { responseWindowBytes, toWorker } from "../protocol/records.ts";
import type { ParkingOwner } from "./parking.ts";
import type { Body } from "./uws/response-body.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** What was taken is told in such pieces. Less than the window, or both sides would wait. */
const creditBytes = responseWindowBytes / 4;

export interface AnswerStreamsOptions {
  /** Memory that all together have. */
  readonly memory: {
    keepBody(bytes: number, owner?: ParkingOwner): boolean;
    dropBody(bytes: number, owner?: ParkingOwner): void;
  };
}

/** What an answer's client is to be told. */
export interface StreamedAnswer {
  /** Whose memory it takes; missing: nobody's in particular. */
  readonly owner?: ParkingOwner | undefined;
  /** Writes the head. @returns undefined where nobody wants the body; null: it was refused instead, and that is counted. */
  readonly begin: (onTaken: (bytes: number) => void) => Body | undefined | null;
  /** All has been written. */
  readonly onEnd: () => void;
  /** The client's connection is cut. */
  readonly onCut: (reason: string) => void;
}

interface Stream extends Omit<StreamedAnswer, "begin"> {
  readonly body: Body;
  /** undefined: it has sent all. */
  worker: WorkerPeer | undefined;
  /** Bytes that the client's socket has not taken yet. */
  waiting: number;
  /** Bytes that it has taken, and the worker does not know it yet. */
  taken: number;
}

export class AnswerStreams {
  private readonly options: AnswerStreamsOptions;
  private readonly open = new Map<number, Stream>();

  constructor(options: AnswerStreamsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.open.size;
  }

  /** @param number of the question that is answered. */
  begin(worker: WorkerPeer, number: number, { owner, begin, onEnd, onCut }: StreamedAnswer): void {
    const body = begin((bytes) => this.taken(number, bytes));
    if (body === undefined || body === null) {
      cancelAt(worker, number);
      if (body === undefined) onEnd();
    } else this.open.set(number, { owner, body, worker, waiting: 0, taken: 0, onEnd, onCut });
  }

  /** @throws {CodedError} "envelope.malformed" where it is more than the worker had credit for; the answer is cut then. */
  chunk(worker: WorkerPeer, number: number, bytes: Uint8Array): void {
    const stream = this.of(worker, number);
    if (stream === undefined) return;
    if (stream.waiting + stream.taken + bytes.length > responseWindowBytes) {
      this.cut(number, stream, "its worker sent more than it may");
      throw new CodedError("envelope.malformed", "a worker sent more of a body than it had credit for");
    }
    if (!this.options.memory.keepBody(bytes.length, stream.owner)) {
      this.cut(number, stream, "too much waits for slow clients (PARKED_TOTAL_BYTES)");
      return;
    }
    stream.waiting += bytes.length;
    stream.body.write(bytes);
  }

  /** @param isWhole whether the worker has sent all of it. */
  ended(worker: WorkerPeer, number: number, isWhole: boolean): void {
    const stream = this.of(worker, number);
    if (stream === undefined) return;
    stream.worker = undefined;
    if (!isWhole) this.cut(number, stream, "its worker could not go on with it");
    else {
      stream.body.end();
      if (stream.waiting === 0) this.end(number, stream);
    }
  }

  /** The client has gone. */
  gone(number: number): void {
    const stream = this.open.get(number);
    if (stream !== undefined) this.end(number, stream);
  }

  /** Nobody can go on with what this worker has begun. */
  lost(worker: WorkerPeer): void {
    for (const [number, stream] of this.open) {
      if (stream.worker !== worker) continue;
      stream.worker = undefined;
      this.cut(number, stream, "its worker is gone");
    }
  }

  private taken(number: number, bytes: number): void {
    const stream = this.open.get(number);
    if (stream === undefined) return;
    stream.waiting -= bytes;
    stream.taken += bytes;
    this.options.memory.dropBody(bytes, stream.owner);
    if (stream.worker === undefined) {
      if (stream.waiting === 0) this.end(number, stream);
    } else if (stream.taken >= creditBytes) {
      const head = { type: toWorker.credit, flags: 0, extra: 0, slot: number, epoch: 0 };
      stream.worker.link.append(head, packValue(stream.taken));
      stream.taken = 0;
    }
  }

  private cut(number: number, stream: Stream, reason: string): void {
    this.forget(number, stream);
    stream.body.cut();
    stream.onCut(reason);
  }

  private end(number: number, stream: Stream): void {
    this.forget(number, stream);
    stream.onEnd();
  }

  private forget(number: number, stream: Stream): void {
    this.open.delete(number);
    this.options.memory.dropBody(stream.waiting, stream.owner);
    if (stream.worker !== undefined) cancelAt(stream.worker, number);
  }

  private of(worker: WorkerPeer, number: number): Stream | undefined {
    const stream = this.open.get(number);
    return stream?.worker === worker ? stream : undefined;
  }
}

/** Tells a worker that nobody waits for its answer. */
export function cancelAt(worker: WorkerPeer, number: number): void {
  worker.link.appendEmpty({ type: toWorker.cancel, flags: 0, extra: 0, slot: number, epoch: 0 });
}
