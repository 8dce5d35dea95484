// Asks workers for their metrics when somebody asks the gateway for them, and for their errors while somebody looks at its dashboard.
// Nothing is sent while nobody does.

import type { Labels, Metric } from "../process/metric.ts";
import type { LoggedError, Scrape, Scraped } from "../process/scrape.ts";

/** How long workers may take to answer: less than Prometheus waits. */
const patienceMs = 1_000;

/** What is needed to know of a worker. */
export interface ScrapedWorker {
  readonly id: string;
  readonly release: string;
  /** It is of a version that answers. */
  readonly hasMetrics: boolean;
}

interface Scraping {
  readonly awaited: Set<string>;
  readonly answers: Map<string, readonly Metric[]>;
  readonly finish: () => void;
}

export class Scrapes {
  /** Told of errors that workers have logged. */
  onErrors: ((worker: string, errors: readonly LoggedError[]) => void) | undefined;
  private readonly ask: (question: Omit<Scrape, "to">) => void;
  private readonly open = new Map<number, Scraping>();
  private last = 0;

  /** @param ask says to all workers what is to be answered. */
  constructor(ask: (question: Omit<Scrape, "to">) => void) {
    this.ask = ask;
  }

  /** @returns the metrics of each worker, labelled with its id and release, and which of them have answered. */
  async scrape(workers: readonly ScrapedWorker[]): Promise<Metric[][]> {
    // Every gateway tells of them in one order, whichever it has met first.
    const able = workers.filter(({ hasMetrics }) => hasMetrics).sort((a, b) => (a.id < b.id ? -1 : 1));
    const answers = new Map<string, readonly Metric[]>();
    if (able.length > 0) await this.gather(new Set(able.map(({ id }) => id)), answers);
    return [
      [worksMetric(able, answers)],
      ...able.map(({ id, release }) => (answers.get(id) ?? []).map((metric) => labelled(metric, { worker: id, release }))),
    ];
  }

  /** Has workers tell `onErrors` what they have logged. @param after By worker, the number of its last error that is known. */
  askErrors(after: Readonly<Record<string, number>>): void {
    this.ask({ number: 0, errorsAfter: after });
  }

  answered({ from, number, metrics, errors }: Scraped): void {
    if (errors !== undefined) return this.onErrors?.(from, errors);
    const scraping = this.open.get(number);
    if (scraping === undefined || !scraping.awaited.delete(from)) return;
    scraping.answers.set(from, metrics);
    if (scraping.awaited.size === 0) scraping.finish();
  }

  private gather(awaited: Set<string>, answers: Map<string, readonly Metric[]>): Promise<void> {
    const number = ++this.last;
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(late);
        this.open.delete(number);
        resolve();
      };
      const late = setTimeout(finish, patienceMs);
      this.open.set(number, { awaited, answers, finish });
      this.ask({ number });
    });
  }
}

function worksMetric(workers: readonly ScrapedWorker[], answers: ReadonlyMap<string, unknown>): Metric {
  return {
    type: "gauge",
    name: "thinstate_worker_up",
    help: "1 where the worker has told its metrics; 0 where it has not within a second: it hangs, or NATS has lost it.",
    samples: workers.map(({ id, release }) => ({ labels: { worker: id, release }, value: answers.has(id) ? 1 : 0 })),
  };
}

function labelled(metric: Metric, more: Labels): Metric {
  if (metric.type === "histogram") {
    return { ...metric, samples: metric.samples.map((sample) => ({ ...sample, labels: { ...sample.labels, ...more } })) };
  }
  return { ...metric, samples: metric.samples.map((sample) => ({ ...sample, labels: { ...sample.labels, ...more } })) };
}
