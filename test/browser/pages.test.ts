// What each page of the site is for everybody who opens it: light, legible, usable, and without an error.

import { afterAll, beforeAll, describe, test } from "vitest";
import { describeInBrowser, desktop, phone, TestBrowser } from "./chromium.ts";
import { expectGoodLooks } from "./looks.ts";
import { demos, Site } from "./site.ts";
import { WatchedPage } from "./watched-page.ts";

describeInBrowser("the site", () => {
  let site: Site;
  let browser: TestBrowser;

  beforeAll(async () => {
    [site, browser] = await Promise.all([Site.start(), TestBrowser.start()]);
  });

  afterAll(async () => {
    await browser?.end();
    await site?.end();
  });

  describe.each(["/", ...demos.map((demo) => `/demos/${demo}/?name=Ada`)])("%s", (path) => {
    test.each([
      ["on a desktop", desktop],
      ["on a phone", phone],
    ])("%s it is light, whole and open to everybody, light and dark, and has no error", async (_, screen) => {
      const context = await browser.context(screen);
      const watched = await WatchedPage.open(context, site.url(path));
      if (path !== "/") await watched.connected();
      await expectGoodLooks(watched);
      await context.close();
    });
  });
});
