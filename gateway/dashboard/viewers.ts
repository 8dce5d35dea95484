// Who looks at the dashboard: each has a stream of server-sent events, and all get the same. Bounded: so many, and each only as long as it
// reads what it gets. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

/** Each is a page in somebody's browser. */
export const mostViewers = 20;
/** What may wait for one that reads slowly: some minutes of a small installation. */
const waitingLimitBytes = 1024 * 1024;

/** As node:http has it. */
export interface EventStream {
  write(text: string): unknown;
  destroy(): unknown;
  /** Bytes that its client has not taken. */
  readonly writableLength: number;
}

export class Viewers {
  private readonly streams = new Set<EventStream>();

  get size(): number {
    return this.streams.size;
  }

  get isFull(): boolean {
    return this.streams.size >= mostViewers;
  }

  add(stream: EventStream): void {
    this.streams.add(stream);
  }

  remove(stream: EventStream): void {
    this.streams.delete(stream);
  }

  /** To all. One that has too much waiting is cut off: its browser comes again, and begins anew. */
  send(text: string): void {
    for (const stream of this.streams) {
      if (stream.writableLength > waitingLimitBytes) {
        this.streams.delete(stream);
        stream.destroy();
      } else stream.write(text);
    }
  }

  end(): void {
    for (const stream of this.streams) stream.destroy();
    this.streams.clear();
  }
}

/** One event, its data as JSON, which has no line breaks. */
export function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
