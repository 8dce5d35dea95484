// A request that fetches what waits for a session: its answer is the frames. It takes no more than its client's socket does. A poll has taken
// a frame when the head of its answer is written; a stream with each piece.

import type { ReceiveBody } from "../../protocol/session.ts";
import type { Body } from "../uws/response-body.ts";
import type { Answer, WaitingClient } from "../uws/waiting-client.ts";
import { FrameQueue } from "./frame-queue.ts";
import { writeFrame } from "./frame-text.ts";

/** What may wait in memory for the socket of a stream, beyond which frames wait in their session. */
const windowBytes = 64 * 1024;

export interface ReceiverOptions {
  readonly receive: ReceiveBody;
  readonly client: WaitingClient;
  /** Its answer has begun, with this status. */
  readonly onBegun: (status: number) => void;
}

/** Whose frames it gives. */
export interface ReceiverOwner {
  /** It takes more than before. */
  onRoom(): void;
  /** All has been taken, and it takes no more. */
  onOver(receiver: Receiver): void;
  /** The client has gone before that. */
  onGone(receiver: Receiver): void;
}

export class Receiver {
  /** Bytes that it was given and its client's socket has not taken. */
  unread = 0;
  readonly receive: ReceiveBody;
  private readonly client: WaitingClient;
  private readonly onBegun: ReceiverOptions["onBegun"];
  private owner: ReceiverOwner | undefined;
  private body: Body | undefined;
  /** Of frames, so far. */
  private bytes = 0;
  private frames = 0;
  /** It was given all that it takes. */
  private isFull = false;
  private hasEnded = false;
  private isOver = false;

  constructor({ receive, client, onBegun }: ReceiverOptions) {
    this.receive = receive;
    this.client = client;
    this.onBegun = onBegun;
  }

  /** Its client is only taken for gone. */
  get isSilent(): boolean {
    return this.client.isSilent === true;
  }

  /** Whether it was given less than it takes. */
  get takesMore(): boolean {
    return !this.isFull;
  }

  /** To be called once. It may be over before this returns. */
  begin(owner: ReceiverOwner): void {
    this.owner = owner;
    if (this.client.isGone) return this.leave();
    this.client.onGone = () => this.leave();
    if (this.receive.mode === "stream" && !this.start(undefined)) this.leave();
  }

  /** Another one receives already. */
  refuse(): void {
    const { response, frame } = this.receive.busy;
    if (frame === undefined) return this.answer(response ?? sessionIsMissing);
    this.begin(nobody);
    this.giveAlone(frame);
  }

  /** This, and then no more. */
  giveAlone(frame: string): void {
    const alone = new FrameQueue();
    alone.push({ data: Buffer.from(frame), isBinary: false });
    this.give(alone);
    this.finish();
  }

  /** Takes as much as it may. */
  give(queue: FrameQueue): void {
    if (this.isFull || this.isOver) return;
    if (this.receive.mode === "poll") this.givePoll(queue);
    else this.giveStream(queue);
  }

  /** There is no more. */
  finish(): void {
    if (this.isOver || this.isFull) return;
    if (this.body === undefined) this.answerMissing();
    else this.end();
  }

  /** A stream takes no more: its client is to come again, and gets the rest then. */
  endStream(): void {
    if (this.receive.mode === "stream" && !this.isOver && !this.isFull && this.body !== undefined) this.end();
  }

  /** It was given nothing, and will not be, which is no fault of its client: the session stays. Else, its client has lost something. */
  giveUp(): void {
    if (!this.isOver && this.frames === 0) this.over();
  }

  /** Nothing more is written: what is missing of a stream is known to be missing. */
  cut(): void {
    if (this.isOver) return;
    if (this.body === undefined) return this.answerMissing();
    this.body.cut();
    this.over();
  }

  private givePoll(queue: FrameQueue): void {
    if (queue.size === 0) return;
    const { prelude = "" } = this.receive;
    const parts: Buffer[] = [Buffer.from(prelude)];
    let taken = 0;
    while (!this.isFull) {
      const written = this.next(queue, taken);
      if (written === undefined) break;
      parts.push(written.bytes);
      taken += written.frames;
    }
    const all = Buffer.concat(parts);
    // Who has gone has taken nothing.
    if (!this.start(all.length)) return this.leave();
    queue.drop(taken);
    this.isFull = true;
    this.write(all);
    this.end();
  }

  private giveStream(queue: FrameQueue): void {
    while (!this.isFull && this.unread < windowBytes) {
      const written = this.next(queue, 0);
      if (written === undefined) return;
      queue.drop(written.frames);
      this.write(written.bytes);
    }
    if (this.isFull) this.end();
  }

  private next(queue: FrameQueue, from: number): ReturnType<typeof writeFrame> {
    const { maxBytes, maxFrames } = this.receive;
    const place = { isFirst: this.frames === 0, mostBytes: maxBytes - this.bytes };
    const written = writeFrame((index) => queue.at(from + index), this.receive, place);
    if (written === undefined) return undefined;
    this.bytes += written.bytes.length;
    this.frames++;
    this.isFull = this.bytes >= maxBytes || (maxFrames !== undefined && this.frames >= maxFrames);
    return written;
  }

  /** @returns whether the body can be written. */
  private start(length: number | undefined): boolean {
    const { status, headers, prelude } = this.receive;
    const first = length === undefined && prelude ? Buffer.from(prelude) : undefined;
    this.body = this.client.begin({ status, headers, length, ...(first && { first }) }, (bytes) => this.taken(bytes));
    if (this.body === undefined) return false;
    this.onBegun(status);
    return true;
  }

  private write(bytes: Buffer): void {
    this.unread += bytes.length;
    this.body?.write(bytes);
  }

  private end(): void {
    this.isFull = true;
    this.body?.end();
    this.hasEnded = true;
    if (this.unread === 0) this.over();
  }

  private taken(bytes: number): void {
    this.unread -= bytes;
    if (this.isOver || this.unread >= windowBytes) return;
    if (!this.isFull) this.owner?.onRoom();
    else if (this.unread === 0 && this.hasEnded) this.over();
  }

  private answerMissing(): void {
    const { missing } = this.receive;
    this.answer(missing === "again" ? sessionIsMissing : missing);
  }

  private answer(answer: Answer): void {
    this.onBegun(answer.status);
    this.client.answer(answer);
    this.over();
  }

  private leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.unread = 0;
    this.owner?.onGone(this);
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.onGone = undefined;
    this.owner?.onOver(this);
  }
}

const nobody: ReceiverOwner = { onRoom: () => undefined, onOver: () => undefined, onGone: () => undefined };

/** To a request whose session closes while it waits, and whose handler could open another one. */
const sessionIsMissing = {
  status: 404,
  headers: [["content-type", "text/plain"]],
  body: "session.unknown: the session has closed\n",
} as const satisfies Answer;
