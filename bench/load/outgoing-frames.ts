// The frames that a client sends, made once: before each write only the numbers in them change. RFC 6455, 5.2: masked, with
// a key of zeros, which leaves the payload as it is.

import { digitBytes, writeDigits } from "./digits.ts";

/** Each payload begins with the message's number and the time at which it was sent. */
export const payloadHeadBytes = 2 * digitBytes;

const finalText = 0x81;
const masked = 0x80;
const maskBytes = 4;

export interface OutgoingFramesOptions {
  /** At least payloadHeadBytes, less than 64 KiB. */
  readonly payloadBytes: number;
  /** How many frames one write takes at most. */
  readonly most: number;
}

export class OutgoingFrames {
  private readonly headerBytes: number;
  private readonly frameBytes: number;
  private bytes: Buffer;
  /** By the number of frames. */
  private views: Buffer[];

  constructor({ payloadBytes, most }: OutgoingFramesOptions) {
    const header = headerOf(payloadBytes);
    this.headerBytes = header.length;
    this.frameBytes = header.length + payloadBytes;
    this.bytes = Buffer.alloc(this.frameBytes * most, "x");
    for (let at = 0; at < this.bytes.length; at += this.frameBytes) header.copy(this.bytes, at);
    this.views = this.cut();
  }

  /**
   * @param count At most `most`.
   * @param stamp Up to digitLimit.
   * @returns Frames numbered from `first`. The next call writes into the same memory, unless `leave` was called.
   */
  numbered(first: number, count: number, stamp: number): Buffer {
    const { bytes, frameBytes } = this;
    for (let index = 0, at = this.headerBytes; index < count; index++, at += frameBytes) {
      writeDigits(bytes, at, first + index);
      writeDigits(bytes, at + digitBytes, stamp);
    }
    return this.views[count] as Buffer;
  }

  /** What was handed out last is still being written: it keeps its memory, and the next gets other. */
  leave(): void {
    this.bytes = Buffer.from(this.bytes);
    this.views = this.cut();
  }

  private cut(): Buffer[] {
    return Array.from({ length: this.bytes.length / this.frameBytes + 1 }, (_, count) => this.bytes.subarray(0, count * this.frameBytes));
  }
}

export function headerOf(payloadBytes: number): Buffer {
  const size = payloadBytes < 126 ? [masked | payloadBytes] : [masked | 126, payloadBytes >> 8, payloadBytes & 0xff];
  return Buffer.from([finalText, ...size, ...new Array<number>(maskBytes).fill(0)]);
}
