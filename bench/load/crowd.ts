// All connections of a load, opened as fast as they are let in.

import { patienceMs } from "../../testbed/patience.ts";
import { Signal } from "../../testbed/signal.ts";
import { Client, type ClientContext } from "./client.ts";
import type { Job, Opening } from "./job.ts";

/** Attempts under way at a time: below the usual backlog of a listening socket. */
const pendingLimit = 200;

export type CrowdContext = Pick<ClientContext, "frames" | "buffer" | "meter">;

export class Crowd {
  readonly clients: Client[] = [];
  private readonly job: Job;
  private readonly context: ClientContext;
  private readonly signal = new Signal();
  private readonly startedAt = performance.now();
  private readonly cpuAtStart = process.cpuUsage();
  private accepted = 0;
  private acceptSeconds = 0;
  private greeted = 0;
  private refusal: string | undefined;

  private constructor(job: Job, context: CrowdContext) {
    this.job = job;
    this.context = {
      ...context,
      payloadBytes: job.payloadBytes,
      onOpen: () => this.accept(),
      onGreeting: () => {
        this.greeted++;
        this.signal.tell();
      },
      onRefused: (why) => {
        this.refusal = why;
        this.signal.tell();
      },
    };
  }

  /** Resolves when all are open and, where the server greets, greeted. @throws where one is refused. */
  static async open(job: Job, context: CrowdContext): Promise<{ crowd: Crowd; opening: Opening }> {
    const crowd = new Crowd(job, context);
    const progress = () => `${crowd.accepted} of ${job.connections} connections opened, ${crowd.greeted} were greeted`;
    crowd.fill();
    await crowd.signal.until(() => crowd.isComplete || crowd.refusal !== undefined, progress, patienceMs);
    if (crowd.refusal !== undefined) throw new Error(`${progress()}, and one was refused: ${crowd.refusal}`);
    return { crowd, opening: crowd.opening() };
  }

  leave(): void {
    for (const client of this.clients) client.leave();
  }

  private get isComplete(): boolean {
    return this.accepted === this.job.connections && (!this.job.isGreeted || this.greeted === this.job.connections);
  }

  private accept(): void {
    this.accepted++;
    if (this.accepted === this.job.connections) this.acceptSeconds = this.secondsSinceStart();
    this.fill();
    this.signal.tell();
  }

  private fill(): void {
    const { host, port, localAddress, path, connections } = this.job;
    while (this.clients.length < connections && this.clients.length - this.accepted < pendingLimit) {
      const topic = topicOf(this.job, this.clients.length);
      this.clients.push(new Client({ host, port, localAddress, path: path.replace(":topic", String(topic)) }, this.context));
    }
  }

  private opening(): Opening {
    const { user, system } = process.cpuUsage(this.cpuAtStart);
    return { acceptSeconds: this.acceptSeconds, greetSeconds: this.secondsSinceStart(), cpuSeconds: (user + system) / 1e6 };
  }

  private secondsSinceStart(): number {
    return (performance.now() - this.startedAt) / 1000;
  }
}

/** @returns the number of the topic that a connection subscribes to: as many connections for each, side by side. */
export function topicOf({ work, connections }: Pick<Job, "work" | "connections">, index: number): number {
  return work.kind === "publish" ? Math.floor((index * work.topics) / connections) : 0;
}
