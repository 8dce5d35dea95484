// Whether the clients that people have notice nothing: a few of each library send numbers, which must come back once and in order. One
// whose gateway was killed must come back by itself.

import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { AutobahnPair } from "./libraries/autobahn.ts";
import type { LibraryClient, OpenLibraryClient } from "./libraries/library-client.ts";
import { socketIoOver } from "./libraries/socket-io.ts";
import { sockJsOver } from "./libraries/sockjs.ts";
import { LibraryRecord } from "./library-record.ts";

const openers: readonly OpenLibraryClient[] = [
  socketIoOver("websocket"),
  socketIoOver("polling"),
  sockJsOver("websocket"),
  sockJsOver("xhr-streaming"),
  (url, events) => new AutobahnPair(url, events),
];
/** Few: this is no load. */
const sendEveryMs = 250;
const mostShown = 5;

interface Watched {
  readonly client: LibraryClient;
  readonly record: LibraryRecord;
}

export class LibraryWatch {
  private readonly all: readonly Watched[];
  private readonly signal = new Signal();
  private readonly timer: NodeJS.Timeout;
  private gateways: readonly string[];
  private isOver = false;

  private constructor(url: string, gateways: readonly string[], clients: readonly OpenLibraryClient[]) {
    this.gateways = gateways;
    this.all = clients.map((open) => this.watch(url, open));
    this.timer = setInterval(() => this.send(), sendEveryMs);
  }

  /** Resolves when all are connected. @param gateways Ids of those that run. */
  static async open(url: string, gateways: readonly string[], clients = openers): Promise<LibraryWatch> {
    const watch = new LibraryWatch(url, gateways, clients);
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

  /** @returns in words, what is wrong; empty: nothing. */
  async close(): Promise<string[]> {
    clearInterval(this.timer);
    // The verdict tells.
    await this.until((record) => record.isOpen && record.hasBack(record.sent), "has all back").catch(() => undefined);
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
    for (const { client, record } of this.all) if (record.isOpen) client.send(++record.sent);
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
