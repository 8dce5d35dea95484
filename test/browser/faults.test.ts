// All demos, open in two browsers and in use, while what is behind them is deployed, killed and started again.

import { afterAll, beforeAll, expect, test } from "vitest";
import { describeInBrowser, desktop, phone, TestBrowser } from "./chromium.ts";
import { demos, Site } from "./site.ts";
import { type Pair, useExperiment, uses } from "./uses.ts";
import { WatchedPage } from "./watched-page.ts";

/** What a browser says of a WebSocket that was cut off, or for which nobody is there. */
const cutOff = /WebSocket connection to .* failed/;

describeInBrowser("the demos in use", () => {
  let site: Site;
  let browser: TestBrowser;
  const pairs = new Map<string, Pair>();
  let number = 0;

  beforeAll(async () => {
    [site, browser] = await Promise.all([Site.start(), TestBrowser.start()]);
    const contexts = [
      await browser.context({ ...desktop, colorScheme: "light" }),
      await browser.context({ ...phone, colorScheme: "dark" }),
    ];
    for (const demo of demos) {
      const [ada, bob] = await Promise.all(
        contexts.map((context, index) => WatchedPage.open(context, site.url(`/demos/${demo}/?name=${index === 0 ? "Ada" : "Bob"}`))),
      );
      if (ada !== undefined && bob !== undefined) pairs.set(demo, { ada, bob });
    }
  });

  afterAll(async () => {
    await browser?.end();
    await site?.end();
  });

  const pages = () => [...pairs.values()].flatMap(({ ada, bob }) => [ada, bob]);

  const pairOf = (demo: string): Pair => {
    const pair = pairs.get(demo);
    if (pair === undefined) throw new Error(`${demo} is not open`);
    return pair;
  };

  /** What each page says of its connection. */
  const connections = () => Promise.all(pages().map((watched) => watched.connected()));

  /** Everybody does something in every demo, and sees what the other one does. A question is open for 20 s, so there are none. */
  const useAll = async () => {
    number++;
    const others = [...pairs].filter(([demo]) => demo !== "experiment");
    await Promise.all(others.map(([demo, pair]) => uses[demo]?.(pair, `number ${number}.`)));
  };

  const expectTheSame = async (before: ReadonlyArray<{ readonly id: string }>) => {
    expect((await connections()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(pages().flatMap(({ faults }) => faults)).toEqual([]);
  };

  test("a deploy: another release answers on the same connections, and nothing is lost", async () => {
    const before = await connections();
    await useExperiment(pairOf("experiment"), "Does a deploy lose answers?");
    let isDeployed = false;
    const deploy = site.installation.run("deploy-worker").finally(() => {
      isDeployed = true;
    });
    while (!isDeployed) await useAll();
    const { release } = await deploy;
    for (const watched of pages()) await watched.part("release").getByText(release, { exact: true }).waitFor();
    expect(before.map((connection) => connection.release)).not.toContain(release);
    await expectTheSame(before);
    await useAll();
  });

  test("a worker that is killed is not noticed", async () => {
    const before = await connections();
    const [{ pid } = { pid: 0 }] = await site.installation.workers();
    process.kill(pid, "SIGKILL");
    await useAll();
    await site.installation.isGone(pid);
    await expectTheSame(before);
  });

  test("when NATS is killed, all goes on as soon as it runs again", async () => {
    const before = await connections();
    const { nats } = await site.installation.status();
    process.kill(nats.pid ?? 0, "SIGKILL");
    await useAll();
    await expectTheSame(before);
  });

  test("of all this, nothing was lost and nothing came twice", async () => {
    for (const { page } of Object.values(pairOf("experiment"))) await page.getByText("Closed.").first().waitFor();
    for (const { page } of Object.values(pairOf("experiment")))
      await page.getByText("Tea: 1, Coffee: 1. 2 of 2 have answered.").first().waitFor();
    for (const { page } of Object.values(pairOf("ticker"))) {
      expect(await page.locator("#missed").textContent()).toBe("0");
      expect(await page.locator("#doubled").textContent()).toBe("0");
    }
    for (const { page } of Object.values(pairOf("tail"))) expect(await page.locator("#dropped").textContent()).toBe("0");
    const said = Array.from({ length: number }, (_, index) => ["Ada", "Bob"].map((name) => `number ${index + 1}., says ${name}`)).flat();
    for (const { page } of Object.values(pairOf("chat"))) {
      expect(await page.locator("#log bdi:last-child").allTextContents()).toEqual(said);
    }
  });

  test("a gateway that is killed: each page says so, connects to the next one, and goes on", async () => {
    const before = await connections();
    for (const watched of pages()) watched.expects(cutOff);
    const reconnecting = Promise.all(pages().map(({ page }) => page.locator('#connection[data-state="reconnecting"]').waitFor()));
    const [gateway] = (await site.installation.status()).gateways;
    process.kill(gateway?.pid ?? 0, "SIGKILL");
    await reconnecting;
    for (const watched of pages())
      await watched
        .part("reconnects")
        .getByText(/^[1-9]/)
        .waitFor();
    const after = await connections();
    for (const [index, { id }] of after.entries()) expect(id).not.toBe(before[index]?.id);
    await useAll();
    await useExperiment(pairOf("experiment"), "Is everybody back?");
    expect(pages().flatMap(({ faults }) => faults)).toEqual([]);
  });
});
