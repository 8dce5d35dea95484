// Who is there: the gateways and workers of the whole installation, by what they say of themselves. Pure.

import { type Activation, type Announcement, type GatewayHello, silentMs, type WorkerHello } from "../../protocol/membership.ts";

/** Who is silent for longer is not there any more. */
const forgottenMs = 15_000;
/** Shorter spans between hellos say little about a rate. */
const rateSpanMs = 500;
/** Of each kind. Whoever comes later is not looked at. */
const mostKnown = 1_000;
/** Of each kind, for people: the rest is told as a number. */
const mostShown = 200;

export interface GatewayRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** parking: no worker takes its messages. silent: it was not heard for some seconds. */
  readonly state: "serving" | "parking" | "draining" | "silent";
  readonly connections: number;
  readonly parked: number;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

export interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly release: string;
  readonly state: "active" | "standby" | "draining" | "silent";
  /** Of all gateways. */
  readonly connections: number;
  readonly turnsPerSecond: number;
  /** Since its start: turns, and those of them that threw. */
  readonly turns: number;
  readonly thrown: number;
  readonly tasks: readonly string[];
}

interface Seen<Hello> {
  readonly hello: Hello;
  readonly heardAt: number;
  /** Since when these were counted, and what the next rates are taken against. */
  readonly sample: { readonly at: number; readonly counts: readonly number[] };
  readonly perSecond: readonly number[];
}

/** Connections by who has them. */
export interface Placed {
  readonly releases: Readonly<Record<string, number>>;
  /** With no worker: what they send waits. */
  readonly waiting: number;
}

export class Fleet {
  private readonly now: () => number;
  private readonly seenGateways = new Map<string, Seen<GatewayHello>>();
  private readonly seenWorkers = new Map<string, Seen<WorkerHello>>();
  /** Gateways may speak of a worker a little longer than it is there. */
  private readonly releaseOf = new Map<string, string>();

  /** @param now in milliseconds, of a clock that does not jump. */
  constructor(now: () => number) {
    this.now = now;
  }

  get gateways(): GatewayHello[] {
    return [...this.seenGateways.values()].map(({ hello }) => hello);
  }

  hear(announcement: Announcement): void {
    switch (announcement.kind) {
      case "gateway":
        return this.see(this.seenGateways, announcement, [announcement.messagesIn, announcement.messagesOut]);
      case "worker":
        this.see(this.seenWorkers, announcement, [announcement.counts?.turns ?? 0]);
        this.remember(announcement);
        return;
      case "gone":
        this.seenGateways.delete(announcement.id);
        this.seenWorkers.delete(announcement.id);
        return;
      default:
        return;
    }
  }

  hasWorker(id: string): boolean {
    return this.seenWorkers.has(id);
  }

  /** How many turns of a worker have thrown, as it has said. */
  thrown(worker: string): number {
    return this.seenWorkers.get(worker)?.hello.counts?.thrown ?? 0;
  }

  /** Of a worker that is there, or was; empty: it is not known. */
  release(worker: string): string {
    return this.releaseOf.get(worker) ?? "";
  }

  /** Forgets whoever has been silent for long. To be called while others can be heard. */
  sweep(): void {
    const latest = this.now() - forgottenMs;
    for (const seen of [this.seenGateways, this.seenWorkers]) {
      for (const [id, { heardAt }] of seen) if (heardAt < latest) seen.delete(id);
    }
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    const heardAt = this.now();
    for (const [id, seen] of this.seenGateways) this.seenGateways.set(id, { ...seen, heardAt });
    for (const [id, seen] of this.seenWorkers) this.seenWorkers.set(id, { ...seen, heardAt });
  }

  clear(): void {
    this.seenGateways.clear();
    this.seenWorkers.clear();
    this.releaseOf.clear();
  }

  placed(): Placed {
    const releases: Record<string, number> = {};
    let waiting = 0;
    for (const { connections, pins } of this.gateways) {
      let pinned = 0;
      for (const [worker, count] of Object.entries(pins)) {
        const release = this.releaseOf.get(worker);
        if (count === 0 || release === undefined) continue;
        pinned += count;
        releases[release] = (releases[release] ?? 0) + count;
      }
      waiting += Math.max(0, connections - pinned);
    }
    return { releases, waiting };
  }

  /** Messages from and to clients in a second, of all gateways. */
  rates(): { readonly inPerSecond: number; readonly outPerSecond: number } {
    const sum = (index: number) => [...this.seenGateways.values()].reduce((total, { perSecond }) => total + (perSecond[index] ?? 0), 0);
    return { inPerSecond: sum(0), outPerSecond: sum(1) };
  }

  /** By host and id. */
  gatewayRows(): Rows<GatewayRow> {
    const rows = [...this.seenGateways.values()].map(({ hello, heardAt, perSecond: [inPerSecond = 0, outPerSecond = 0] }): GatewayRow => {
      const { id, host, pid, connections, parked, startedAt } = hello;
      const works = hello.draining === true ? "draining" : hello.serving ? "serving" : "parking";
      const state = this.isSilent(heardAt) ? "silent" : works;
      return { id, host, pid, state, connections, parked, inPerSecond, outPerSecond, startedAt };
    });
    return shown(rows.sort((a, b) => compare(a.host, b.host) || compare(a.id, b.id)));
  }

  /** Those of the active release first, then by release, the newest first. */
  workerRows(activation: Activation | undefined): Rows<WorkerRow> {
    const pins = new Map<string, number>();
    for (const gateway of this.gateways) {
      for (const [worker, count] of Object.entries(gateway.pins)) pins.set(worker, (pins.get(worker) ?? 0) + count);
    }
    const rows = [...this.seenWorkers.values()].map(({ hello, heardAt, perSecond: [turnsPerSecond = 0] }): WorkerRow => {
      const { id, host, pid, release, counts, tasks = {} } = hello;
      const isActive = release === activation?.release;
      const works = hello.state === "draining" ? "draining" : isActive ? "active" : "standby";
      const state = this.isSilent(heardAt) ? "silent" : works;
      const { turns = 0, thrown = 0 } = counts ?? {};
      return { id, host, pid, release, state, connections: pins.get(id) ?? 0, turnsPerSecond, turns, thrown, tasks: Object.keys(tasks) };
    });
    const rank = ({ release }: WorkerRow) => (release === activation?.release ? 0 : 1);
    return shown(rows.sort((a, b) => rank(a) - rank(b) || compare(b.release, a.release) || compare(a.id, b.id)));
  }

  private remember({ id, release }: WorkerHello): void {
    this.releaseOf.delete(id);
    this.releaseOf.set(id, release);
    // Whoever has been silent for longest, most likely one that is gone.
    const [oldest] = this.releaseOf.keys();
    if (this.releaseOf.size > 2 * mostKnown && oldest !== undefined) this.releaseOf.delete(oldest);
  }

  private isSilent(heardAt: number): boolean {
    return this.now() - heardAt > silentMs;
  }

  private see<Hello extends { readonly id: string }>(all: Map<string, Seen<Hello>>, hello: Hello, counts: readonly number[]): void {
    const before = all.get(hello.id);
    if (before === undefined && all.size >= mostKnown) return;
    const at = this.now();
    const spanMs = at - (before?.sample.at ?? at);
    if (before !== undefined && spanMs < rateSpanMs) return void all.set(hello.id, { ...before, hello, heardAt: at });
    const perSecond = counts.map((count, index) => {
      const grown = count - (before?.sample.counts[index] ?? count);
      return spanMs === 0 ? 0 : Math.max(0, Math.round((grown * 1000) / spanMs));
    });
    all.set(hello.id, { hello, heardAt: at, sample: { at, counts }, perSecond });
  }
}

export interface Rows<Row> {
  readonly rows: readonly Row[];
  /** How many there are besides. */
  readonly more: number;
}

function shown<Row>(rows: Row[]): Rows<Row> {
  return { rows: rows.slice(0, mostShown), more: Math.max(0, rows.length - mostShown) };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
