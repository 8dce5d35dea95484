// The socket of a client that speaks HTTP: what is sent to it waits here until a request fetches it. One request at a time does; while none
// does, the client is away, and closed when it is so for too long. Pure: time, topics and the requests are handed in.

import type { SessionClosing } from "../../protocol/session.ts";
import type { Socket } from "../connection.ts";
import { Absence, type AbsenceOptions } from "./absence.ts";
import { type Frame, FrameQueue } from "./frame-queue.ts";
import type { Receiver, ReceiverOwner } from "./receiver.ts";
import { closeFrameOf, type SessionEnd } from "./session-end.ts";
import { TopicSocket, type TopicSocketOptions } from "./topic-socket.ts";

export interface SessionSocketOptions extends AbsenceOptions, TopicSocketOptions {
  readonly linger: { readonly ms: number; readonly repeatLast: boolean };
  /** See OpenSession in worker/session.ts. */
  readonly closeFrame?: string | undefined;
  /** What may wait for it, as for a slow client: BACKPRESSURE_BYTES. */
  readonly limitBytes: number;
  /** Runs when the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  /** Its client is there. */
  readonly onHeard: () => void;
  /** Once: nobody uses it as a socket any more. */
  readonly onClose: (code: number, reason: Uint8Array, why: SessionEnd) => void;
}

/**
 * open: it is a socket. closed: it is none, and what waits may be fetched until its time is up. moved: a WebSocket has taken its place, and
 * until its time is up its key is known. ended: nobody needs to know of it.
 */
type Phase = "open" | "closed" | "moved" | "ended";

export class SessionSocket extends TopicSocket implements Socket, ReceiverOwner {
  private readonly options: SessionSocketOptions;
  private readonly waiting = new FrameQueue();
  private receiver: Receiver | undefined;
  /** Those before it that may not have been read whole yet. */
  private readonly previousReceivers = new Set<Receiver>();
  private phase: Phase = "open";
  private last: Frame | undefined;
  private isSlow = false;
  private willFlush = false;
  private paused: { readonly by: object; readonly frame: string } | undefined;
  private readonly absence: Absence;
  private closedAt = 0;

  constructor(options: SessionSocketOptions) {
    super(options);
    this.options = options;
    this.absence = new Absence(options);
  }

  protected get maySubscribe(): boolean {
    return this.phase === "open";
  }

  /** One of which something was dropped is closed in a moment. */
  get isOpen(): boolean {
    return this.phase === "open" && !this.isSlow;
  }

  get hasEnded(): boolean {
    return this.phase === "ended";
  }

  get isAway(): boolean {
    return this.receiver === undefined;
  }

  get waitingFrames(): number {
    return this.waiting.size;
  }

  get waitingBytes(): number {
    let bytes = this.waiting.bytes + (this.receiver?.unread ?? 0);
    for (const { unread } of this.previousReceivers) bytes += unread;
    return bytes;
  }

  // ── as a socket ───────────────────────────────────────────────────────────────────────────────────────────────────

  send(data: Uint8Array, isBinary: boolean): void {
    this.push({ data: Uint8Array.from(data), isBinary });
  }

  push(frame: Frame): void {
    if (this.phase !== "open" || this.isSlow) return;
    this.add(frame);
    if (this.waitingBytes > this.options.limitBytes) {
      this.isSlow = true;
      // Not now: it may be one of many that a publish goes to, or in the middle of its commit.
      this.options.later(() => this.breakOff("slow"));
    } else this.flushSoon();
  }

  end(code: number, reason: string): void {
    const { closeFrame } = this.options;
    this.close({ code, reason, ...(closeFrame !== undefined && { last: closeFrameOf(closeFrame, code, reason) }) });
  }

  abandon(code: number, reason: string): void {
    this.waiting.clear();
    this.end(code, reason);
  }

  cut(): void {
    this.breakOff("cut");
  }

  /** It is there for as long as it is not idle for too long. */
  ping(): void {
    this.options.onHeard();
  }

  unansweredSince(): number {
    return this.options.unansweredSince();
  }

  // ── as a session ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A request wants what waits. */
  receive(receiver: Receiver): void {
    if (this.phase === "ended" || this.phase === "moved") return receiver.finish();
    if (this.phase === "open") this.options.onHeard();
    if (this.receiver?.takesMore) return this.refuse(receiver);
    // Through another gateway, a client may have read all and ask again before that is known here.
    if (this.receiver !== undefined) this.previousReceivers.add(this.receiver);
    if (this.phase !== "open" && this.waiting.size === 0 && this.options.linger.repeatLast && this.last !== undefined)
      this.waiting.push(this.last);
    this.receiver = receiver;
    receiver.begin(this);
    if (this.paused === undefined) this.flush();
    else receiver.giveAlone(this.paused.frame);
  }

  /** Requests get this frame alone, and what is sent to it waits, until `resume` or `moveTo`. @param by Who may resume it. */
  pause(by: object, frame: string): void {
    if (this.phase !== "open") return;
    this.paused = { by, frame };
    this.receiver?.giveAlone(frame);
  }

  resume(by: object): void {
    if (this.paused?.by !== by) return;
    this.paused = undefined;
    if (this.receiver === undefined) this.absence.begin();
    this.flush();
  }

  /** It is another socket from now on: what waits goes there, and then whatever is published. */
  moveTo(socket: Socket): void {
    this.phase = "moved";
    this.closedAt = this.options.now();
    socket.cork(() => {
      for (let index = 0; index < this.waiting.size; index++) {
        const { data, isBinary } = this.waiting.at(index) as Frame;
        socket.send(data, isBinary);
      }
    });
    this.waiting.clear();
    for (const topic of this.leaveTopics()) socket.subscribe(topic);
    this.receiver?.finish();
  }

  /** To be called several times a second. */
  sweep(): void {
    const { now, linger } = this.options;
    if (this.phase !== "open") {
      if (now() - this.closedAt >= linger.ms) this.finish();
    } else if (this.absence.sweep(this.isAway && this.paused === undefined)) this.breakOff("idle");
  }

  /** What may still be fetched of one that has closed. */
  get leftBytes(): number {
    return this.phase === "closed" ? this.waiting.bytes : 0;
  }

  /** There is no room for what may still be fetched. */
  forget(): void {
    if (this.phase === "closed") this.finish();
  }

  onRoom(): void {
    this.flushSoon();
  }

  onOver(receiver: Receiver): void {
    this.previousReceivers.delete(receiver);
    if (receiver !== this.receiver) return;
    this.receiver = undefined;
    this.rest();
  }

  onGone(receiver: Receiver): void {
    const { gone } = receiver.receive;
    // Whoever has asked again through another gateway is there: it is only the one before that nothing is heard of.
    const isThere = receiver.isSilent && receiver !== this.receiver;
    this.onOver(receiver);
    if (gone !== undefined && !isThere) this.close(gone, "gone");
  }

  /** Closes it in an orderly way: what waits may be fetched, and then the last frame. */
  close({ code, reason, last }: SessionClosing, why: SessionEnd = "ended"): void {
    if (this.phase !== "open") return;
    // Nothing follows what was dropped: its client would take that for all there is.
    if (this.isSlow) return this.breakOff("slow");
    if (last !== undefined) this.addLast(last);
    this.leave(code, reason, why);
    this.flush();
    this.rest();
  }

  // Nobody fetches what waits.
  private breakOff(why: SessionEnd): void {
    if (this.phase !== "open") return;
    this.waiting.clear();
    this.leave(1006, "", why);
    this.finish();
  }

  private leave(code: number, reason: string, why: SessionEnd): void {
    this.paused = undefined;
    this.phase = "closed";
    this.closedAt = this.options.now();
    this.leaveTopics();
    this.options.onClose(code, Buffer.from(reason), why);
  }

  private refuse(receiver: Receiver): void {
    const { close } = receiver.receive.busy;
    receiver.refuse();
    if (close !== undefined) this.close(close, "busy");
  }

  private flushSoon(): void {
    if (this.willFlush || this.receiver === undefined) return;
    this.willFlush = true;
    this.options.later(() => {
      this.willFlush = false;
      this.flush();
    });
  }

  private flush(): void {
    this.receiver?.give(this.waiting);
    if (this.phase !== "open" && this.waiting.size === 0) this.receiver?.finish();
  }

  /** Whatever could be said of it by now. */
  private rest(): void {
    if (this.receiver !== undefined) return;
    if (this.phase === "open") this.absence.begin();
    else if (this.phase === "closed" && this.waiting.size === 0 && !this.options.linger.repeatLast) this.phase = "ended";
  }

  private finish(): void {
    this.phase = "ended";
    this.waiting.clear();
    for (const receiver of [...this.previousReceivers, this.receiver]) receiver?.cut();
    this.receiver = undefined;
  }

  private add(frame: Frame): void {
    this.waiting.push(frame);
    if (this.options.linger.repeatLast) this.last = frame;
  }

  private addLast(text: string): void {
    const data = Buffer.from(text);
    const before = this.waiting.at(this.waiting.size - 1) ?? this.last;
    const isSame = before !== undefined && !before.isBinary && data.equals(before.data);
    if (!isSame) this.add({ data, isBinary: false });
  }
}
