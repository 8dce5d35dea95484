// Asks other gateways, and collects their answers. At most once: one that has not answered in time may have done what it was asked for. Pure.

import type { Bus } from "../protocol/bus.ts";
import { encodeQuestion, type GatewayAnswer, type GatewayCommand, type Once } from "../protocol/gateway-questions.ts";
import type { Subjects } from "../protocol/subjects.ts";

export interface PeerQuestionsOptions {
  /** The gateway that asks. */
  readonly self: string;
  readonly bus: Pick<Bus, "publish">;
  readonly subjects: Pick<Subjects, "asked">;
  readonly now: () => number;
  /** How long an answer may take. Read each time. */
  readonly timeoutMs: () => number;
}

export interface PeerAnswers {
  /** By gateway. One that has gone meanwhile is missing: its clients have gone with it. */
  readonly results: ReadonlyMap<string, GatewayAnswer["result"]>;
  /** Those that are there and have not answered in time. */
  readonly unanswered: readonly string[];
}

interface Asking {
  readonly results: Map<string, GatewayAnswer["result"]>;
  readonly awaited: Set<string>;
  readonly until: number;
  readonly finish: () => void;
}

export class PeerQuestions {
  private readonly options: PeerQuestionsOptions;
  /** By their number, the oldest first. */
  private readonly asking = new Map<number, Asking>();
  private last = 0;

  constructor(options: PeerQuestionsOptions) {
    this.options = options;
  }

  /** Questions that wait for an answer. */
  get size(): number {
    return this.asking.size;
  }

  /** Never rejects. @param command fits into a message of NATS. */
  ask(gateways: readonly string[], command: GatewayCommand, once?: Once): Promise<PeerAnswers> {
    const results: Asking["results"] = new Map();
    if (gateways.length === 0) return Promise.resolve({ results, unanswered: [] });
    const { self, bus, subjects, now, timeoutMs } = this.options;
    const number = ++this.last;
    return new Promise((resolve) => {
      const awaited = new Set(gateways);
      const finish = () => {
        this.asking.delete(number);
        resolve({ results, unanswered: [...awaited] });
      };
      this.asking.set(number, { results, awaited, until: now() + timeoutMs(), finish });
      const bytes = encodeQuestion({ from: self, number, command, ...(once && { once }) });
      for (const gateway of gateways) bus.publish(subjects.asked(gateway), bytes);
    });
  }

  answered({ from, number, result }: GatewayAnswer): void {
    const asking = this.asking.get(number);
    if (asking === undefined || !asking.awaited.delete(from)) return;
    asking.results.set(from, result);
    if (asking.awaited.size === 0) asking.finish();
  }

  /** It has gone: nobody waits for it any more. */
  gone(gateway: string): void {
    for (const { awaited, finish } of [...this.asking.values()]) if (awaited.delete(gateway) && awaited.size === 0) finish();
  }

  /** To be called several times a second. */
  sweep(): void {
    const now = this.options.now();
    for (const { until, finish } of [...this.asking.values()]) if (until <= now) finish();
  }
}
