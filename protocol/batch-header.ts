// What is said once per batch, as a msgpack map. Where a message is a batch of its own, to pack and unpack seven names costs as
// much as everything else that is done for it (a fifth of a worker's time at 5,000 messages a second). So it is written into a
// layout that is the same for all batches from one process to another but for four numbers and a bit, and what comes in such a
// layout is compared instead of unpacked. Whatever else a header may look like is unpacked.

import { CodedError } from "./errors.ts";
import { packValue, unpackValue } from "./msgpack.ts";

export interface BatchHeader {
  readonly from: string;
  readonly to: string;
  /** This life of the link at the sender, and the one it has seen at the receiver (0: none yet). */
  readonly session: number;
  readonly peerSession: number;
  /** Counts batches from 1; 0: only an acknowledgement. */
  readonly seq: number;
  /** The highest batch received without a gap. */
  readonly ack: number;
  /** Please send again what follows `ack`. */
  readonly gap: boolean;
}

// Source: msgpack specification, "Formats". A double serves for every count: it is exact up to 2 ** 53.
const mapOfSeven = 0x87;
const float64 = 0xcb;
const numberBytes = 8;
const no = 0xc2;
const yes = 0xc3;

/** A header from one process to another, as this process writes it: all of them are of one length, and differ in a few places. */
export class HeaderLayout {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  private readonly template: Buffer;
  /** Where `session`, `peerSession`, `seq` and `ack` are. `gap` is the last byte. */
  private readonly numbersAt: readonly number[];

  constructor(from: string, to: string) {
    this.from = from;
    this.to = to;
    const parts = [Buffer.from([mapOfSeven]), ...["from", from, "to", to].map(packValue)];
    const numbersAt: number[] = [];
    for (const name of ["session", "peerSession", "seq", "ack"]) {
      parts.push(packValue(name), Buffer.from([float64]));
      numbersAt.push(bytesOf(parts));
      parts.push(Buffer.alloc(numberBytes));
    }
    parts.push(packValue("gap"), Buffer.from([no]));
    this.numbersAt = numbersAt;
    this.template = Buffer.concat(parts);
    this.bytes = this.template.length;
  }

  /** @param header whose `from` and `to` are the layout's. */
  write(target: Buffer, at: number, { session, peerSession, seq, ack, gap }: BatchHeader): void {
    const { template, numbersAt, bytes } = this;
    for (let index = 0; index < bytes; index++) target[at + index] = template[index] as number;
    target.writeDoubleBE(session, at + (numbersAt[0] as number));
    target.writeDoubleBE(peerSession, at + (numbersAt[1] as number));
    target.writeDoubleBE(seq, at + (numbersAt[2] as number));
    target.writeDoubleBE(ack, at + (numbersAt[3] as number));
    if (gap) target[at + bytes - 1] = yes;
  }

  /** @returns undefined where what fills the rest of `source` is not such a header. */
  read(source: Buffer, at: number): BatchHeader | undefined {
    const { numbersAt, bytes, from, to } = this;
    if (source.length - at !== bytes || !this.matches(source, at)) return undefined;
    const gap = source[at + bytes - 1];
    if (gap !== no && gap !== yes) return undefined;
    const session = source.readDoubleBE(at + (numbersAt[0] as number));
    const peerSession = source.readDoubleBE(at + (numbersAt[1] as number));
    const seq = source.readDoubleBE(at + (numbersAt[2] as number));
    const ack = source.readDoubleBE(at + (numbersAt[3] as number));
    if (!isCount(session) || !isCount(peerSession) || !isCount(seq) || !isCount(ack)) return undefined;
    return { from, to, session, peerSession, seq, ack, gap: gap === yes };
  }

  // But for the numbers and the last byte.
  private matches(source: Buffer, at: number): boolean {
    const { template, numbersAt } = this;
    const last = this.bytes - 1;
    let index = 0;
    for (let number = 0; number <= numbersAt.length; number++) {
      const end = numbersAt[number] ?? last;
      for (; index < end; index++) if (source[at + index] !== template[index]) return false;
      index += numberBytes;
    }
    return true;
  }
}

/** More peers than that are unpacked each time. */
const maxKnown = 16;

/** The headers of those that send to this process, as they were seen first. */
export class KnownHeaders {
  private readonly layouts: HeaderLayout[] = [];

  /**
   * @param bytes end with the header, which is at `at`.
   * @throws {CodedError} "envelope.malformed"
   */
  read(bytes: Buffer, at: number): BatchHeader {
    for (let index = 0; index < this.layouts.length; index++) {
      const known = (this.layouts[index] as HeaderLayout).read(bytes, at);
      if (known !== undefined) return known;
    }
    const header = parseHeader(unpackValue(bytes.subarray(at)));
    this.learn(header, bytes, at);
    return header;
  }

  // The last that was met is the first to be tried: who was met before may be gone.
  private learn({ from, to }: BatchHeader, bytes: Buffer, at: number): void {
    const layout = new HeaderLayout(from, to);
    if (layout.read(bytes, at) === undefined) return;
    this.layouts.unshift(layout);
    if (this.layouts.length > maxKnown) this.layouts.pop();
  }
}

function parseHeader(value: unknown): BatchHeader {
  if (typeof value === "object" && value !== null) {
    const { from, to, session, peerSession, seq, ack, gap } = value as Record<string, unknown>;
    if (
      typeof from === "string" &&
      typeof to === "string" &&
      isCount(session) &&
      isCount(peerSession) &&
      isCount(seq) &&
      isCount(ack) &&
      typeof gap === "boolean"
    ) {
      return { from, to, session, peerSession, seq, ack, gap };
    }
  }
  throw new CodedError("envelope.malformed", "a batch's header lacks a field");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
