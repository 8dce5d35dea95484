// Makes the README's picture of the dashboard in the middle of a deploy: npx tsx bench/recording/dashboard.ts writes docs/dashboard.webp.
// A fresh checkout of the last commit runs as `npm start` runs it, clients talk to its echo handler, one handler throws now and then, and
// `npm run deploy-worker` runs. Needs Debian's Chromium, or another one in CHROMIUM. The figures are those of this machine: let it do
// nothing else meanwhile.

import { spawn } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chromium, type Page } from "playwright-core";
import { clone } from "../../scripts/setup/cache.mjs";
import { Installation } from "../../testbed/installation.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { Running } from "../running.ts";
import { Worktree } from "../worktree.ts";
import { Crowd } from "./crowd.ts";
import { handlersDir, writeBrokenHandler, writeHandler } from "./echo-handler.ts";

const clients = 120;
const pauseMs = 300;
/** The charts show two minutes. */
const filledMs = 105_000;
/** Of the new release, before the picture. */
const watchedMs = 14_000;
const width = 1100;
const target = "docs/dashboard.webp";
/** It should not weigh on the README. */
const mostBytes = 150_000;

const running = new Running();
await running.whole(() =>
  running.use(Worktree.checkOut("HEAD"), async (worktree) => {
    const setting = {
      name: "recording",
      shape: { workers: 2, gateways: 2, nats: "supervised" },
      handlersDir,
      clone: worktree.clone,
      env: { WATCH_MS: "60000", DEMOS: "0" },
    } as const;
    writeHandler(worktree.clone, "old");
    writeBrokenHandler(worktree.clone);
    await running.use(Installation.start(setting), (installation) => photograph(installation, worktree.clone));
  }),
);

async function photograph(installation: Installation, checkout: string): Promise<void> {
  const { gateways } = await installation.status();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  const crowd = await Crowd.connect({ url: `${installation.url}/echo`, clients, now: () => performance.now() });
  try {
    const page = await browser.newPage({ viewport: { width, height: 600 }, deviceScaleFactor: 1.5, colorScheme: "light" });
    await page.goto(`http://127.0.0.1:${gateways[0]?.adminPort}/`);
    crowd.begin(pauseMs);
    await pause(filledMs / 2);
    for (let times = 0; times < 3; times++) await fetch(`${installation.url.replace("ws:", "http:")}/report`);
    await pause(filledMs / 2);
    writeHandler(checkout, "new");
    const deploy = spawn("npm", ["run", "-s", "deploy-worker"], { cwd: checkout, env: installation.env, stdio: "ignore" });
    await seen(page, "watching release");
    await pause(watchedMs);
    writeFileSync(join(clone, target), await pictureOf(page));
    deploy.kill("SIGINT");
  } finally {
    crowd.close();
    await browser.close();
  }
  const { size } = statSync(join(clone, target));
  if (size > mostBytes) throw new Error(`${target} has ${size} bytes: more than ${mostBytes}`);
  process.stdout.write(`written: ${target} (${size} bytes)\n`);
}

/** The whole page as WebP, of which Playwright knows nothing. */
async function pictureOf(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { cssContentSize } = await session.send("Page.getLayoutMetrics");
  const clip = { x: 0, y: 0, width, height: cssContentSize.height, scale: 1 };
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 88, clip, captureBeyondViewport: true });
  return Buffer.from(data, "base64");
}

/** Resolves when the deploy has come so far. */
async function seen(page: Page, step: string): Promise<void> {
  await page.locator("#deploy .steps").getByText(step).waitFor({ timeout: patienceMs });
}
