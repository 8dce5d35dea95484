// Reads the frames of a server, as they come in pieces of any size, without a copy and without an object for each: only the
// beginning of a payload is looked at. RFC 6455, 5.2: not masked, and the servers that we measure do not fragment.

import { digitBytes, readDigits } from "./digits.ts";
import { payloadHeadBytes } from "./outgoing-frames.ts";

export interface FrameListener {
  /** A whole message has come. @param number -1 where it is none of our own: a greeting. */
  onMessage(number: number, stamp: number, payloadBytes: number): void;
  onClose(): void;
  /** Something that no server says to us. */
  onMalformed(): void;
}

/** The beginning of a payload: what of it is looked at. */
export interface PayloadHead {
  /** At most. */
  readonly bytes: number;
  /** Reads bytes[start, end). @returns -1 where the payload is none of our own. */
  numberOf(bytes: Uint8Array, start: number, end: number): number;
  stampOf(bytes: Uint8Array, start: number): number;
}

/** Of OutgoingFrames. */
const usualHead: PayloadHead = {
  bytes: payloadHeadBytes,
  numberOf: (bytes, start, end) => (end - start < payloadHeadBytes ? -1 : readDigits(bytes, start)),
  stampOf: (bytes, start) => readDigits(bytes, start + digitBytes),
};

const finalText = 0x81;
const finalBinary = 0x82;
const close = 0x88;
const ping = 0x89;
const pong = 0x8a;
const headerLimitBytes = 10;

export class FrameReader {
  private readonly listener: FrameListener;
  private readonly head: PayloadHead;
  /** What is still to come of the payload whose beginning has been read. */
  private rest = 0;
  /** Of that frame. */
  private opcode = 0;
  private number = 0;
  private stamp = 0;
  private payloadBytes = 0;
  /** A beginning that was cut. Most connections never need it. */
  private cut: Buffer | undefined;
  private cutBytes = 0;

  constructor(listener: FrameListener, head: PayloadHead = usualHead) {
    this.listener = listener;
    this.head = head;
  }

  /** Reads bytes[start, end). */
  read(bytes: Uint8Array, start: number, end: number): void {
    let at = this.cutBytes > 0 && this.cut !== undefined ? this.complete(this.cut, bytes, start, end) : start;
    while (at < end || this.rest > 0) {
      if (this.rest > 0) {
        const skipped = Math.min(this.rest, end - at);
        this.rest -= skipped;
        at += skipped;
        if (this.rest > 0) return;
        this.deliver();
        continue;
      }
      const headBytes = this.parse(bytes, at, end);
      if (headBytes === 0) {
        this.keep(bytes, at, end);
        return;
      }
      at += headBytes;
      if (this.rest === 0) this.deliver();
    }
  }

  /** @returns how long the frame's header and its payload's beginning are; 0 where they are not whole. */
  private parse(bytes: Uint8Array, at: number, end: number): number {
    if (at + 2 > end) return 0;
    let headerBytes = 2;
    let payloadBytes = (bytes[at + 1] as number) & 0x7f;
    if (payloadBytes === 126) {
      headerBytes = 4;
      if (at + headerBytes > end) return 0;
      payloadBytes = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    } else if (payloadBytes === 127) {
      headerBytes = headerLimitBytes;
      if (at + headerBytes > end) return 0;
      payloadBytes = bytes.slice(at + 2, at + headerBytes).reduce((sum, byte) => sum * 256 + byte, 0);
    }
    const headBytes = headerBytes + Math.min(payloadBytes, this.head.bytes);
    if (at + headBytes > end) return 0;
    this.opcode = bytes[at] as number;
    this.number = this.head.numberOf(bytes, at + headerBytes, at + headBytes);
    this.stamp = this.number === -1 ? 0 : this.head.stampOf(bytes, at + headerBytes);
    this.payloadBytes = payloadBytes;
    this.rest = headerBytes + payloadBytes - headBytes;
    return headBytes;
  }

  private deliver(): void {
    switch (this.opcode) {
      case finalText:
      case finalBinary:
        return this.listener.onMessage(this.number, this.stamp, this.payloadBytes);
      case close:
        return this.listener.onClose();
      case ping:
      case pong:
        // A run is over long before the server would mind that no answer comes.
        return;
      default:
        return this.listener.onMalformed();
    }
  }

  private keep(bytes: Uint8Array, at: number, end: number): void {
    this.cut ??= Buffer.allocUnsafe(headerLimitBytes + this.head.bytes);
    this.cut.set(bytes.subarray(at, end));
    this.cutBytes = end - at;
  }

  /** Goes on with a beginning that was cut. @returns where the next bytes are. */
  private complete(cut: Buffer, bytes: Uint8Array, start: number, end: number): number {
    const had = this.cutBytes;
    const added = Math.min(cut.length - had, end - start);
    cut.set(bytes.subarray(start, start + added), had);
    const headBytes = this.parse(cut, 0, had + added);
    if (headBytes === 0) {
      this.cutBytes = had + added;
      return end;
    }
    this.cutBytes = 0;
    if (this.rest === 0) this.deliver();
    return start + headBytes - had;
  }
}
