// Text frames of a client that differ in a number alone: made once, and before each write only the numbers in them change.

import type { PayloadHead } from "../load/frame-reader.ts";
import { headerOf } from "../load/outgoing-frames.ts";

/** Where a template has its number: decimal, behind spaces, which JSON allows. */
export const place = "################";

export class TextFrames {
  private readonly most: number;
  private readonly frameBytes: number;
  private readonly placesAt: readonly number[];
  private bytes: Buffer;
  private count = 0;

  /** @param template Less than 64 KiB of ASCII, with `place` for each number. @param most How many frames one write takes at most. */
  constructor(template: string, most: number) {
    const header = headerOf(template.length);
    const frame = Buffer.concat([header, Buffer.from(template)]);
    this.most = most;
    this.frameBytes = frame.length;
    this.placesAt = [...template.matchAll(new RegExp(place, "g"))].map(({ index }) => header.length + index);
    this.bytes = Buffer.concat(Array.from({ length: most }, () => frame));
  }

  /** @param number Up to 2^53 - 1. @returns whether there is no room for another one. */
  add(number: number): boolean {
    for (const at of this.placesAt) writeNumber(this.bytes, this.count * this.frameBytes + at, number);
    this.count++;
    return this.count === this.most;
  }

  /** What was added. The next one is written into the same memory, unless `leave` was called. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.count * this.frameBytes);
    this.count = 0;
    return taken;
  }

  /** What was taken last is still being written: it keeps its memory, and the next gets other. */
  leave(): void {
    this.bytes = Buffer.from(this.bytes);
  }
}

function writeNumber(bytes: Uint8Array, at: number, number: number): void {
  let rest = number;
  let index = at + place.length;
  do {
    bytes[--index] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  } while (rest > 0);
  while (index > at) bytes[--index] = 0x20;
}

/** Enough for the identifiers of an EVENT and the number behind them. */
const headBytes = 120;

/**
 * Finds the number of a message.
 * @param prefix How messages of that kind begin.
 * @param lead What is right before the number, somewhere behind the prefix; missing: the prefix is.
 */
export function numberAfter(prefix: string, lead?: string): PayloadHead {
  const begin = Buffer.from(prefix);
  const search = lead === undefined ? undefined : Buffer.from(lead);
  return {
    bytes: headBytes,
    numberOf(bytes, start, end) {
      let at = start + begin.length;
      if (at > end || !hasAt(bytes, start, begin)) return -1;
      if (search !== undefined) {
        while (at < end && !hasAt(bytes, at, search)) at++;
        at += search.length;
      }
      return readNumber(bytes, at, end);
    },
    stampOf: () => 0,
  };
}

function hasAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let index = 0; index < part.length; index++) if (bytes[at + index] !== part[index]) return false;
  return true;
}

function readNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0x20) at++;
  let number = -1;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    number = Math.max(0, number) * 10 + digit;
  }
  return number;
}
