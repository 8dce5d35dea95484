// A real Chromium, as the distribution has it, without a window.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, type BrowserServer, chromium } from "playwright-core";
import { describe, test } from "vitest";
import { patienceMs } from "../../testbed/patience.ts";

/** Debian's two: the whole one, and the one that has no windows and needs much less beside it. */
const names = ["chromium-headless-shell", "chromium"];

const executable = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((folder) => names.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

/** Tests in a browser; one that is skipped, and says what it needs, where there is no browser. In CI they then fail. */
export function describeInBrowser(name: string, tests: () => void): void {
  if (executable !== undefined || process.env.CI) describe(name, tests);
  else test(name, ({ skip }) => skip("needs Chromium: apt-get install chromium"));
}

/** Kinds of screens. */
export const desktop = { viewport: { width: 1280, height: 800 } } satisfies BrowserContextOptions;
export const phone = {
  viewport: { width: 360, height: 740 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
} satisfies BrowserContextOptions;

export class TestBrowser {
  private readonly server: BrowserServer;
  private readonly browser: Browser;

  private constructor(server: BrowserServer, browser: Browser) {
    this.server = server;
    this.browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    if (executable === undefined) throw new Error(`none of ${names.join(", ")} is on PATH: apt-get install chromium`);
    const server = await chromium.launchServer({
      executablePath: executable,
      // Not localhost: some minimal systems have none.
      host: "127.0.0.1",
      // Chromium's sandbox refuses root; /dev/shm of a container is small.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
      timeout: patienceMs,
    });
    return new TestBrowser(server, await chromium.connect(server.wsEndpoint(), { timeout: patienceMs }));
  }

  /** Another person's browser: nothing of it is shared with other contexts. */
  async context(options: BrowserContextOptions = desktop): Promise<BrowserContext> {
    const context = await this.browser.newContext(options);
    context.setDefaultTimeout(patienceMs);
    return context;
  }

  /** With SIGKILL, as if it had crashed: no page notices. */
  async kill(): Promise<void> {
    const { pid } = this.server.process();
    const gone = new Promise((resolve) => this.browser.once("disconnected", resolve));
    // All of its processes: another one than the first holds the sockets.
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
    await gone;
  }

  async end(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }
}
