// The dashboard on the admin port, before, during and after a deploy.

import { afterAll, beforeAll, expect, test } from "vitest";
import { describeInBrowser, desktop, phone, TestBrowser } from "./chromium.ts";
import { expectGoodLooks } from "./looks.ts";
import { Site } from "./site.ts";
import { WatchedPage } from "./watched-page.ts";

describeInBrowser("the dashboard", () => {
  let site: Site;
  let browser: TestBrowser;
  let address: string;

  beforeAll(async () => {
    [site, browser] = await Promise.all([Site.start(), TestBrowser.start()]);
    const { gateways } = await site.installation.status();
    address = `http://127.0.0.1:${gateways[0]?.adminPort}/`;
  });

  afterAll(async () => {
    await browser?.end();
    await site?.end();
  });

  test("a deploy is seen while it happens: its steps, and connections that move to another release", async () => {
    const chat = await WatchedPage.open(await browser.context(), site.url("/demos/chat/?name=Ada"));
    const before = await chat.connected();
    const watchers = await Promise.all([desktop, phone].map(async (screen) => WatchedPage.open(await browser.context(screen), address)));
    for (const watched of watchers) {
      await watched.page.locator("#live", { hasText: "live" }).waitFor();
      await watched.page.locator("#release", { hasText: before.release }).waitFor();
      await watched.page.locator("#tiles", { hasText: "Connections1" }).waitFor();
      await expectGoodLooks(watched);
    }
    const deploy = site.installation.run("deploy-worker");
    for (const { page } of watchers) await page.locator('#deploy [data-state="running"]').first().waitFor();
    const { release } = await deploy;
    for (const watched of watchers) {
      await watched.page.locator("#release", { hasText: release }).waitFor();
      await watched.page.locator("#connections-legend", { hasText: release }).waitFor();
      await watched.page.locator("#deploy .outcome", { hasText: release }).waitFor();
      expect(await watched.barriers()).toEqual([]);
      expect(watched.faults).toEqual([]);
    }
  });

  test("of a gateway that is gone it says so, and comes back with the next one", async () => {
    const watched = await WatchedPage.open(await browser.context(), address);
    await watched.page.locator("#live", { hasText: "live" }).waitFor();
    watched.expects(/ERR_|Failed to load/);
    const [gateway] = (await site.installation.status()).gateways;
    process.kill(gateway?.pid ?? 0, "SIGKILL");
    await watched.page.locator("#notice", { hasText: "does not answer" }).waitFor();
    await watched.page.locator("#notice").waitFor({ state: "hidden" });
    await watched.page.locator("#live", { hasText: "live" }).waitFor();
    expect(watched.faults).toEqual([]);
  });
});
