// Looks at an installation while it is abused: memory, /healthz, topics.

import { type Installation, isAlive } from "../testbed/installation.ts";
import { stretchedMs } from "../testbed/patience.ts";
import { cpuSecondsOf, openFilesOf, residentBytesOf } from "../testbed/usage.ts";

/** Bytes of each process; of the largest worker. */
export interface Memory {
  readonly gateway: number;
  readonly worker: number;
  readonly nats: number;
}

interface Pids {
  readonly gateway: number;
  readonly workers: readonly number[];
  readonly nats: number;
}

const lookMs = 100;
const askMs = 1_000;
/** Longer than this is no answer: a load balancer would have given up. On a machine that does nothing else. */
const quickMs = 5_000;

export class Watch {
  before: Memory;
  peak: Memory;
  /** Of its answers and of what was asked. */
  readonly health = { failed: 0, asked: 0 };
  mostTopics = 0;
  /** Of the gateway, at most, more than at the start. */
  moreOpenFiles = 0;
  private readonly pids: Pids;
  private readonly adminPort: number;
  /** Asked before there is an abuse. */
  private readonly healthMs = stretchedMs(quickMs);
  private readonly timers: NodeJS.Timeout[];
  private readonly cpuSeconds: number;
  private readonly openFilesBefore: number;
  private readonly startedAt = performance.now();
  private pending: Promise<void> = Promise.resolve();

  private constructor(pids: Pids, adminPort: number) {
    this.pids = pids;
    this.adminPort = adminPort;
    this.before = this.peak = this.memory();
    this.cpuSeconds = cpuSecondsOf([pids.gateway]);
    this.openFilesBefore = openFilesOf(pids.gateway);
    this.timers = [setInterval(() => this.look(), lookMs), setInterval(() => this.askNext(), askMs)];
  }

  static async start(installation: Installation): Promise<Watch> {
    const { shape } = installation;
    // Who has said nothing for five seconds, as on a busy machine, is not among them until it does.
    const { gateways, workers, nats } = await installation.until(
      "every process is known",
      (status) => status.gateways.length === shape.gateways && status.workers.length === shape.workers,
    );
    const [gateway] = gateways;
    if (gateway === undefined || nats.pid === null) throw new Error("an installation with a gateway and its own nats-server is watched");
    return new Watch({ gateway: gateway.pid, workers: workers.map(({ pid }) => pid), nats: nats.pid }, gateway.adminPort);
  }

  memory(): Memory {
    const { gateway, workers, nats } = this.pids;
    const of = (pid: number) => residentBytesOf([pid]);
    return { gateway: of(gateway), worker: Math.max(...workers.map(of)), nats: of(nats) };
  }

  /** Of one core, since the start, of 1; 0 where the gateway has ended. */
  gatewayCpu(): number {
    try {
      return ((cpuSecondsOf([this.pids.gateway]) - this.cpuSeconds) * 1000) / (performance.now() - this.startedAt);
    } catch {
      return 0;
    }
  }

  /** @returns which of the processes that were there at the start have ended. */
  ended(): string[] {
    const { gateway, workers, nats } = this.pids;
    return [
      ...(isAlive(gateway) ? [] : ["the gateway ended"]),
      ...workers.filter((pid) => !isAlive(pid)).map((pid) => `worker ${pid} ended`),
      ...(isAlive(nats) ? [] : ["nats-server ended"]),
    ];
  }

  async end(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.look();
    await this.pending;
  }

  private look(): void {
    const now = this.memory();
    this.peak = {
      gateway: Math.max(this.peak.gateway, now.gateway),
      worker: Math.max(this.peak.worker, now.worker),
      nats: Math.max(this.peak.nats, now.nats),
    };
    this.moreOpenFiles = Math.max(this.moreOpenFiles, openFilesOf(this.pids.gateway) - this.openFilesBefore);
  }

  // One after the other: what is not answered must not pile up here.
  private askNext(): void {
    this.pending = this.pending.then(() => this.ask());
  }

  private async ask(): Promise<void> {
    this.health.asked++;
    try {
      const { ok } = await this.get("/healthz");
      if (!ok) this.health.failed++;
      const status = (await (await this.get("/status")).json()) as { counters: { topics: { subscribed: number } } };
      this.mostTopics = Math.max(this.mostTopics, status.counters.topics.subscribed);
    } catch {
      this.health.failed++;
    }
  }

  private get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.adminPort}${path}`, { signal: AbortSignal.timeout(this.healthMs) });
  }
}
