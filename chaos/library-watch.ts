// Whether the clients that people have notice nothing: one of each library and transport sends numbers, several at once, which must come back
// once and in order. One whose gateway was killed must come back by itself.

import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { autobahn } from "./libraries/autobahn.ts";
import type { LibraryClient, OpenLibraryClient } from "./libraries/library-client.ts";
import { partySocket, reconnectingWebSocket } from "./libraries/reconnecting.ts";
import { socketIoOver } from "./libraries/socket-io.ts";
import { sockJsOver } from "./libraries/sockjs.ts";
import { Wamp1Client } from "./libraries/wamp1.ts";
import { wampy } from "./libraries/wampy.ts";
import { type LibraryFigures, LibraryRecord } from "./library-record.ts";

/** All that npm has. */
export const libraryClients: readonly OpenLibraryClient[] = [
  socketIoOver("websocket"),
  socketIoOver("polling"),
  socketIoOver(),
  sockJsOver("websocket"),
  sockJsOver("xhr-streaming"),
  sockJsOver("eventsource"),
  sockJsOver("xhr-polling"),
  autobahn,
  wampy,
  (url, events) => new Wamp1Client(url, events),
  partySocket,
  reconnectingWebSocket,
];
/** So many of a client are under way after each burst. */
const inFlight = 16;
/** From one burst to the next: all clients together send less than 2,000 messages a second. */
const usualBurstMs = 100;
const mostShown = 5;

interface Watched {
  readonly client: LibraryClient;
  readonly record: LibraryRecord;
}

interface WatchOptions {
  readonly clients?: readonly OpenLibraryClient[];
  readonly burstMs?: number;
}

export class LibraryWatch {
  private readonly all: readonly Watched[];
  private readonly signal = new Signal();
  private readonly burstMs: number;
  private timer: NodeJS.Timeout | undefined;
  private gateways: readonly string[];
  private isOver = false;

  private constructor(url: string, gateways: readonly string[], { clients = libraryClients, burstMs = usualBurstMs }: WatchOptions) {
    this.gateways = gateways;
    this.all = clients.map((open) => this.watch(url, open));
    this.burstMs = burstMs;
    this.work();
  }

  /** Resolves when all are connected. @param gateways Ids of those that run. */
  static async open(url: string, gateways: readonly string[], options: WatchOptions = {}): Promise<LibraryWatch> {
    const watch = new LibraryWatch(url, gateways, options);
    await watch.until(({ isOpen }) => isOpen, "is connected");
    return watch;
  }

  /**
   * Resolves when each client is connected, and has back what was sent by now.
   * @param gateways Ids of those that run now: whose gateway has gone since the last call may have been disconnected.
   */
  async passes(gateways: readonly string[]): Promise<void> {
    const marks = new Map(this.all.map(({ record }) => [record, { lives: record.lives, sent: record.sent }]));
    await this.until((record) => {
      const mark = marks.get(record);
      // One that was connected anew shows that it works.
      return record.isOpen && record.hasBack(mark?.lives === record.lives ? mark.sent : 1);
    }, "has its messages back");
    const gone = this.gateways.filter((id) => !gateways.includes(id));
    for (const { record } of this.all) record.judge(gone);
    this.gateways = gateways;
  }

  /** Sends again after a rest. */
  work(): void {
    this.timer ??= setInterval(() => this.send(), this.burstMs);
  }

  /** Sends a burst, and resolves at the first of its answers: all others are under way. Where every client is connected. */
  async underWay(): Promise<void> {
    const back = () => this.all.reduce((sum, { record }) => sum + record.last, 0);
    this.send();
    const before = back();
    await this.signal.until(() => back() > before, "the first answer of a burst", patienceMs);
  }

  /** Sends no more. Resolves with figures of each client when all is back, or has not come in time. */
  async rest(): Promise<LibraryFigures[]> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.until((record) => record.isOpen && record.hasBack(record.sent), "has all back").catch(() => undefined);
    return this.all.map(({ record }) => record.figures);
  }

  /** Where it rests. @returns in words, what is wrong; empty: nothing. */
  close(): string[] {
    this.isOver = true;
    const wrong = this.all.flatMap(({ record }) => record.verdict());
    for (const { client } of this.all) client.close();
    return wrong.length > mostShown ? [...wrong.slice(0, mostShown), `and ${wrong.length - mostShown} more of clients from npm`] : wrong;
  }

  private watch(url: string, open: OpenLibraryClient): Watched {
    const tell = (how: (record: LibraryRecord) => void) => {
      if (this.isOver) return;
      how(record);
      this.signal.tell();
    };
    const client = open(url, {
      opened: (connections) => tell((record) => record.opened(connections)),
      heard: (way, number) => tell((record) => record.heard(way, number)),
      failed: (reason) => tell((record) => record.failed(reason)),
      ended: (reason) => tell((record) => record.ended(reason)),
    });
    const record = new LibraryRecord(client);
    return { client, record };
  }

  private send(): void {
    for (const { client, record } of this.all) while (record.isOpen && record.sent < record.last + inFlight) client.send(++record.sent);
  }

  private until(isSo: (record: LibraryRecord) => boolean, what: string): Promise<void> {
    const late = () => this.all.filter(({ record }) => !isSo(record)).map(({ record }) => record.name);
    return this.signal.until(
      () => late().length === 0,
      () => `${late().join(" and ")} ${what}`,
      patienceMs,
    );
  }
}
