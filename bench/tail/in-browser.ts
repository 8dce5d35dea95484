// How the demo "tail" does in Chromium with 5,000 lines a second: what the page draws, how long it ever stands still, and whether all lines
// that were written have come or were counted as dropped. Then the same after a pause in which 1 MiB and more are written.
//
//   npm start                                             (and nobody else may watch the log)
//   node --import tsx bench/tail/in-browser.ts http://127.0.0.1:8080

import { setTimeout as pause } from "node:timers/promises";
import { chromium, type Page } from "playwright-core";

const measuredMs = 20_000;
const warmUpMs = 5_000;
const pausedMs = 10_000;
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** What the page has seen since it was opened. */
interface Seen {
  received: number;
  dropped: number;
  isMore: boolean;
  bytes: number;
  /** The numbers of the first and the last line. */
  first: number;
  last: number;
  /** Milliseconds of each task of more than 50. */
  readonly longTasks: number[];
  frames: number;
  longestFrameMs: number;
}

/** Runs in the page, before its scripts do. */
function observe(): void {
  const seen: Seen = {
    ...{ received: 0, dropped: 0, isMore: false, bytes: 0, first: 0, last: 0 },
    ...{ longTasks: [], frames: 0, longestFrameMs: 0 },
  };
  const page = globalThis as unknown as {
    seen: Seen;
    WebSocket: new (...parameters: unknown[]) => EventTarget;
    PerformanceObserver: new (
      onEntries: (list: { getEntries(): readonly { readonly duration: number }[] }) => void,
    ) => { observe(options: { readonly type: string }): void };
    requestAnimationFrame(callback: (at: number) => void): void;
  };
  page.seen = seen;
  const numberOf = (line: string | undefined) => Number(/#(\d+)/.exec(line ?? "")?.[1]);
  page.WebSocket = class extends page.WebSocket {
    constructor(...parameters: unknown[]) {
      super(...parameters);
      this.addEventListener("message", (event) => {
        const { data } = event as unknown as { readonly data: string };
        const { lines, dropped = 0, isMore = false } = JSON.parse(data) as { lines?: string[]; dropped?: number; isMore?: boolean };
        seen.bytes += data.length;
        if (lines === undefined) return;
        seen.first ||= numberOf(lines[0]);
        seen.last = numberOf(lines.at(-1)) || seen.last;
        seen.received += lines.length;
        seen.dropped += dropped;
        seen.isMore ||= isMore;
      });
    }
  };
  new page.PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen.longTasks.push(Math.round(duration));
  }).observe({ type: "longtask" });
  let before = 0;
  const frame = (at: number) => {
    seen.frames++;
    if (before > 0) seen.longestFrameMs = Math.max(seen.longestFrameMs, Math.round(at - before));
    before = at;
    page.requestAnimationFrame(frame);
  };
  page.requestAnimationFrame(frame);
}

function look(page: Page): Promise<Seen> {
  return page.evaluate(() => structuredClone((globalThis as unknown as { seen: Seen }).seen));
}

async function forget(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { seen } = globalThis as unknown as { seen: Seen };
    seen.longTasks.length = 0;
    Object.assign(seen, { frames: 0, longestFrameMs: 0 });
  });
}

function checkSum({ received, dropped, isMore, first, last }: Seen): void {
  const written = last - first + 1;
  const verdict = isMore ? "some were not counted" : received + dropped === written ? "all of them" : "WRONG";
  process.stdout.write(`  ${received} received + ${dropped} dropped = ${received + dropped} of ${written} written: ${verdict}\n`);
  if (verdict === "WRONG") process.exitCode = 1;
}

async function measure(page: Page, ms: number): Promise<void> {
  await forget(page);
  const [before, drawnBefore, at] = [await look(page), await drawn(page), performance.now()];
  await pause(ms);
  const [after, drawnAfter, seconds] = [await look(page), await drawn(page), (performance.now() - at) / 1000];
  const perSecond = (count: number) => Math.round(count / seconds);
  process.stdout.write(`  ${perSecond(after.last - before.last)} lines/s written, ${perSecond(drawnAfter - drawnBefore)} drawn or kept\n`);
  const long = after.longTasks.length === 0 ? "none" : `${after.longTasks.length}, the longest ${Math.max(...after.longTasks)} ms`;
  process.stdout.write(
    `  ${perSecond(after.frames)} frames/s, the longest ${after.longestFrameMs} ms; tasks of more than 50 ms: ${long}\n`,
  );
  checkSum(after);
}

/** As the page itself says. */
async function drawn(page: Page): Promise<number> {
  return Number(await page.locator("#received").getAttribute("value"));
}

const [address = "http://127.0.0.1:8080"] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("console", (message) => process.stdout.write(`  console: ${message.text()}\n`));
  page.on("pageerror", (error) => process.stdout.write(`  error: ${error.message}\n`));
  // What tsx calls in each function that has a name.
  await page.addInitScript("globalThis.__name = (named) => named");
  await page.addInitScript(observe);
  await page.goto(`${address}/demos/tail/`);
  await page.getByLabel("5,000").check();
  await pause(warmUpMs);
  process.stdout.write(`followed for ${measuredMs / 1000} s\n`);
  await measure(page, measuredMs);

  await page.getByRole("button", { name: "Pause" }).click();
  await pause(500);
  const before = await look(page);
  await pause(pausedMs);
  const { bytes } = await look(page);
  process.stdout.write(`paused for ${pausedMs / 1000} s: ${bytes - before.bytes} bytes sent to it\n`);
  await page.getByRole("button", { name: "Follow" }).click();
  await pause(2000);
  checkSum(await look(page));
} finally {
  await browser.close();
}
