// A page of a browser, and everything that went wrong in it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { BrowserContext, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { patienceMs } from "../../testbed/patience.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs in the page, whose Content-Security-Policy it is about. */
const tellViolations = `addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) =>
  console.error("Content-Security-Policy:", effectiveDirective, "blocks", blockedURI, "in", sourceFile, lineNumber));`;

export class WatchedPage {
  readonly page: Page;
  /** Of the page and all that it has loaded, in bytes as they were transferred: compressed, with headers; without WebSocket messages. */
  transferredBytes = 0;
  private readonly seen: string[] = [];
  private readonly expected: RegExp[] = [];
  private isClosing = false;

  private constructor(page: Page) {
    this.page = page;
    page.on("console", (message) => {
      const { url, lineNumber } = message.location();
      if (["error", "warning"].includes(message.type())) this.seen.push(`${message.type()}: ${message.text()} (${url}:${lineNumber + 1})`);
    });
    page.on("pageerror", (error) => this.seen.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("crash", () => this.seen.push("the page crashed"));
    page.on("dialog", (dialog) => {
      this.seen.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.seen.push(`${response.status()}: ${response.url()}`);
    });
    page.on("requestfailed", (request) => {
      if (!this.isClosing) this.seen.push(`${request.failure()?.errorText}: ${request.url()}`);
    });
  }

  /** Resolves when the page and all that it asks for at first has been loaded. */
  static async open(context: BrowserContext, url: string): Promise<WatchedPage> {
    const page = await context.newPage();
    const watched = new WatchedPage(page);
    await page.addInitScript(tellViolations);
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    session.on("Network.loadingFinished", ({ encodedDataLength }) => {
      watched.transferredBytes += encodedDataLength;
    });
    await page.goto(url);
    return watched;
  }

  /** From now on this is no fault: a gateway that is away refuses connections, and a browser says so in the console. */
  expects(fault: RegExp): void {
    this.expected.push(fault);
  }

  /** Console errors and warnings, uncaught exceptions, failed requests, violations of the Content-Security-Policy. */
  get faults(): string[] {
    return this.seen.filter((fault) => !this.expected.some((pattern) => pattern.test(fault)));
  }

  /** A part of the line about the connection that each demo has at its end. */
  part(name: "state" | "id" | "age" | "release" | "reconnects"): Locator {
    return this.page.locator(`#connection [data-part="${name}"]`);
  }

  /** Resolves when the demo is connected, with what it then says of the connection. */
  async connected(): Promise<{ readonly id: string; readonly release: string }> {
    await this.page.locator('#connection[data-state="connected"]').waitFor();
    await this.page.locator('#connection [data-part="release"]:not(:empty)').waitFor();
    const textOf = async (name: "id" | "release") => (await this.part(name).textContent()) ?? "";
    return { id: await textOf("id"), release: await textOf("release") };
  }

  /** Waits until an expression is true in the page. Playwright's own way of it runs in the page, whose policy refuses that. */
  async until(expression: string): Promise<void> {
    await expect.poll(() => this.page.evaluate(expression), { timeout: patienceMs, message: expression }).toBe(true);
  }

  /** What axe-core calls serious or critical: which rule, where, and why. */
  async barriers(): Promise<string[]> {
    const run = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)`;
    const violations = await this.page.evaluate<AxeViolation[]>(`${axe};${run}`);
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`));
  }

  async close(): Promise<void> {
    this.isClosing = true;
    await this.page.close();
  }
}

interface AxeViolation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: ReadonlyArray<{ readonly target: readonly string[]; readonly failureSummary: string }>;
}
