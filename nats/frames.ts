// Cuts what is read from NATS into whole operations. A message for a subscription that has a listener here goes to it at once;
// all else goes to the client's own parser, in the order in which it came. The client's own way, which every message took before,
// is a generator that is resumed by promises, a second look at each byte and four objects a message: with it, a gateway and a
// worker that have little to do spent a sixth of their time there.
//
// Source: NATS client protocol: an operation is a line; MSG and HMSG have a payload of the line's last number of bytes and CRLF.

export interface Listener {
  /** Undefined where messages come under several subjects: then each is told. */
  readonly subject: string | undefined;
  /** Takes a message's payload, which is its own. Must not throw. */
  readonly hear: (subject: string, payload: Buffer) => void;
}

/** By the subscription's number. */
export type Listeners = ReadonlyMap<number, Listener>;

export interface FramesOptions {
  /** @param sid a subscription's number. */
  readonly listenerOf: (sid: number) => Listener | undefined;
  /** Whether the client has read all that was pushed: what came before must be handled before. */
  readonly isIdle: () => boolean;
  /** Whole operations, one or more, for the client's parser. */
  readonly push: (bytes: Uint8Array) => void;
}

const lineFeed = 0x0a;
const space = 0x20;
const carriageReturn = 0x0d;
const crlfBytes = 2;

export class Frames {
  private readonly options: FramesOptions;
  /** What is being put together: `filled` bytes of it are there. Of a line that has not ended, no more is known. */
  private partial: Buffer | undefined;
  private filled = 0;
  private isLine = false;
  /** Of the line that was looked at last: where it ends, whose message it announces (0: no message without headers), and its parts. */
  private lineEnd = 0;
  private sid = 0;
  private subjectEnd = 0;
  private payloadBytes = 0;

  constructor(options: FramesOptions) {
    this.options = options;
  }

  /** @param bytes are copied: they may be overwritten afterwards. */
  take(bytes: Buffer): void {
    const { partial } = this;
    if (partial === undefined) return this.cut(bytes, false);
    if (this.isLine) {
      this.partial = undefined;
      this.isLine = false;
      return this.cut(Buffer.concat([partial, bytes]), true);
    }
    const taken = bytes.copy(partial, this.filled);
    this.filled += taken;
    if (this.filled < partial.length) return;
    this.partial = undefined;
    this.cut(partial, true);
    if (taken < bytes.length) this.cut(bytes.subarray(taken), false);
  }

  /** @param isOwn nobody writes to them any more. */
  private cut(bytes: Buffer, isOwn: boolean): void {
    let mayDeliver = this.options.isIdle();
    let from = 0;
    let at = 0;
    while (at < bytes.length && this.readLine(bytes, at)) {
      const payloadAt = this.lineEnd + 1;
      const end = payloadAt + this.payloadBytes;
      if (end > bytes.length) break;
      const listener = mayDeliver && this.sid > 0 ? this.options.listenerOf(this.sid) : undefined;
      const lineAt = at;
      at = end;
      if (listener === undefined) mayDeliver = false;
      else {
        from = end;
        const payload = bytes.subarray(payloadAt, end - crlfBytes);
        const subject = listener.subject ?? bytes.toString("latin1", lineAt + "MSG ".length, this.subjectEnd);
        listener.hear(subject, isOwn ? payload : copyOf(payload));
      }
    }
    if (at > from) this.options.push(copyOf(bytes.subarray(from, at)));
    if (at < bytes.length) this.keep(bytes, at);
  }

  // What follows `at` is no whole operation.
  private keep(bytes: Buffer, at: number): void {
    this.isLine = !this.readLine(bytes, at);
    if (this.isLine) {
      this.partial = copyOf(bytes.subarray(at));
      return;
    }
    this.partial = Buffer.allocUnsafeSlow(this.lineEnd + 1 + this.payloadBytes - at);
    this.filled = bytes.copy(this.partial, 0, at);
  }

  /** @returns whether the line that begins at `at` has ended. */
  private readLine(bytes: Buffer, at: number): boolean {
    const lineEnd = endOfLine(bytes, at);
    if (lineEnd < 0) return false;
    this.lineEnd = lineEnd;
    this.sid = 0;
    this.payloadBytes = 0;
    // The only operations that begin with M or H. What they begin with may be in either case.
    const first = (bytes[at] as number) & 0xdf;
    if (first !== 0x4d && first !== 0x48) return true;
    let word = 0;
    let number = 0;
    for (let index = at; index < lineEnd && bytes[index] !== carriageReturn; index++) {
      const byte = bytes[index] as number;
      if (byte === space) {
        // MSG subject sid [reply] bytes
        if (word === 1) this.subjectEnd = index;
        if (word === 2 && first === 0x4d) this.sid = number;
        word++;
        number = 0;
      } else if (word >= 2) number = number * 10 + byte - 0x30;
    }
    this.payloadBytes = number + crlfBytes;
    return true;
  }
}

function endOfLine(bytes: Buffer, at: number): number {
  for (let index = at; index < bytes.length; index++) if (bytes[index] === lineFeed) return index;
  return -1;
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}
