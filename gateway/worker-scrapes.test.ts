import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Metric } from "../process/metric.ts";
import { Scrapes } from "./worker-scrapes.ts";

const one: Metric = { type: "counter", name: "turns_total", help: "Turns.", samples: [{ labels: { route: "/" }, value: 1 }] };
const first = { id: "w1", release: "1", hasMetrics: true };
const second = { id: "w2", release: "2", hasMetrics: true };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("labels each worker's metrics with its id and release", async () => {
  const scrapes = new Scrapes(({ number }) => {
    for (const from of ["w2", "w1"]) scrapes.answered({ from, number, metrics: [one] });
  });
  expect(await scrapes.scrape([first, second])).toMatchObject([
    [{ name: "thinstate_worker_up", samples: [{ labels: { worker: "w1", release: "1" }, value: 1 }, { value: 1 }] }],
    [{ name: "turns_total", samples: [{ labels: { route: "/", worker: "w1", release: "1" }, value: 1 }] }],
    [{ name: "turns_total", samples: [{ labels: { route: "/", worker: "w2", release: "2" }, value: 1 }] }],
  ]);
});

test("waits a second for a worker that is silent, and does without it", async () => {
  const scrapes = new Scrapes(({ number }) => scrapes.answered({ from: "w1", number, metrics: [one] }));
  const scraped = scrapes.scrape([first, second]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await scraped).toMatchObject([[{ samples: [{ value: 1 }, { value: 0 }] }], [{ name: "turns_total" }], []]);
});

test("takes no answer twice, none to an earlier question, and none of a stranger", async () => {
  const asked: number[] = [];
  const scrapes = new Scrapes(({ number }) => void asked.push(number));
  const late = scrapes.scrape([first]);
  await vi.advanceTimersByTimeAsync(1_000);
  await late;
  const scraped = scrapes.scrape([first, second]);
  const [earlier = 0, now = 0] = asked;
  scrapes.answered({ from: "w2", number: earlier, metrics: [one] });
  scrapes.answered({ from: "w1", number: now, metrics: [one] });
  scrapes.answered({ from: "w1", number: now, metrics: [one, one] });
  scrapes.answered({ from: "w3", number: now, metrics: [one] });
  await vi.advanceTimersByTimeAsync(1_000);
  const [up, ...metrics] = await scraped;
  expect(up).toMatchObject([{ samples: [{ value: 1 }, { value: 0 }] }]);
  expect(metrics.map(({ length }) => length)).toEqual([1, 0]);
});

test("asks nobody where no worker answers such questions", async () => {
  const scrapes = new Scrapes(() => {
    throw new Error("asked");
  });
  expect(await scrapes.scrape([{ ...first, hasMetrics: false }])).toMatchObject([[{ samples: [] }]]);
});

test("errors are asked for and told of beside the metrics; an older worker's metrics in their place are nobody's", async () => {
  const asked: unknown[] = [];
  const told: unknown[] = [];
  const scrapes = new Scrapes((question) => void asked.push(question));
  const error = { number: 3, at: 1, text: "failed", message: "no", stack: "", about: {} };
  const answer = { from: "w1", number: 0, metrics: [], errors: [error] };
  scrapes.answered(answer);
  scrapes.onErrors = (worker, errors) => void told.push([worker, errors]);
  scrapes.askErrors({ w1: 2 });
  expect(asked).toEqual([{ number: 0, errorsAfter: { w1: 2 } }]);
  scrapes.answered(answer);
  scrapes.answered({ from: "w2", number: 0, metrics: [one] });
  expect(told).toEqual([["w1", [error]]]);
});
