// Reads of a Response's body what is there at once: all of it, where the handler made it of a string or of bytes, and else what
// a stream has so far. So an ordinary answer goes out in one piece, and of a stream nothing is held back.

/** What was read of a body. */
export interface ReadAhead {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  /** Where the rest comes from; undefined: that was all. */
  readonly rest: BodyRest | undefined;
}

export interface BodyRest {
  /** undefined: there is no more. */
  next(): Promise<Uint8Array | undefined>;
  /** Nobody wants more. */
  cancel(reason: unknown): void;
}

/**
 * @param enoughBytes where a body comes in several chunks, no more than this, and one chunk, is read.
 * @throws {TypeError} where the body was used already, or has a chunk that is not bytes; and what the body's stream throws.
 */
export async function readAhead(response: Response, enoughBytes: number): Promise<ReadAhead> {
  if (response.bodyUsed) throw new TypeError("the body of this Response was used already");
  if (response.body === null) return { chunks: [], bytes: 0, rest: undefined };
  const body = new Reader(response.body.getReader());
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const deadline = later();
  while (chunks.length < 2 || bytes < enoughBytes) {
    const next = body.next();
    const chunk = await Promise.race([next, deadline]);
    if (chunk === late) {
      body.back(next);
      return { chunks, bytes, rest: body };
    }
    if (chunk === undefined) return { chunks, bytes, rest: undefined };
    chunks.push(chunk);
    bytes += chunk.length;
  }
  return { chunks, bytes, rest: body };
}

const late = Symbol("late");

/** By the next turn of the event loop all has come that waits for nothing outside. */
function later(): Promise<typeof late> {
  return new Promise((resolve) => setImmediate(resolve, late));
}

class Reader implements BodyRest {
  private readonly reader: ReadableStreamDefaultReader<unknown>;
  /** What has been asked for and is still to come. */
  private pending: Promise<Uint8Array | undefined> | undefined;

  constructor(reader: ReadableStreamDefaultReader<unknown>) {
    this.reader = reader;
  }

  next(): Promise<Uint8Array | undefined> {
    const { pending } = this;
    this.pending = undefined;
    return pending ?? this.read();
  }

  /** @param next what `next` has returned: it is to be returned again. */
  back(next: Promise<Uint8Array | undefined>): void {
    // Told to whoever asks for it next.
    next.catch(() => undefined);
    this.pending = next;
  }

  cancel(reason: unknown): void {
    // A source that cannot be cancelled is its handler's business.
    this.reader.cancel(reason).catch(() => undefined);
  }

  private async read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.reader.read();
    if (done) return undefined;
    if (value instanceof Uint8Array) return value;
    // It gives nothing that may be sent: its source is to know that nobody reads it.
    this.cancel(undefined);
    const kind = typeof value === "string" ? "text: pipe it through a TextEncoderStream" : typeof value;
    throw new TypeError(`the stream of a Response has to yield Uint8Array, and yielded ${kind}`);
  }
}
