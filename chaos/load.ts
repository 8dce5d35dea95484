// A bounded, steady load: so many messages a second over so many connections, whether they are answered or not.

import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { Client } from "./client.ts";

const tickMs = 10;
/** After a pause of our own process no more than this is made up for: a burst would be another test. */
const catchUpMs = 100;
const groupSize = 10;

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  /** Messages a second, over all connections. */
  readonly rate: number;
}

export class Load {
  readonly signal = new Signal();
  /** All that were ever opened. */
  readonly clients: Client[] = [];
  private readonly options: LoadOptions;
  private rate: number;
  private live: Client[] = [];
  private timer: NodeJS.Timeout | undefined;
  private turn = 0;

  private constructor(options: LoadOptions) {
    this.options = options;
    this.rate = options.rate;
  }

  /** Resolves when every connection is open, before anything is sent. */
  static async open(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    load.live = Array.from({ length: options.connections }, (_, index) => load.add(groupOf(index), true));
    await load.signal.until(() => load.live.every((client) => client.isOpen), "all connections open", patienceMs);
    return load;
  }

  get sent(): number {
    return this.clients.reduce((sum, client) => sum + client.sent, 0);
  }

  get redelivered(): number {
    return this.clients.reduce((sum, client) => sum + client.redelivered, 0);
  }

  get open(): readonly Client[] {
    return this.live.filter((client) => client.isOpen);
  }

  begin(): void {
    let owed = 0;
    let last = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      owed += (Math.min(now - last, catchUpMs) * this.rate) / 1000;
      last = now;
      for (; owed >= 1; owed--) this.live[this.turn++ % this.live.length]?.send();
    }, tickMs);
  }

  /** @param rate From now on, as in the options. */
  pace(rate: number): void {
    this.rate = rate;
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Resolves when everything that was sent by now is answered, and nothing is missing: nothing hangs. */
  async flows(): Promise<void> {
    const marks = this.open.map((client) => [client, client.sent] as const);
    const behind = () => marks.filter(([client, sent]) => client.closed === undefined && !client.hasAnswer(sent));
    await this.signal.until(
      () => behind().length === 0,
      () => `${behind().length} connections have an answer; the first has ${behind()[0]?.[0].answers.last} of ${behind()[0]?.[1]}`,
      patienceMs,
    );
  }

  /** Resolves when a worker has answered what another one had begun; or when all is answered, and nobody had. */
  async redelivers(): Promise<void> {
    const before = this.redelivered;
    const marks = this.open.map((client) => [client, client.sent] as const);
    const isOver = () => this.redelivered > before || marks.every(([client, sent]) => client.hasAnswer(sent));
    await this.signal.until(isOver, "a redelivered message is answered", patienceMs);
  }

  /** Another connection, which hears but does not take part in the load. */
  async join(group: string): Promise<Client> {
    const client = this.add(group, false);
    await this.signal.until(() => client.isOpen, "another connection opens", patienceMs);
    return client;
  }

  /** Opens another connection for each that was disconnected. */
  async refill(): Promise<void> {
    const fresh = this.live.map((client) => (client.closed === undefined ? client : this.add(client.group, false)));
    await this.signal.until(
      () => fresh.every((client) => client.isOpen || client.closed !== undefined),
      "connections come back",
      patienceMs,
    );
    this.live = fresh;
  }

  /** Every publish has reached everybody who listened before. Gives up quietly: the tally tells what is lost. */
  async settle(): Promise<void> {
    await this.flows().catch(() => undefined);
    const isHeard = () => this.live.every((client) => this.lostPublishes(client) === 0);
    await this.signal.until(isHeard, "every publish is heard", patienceMs).catch(() => undefined);
    for (const client of this.live) client.settleSilence();
  }

  /** Resolves when the timer of each open connection has come due once more: none has been forgotten. */
  async beats(): Promise<void> {
    const marks = this.open.map((client) => [client, client.beats.last] as const);
    const silent = () => marks.filter(([client, last]) => client.closed === undefined && client.beats.last <= last);
    await this.signal.until(
      () => silent().length === 0,
      () => `the timers of ${silent().length} connections come due, of ${silent()[0]?.[0].id} for one`,
      patienceMs,
    );
  }

  /** How many publishes of others a connection has not heard. */
  lostPublishes(client: Client): number {
    if (!client.isOpen) return 0;
    let lost = 0;
    const early = this.live.filter((other) => other.isOpen && other.group === client.group);
    for (const publisher of early) {
      const heard = client.heard.get(publisher.id);
      // Whoever has joined later may have missed the first ones, and so all of a publisher that is silent.
      if (heard !== undefined) lost += heard.lost(publisher.published);
      else if (client.isEarly) lost += publisher.published;
    }
    const known = new Set(early.map(({ id }) => id));
    for (const [id, heard] of client.heard) if (!known.has(id)) lost += heard.lost();
    return lost;
  }

  /** Closes every connection that is still open. */
  async close(): Promise<void> {
    this.stop();
    for (const client of this.clients) if (client.closed === undefined) client.close();
    await this.signal.until(() => this.clients.every(({ closed }) => closed !== undefined), "connections close", patienceMs);
  }

  private add(group: string, isEarly: boolean): Client {
    const client = new Client(this.options.url, { group, isEarly, signal: this.signal });
    this.clients.push(client);
    return client;
  }
}

function groupOf(index: number): string {
  return String(Math.floor(index / groupSize));
}
