// Each demo in the hands of two people with a browser each, one of whom has a hostile name.

import { afterAll, beforeAll, expect, test } from "vitest";
import { describeInBrowser, phone, TestBrowser } from "./chromium.ts";
import { demos, Site } from "./site.ts";
import { firstParagraph, isEdited, type Pair, useEditor, uses } from "./uses.ts";
import { WatchedPage } from "./watched-page.ts";

/** As HTML it would ask for a picture that is not there, and run a script. Short enough for each demo. */
const hostile = "<img src=x onerror=a=1>";

/** Demos in which nobody has a name. */
const nameless = new Set(["experiment", "tail", "ticker"]);

describeInBrowser("the demos", () => {
  let site: Site;
  let browser: TestBrowser;

  beforeAll(async () => {
    [site, browser] = await Promise.all([Site.start(), TestBrowser.start()]);
  });

  afterAll(async () => {
    await browser?.end();
    await site?.end();
  });

  const open = async (of: TestBrowser, demo: string, name: string, screen = phone): Promise<WatchedPage> => {
    const watched = await WatchedPage.open(await of.context(screen), site.url(`/demos/${demo}/?${new URLSearchParams({ name })}`));
    await watched.connected();
    return watched;
  };

  test("each has its test", () => {
    expect(demos).toEqual(Object.keys(uses).sort());
  });

  test.each(Object.entries(uses))("%s: two people see what the other one does, and HTML of theirs is text", async (demo, use) => {
    const pair: Pair = { ada: await open(browser, demo, "Ada"), bob: await open(browser, demo, hostile) };
    await use(pair, `${hostile} once`);
    // A question stays open for a while.
    if (demo !== "experiment") await use({ ada: pair.bob, bob: pair.ada }, `${hostile} twice`);
    if (!nameless.has(demo)) await pair.ada.page.getByText(hostile).first().waitFor();
    for (const watched of [pair.ada, pair.bob]) {
      // An image that is not there would be a fault.
      expect(watched.faults).toEqual([]);
      expect(await watched.page.evaluate("typeof a")).toBe("undefined");
      await watched.close();
    }
  });

  test("a paragraph is free as soon as the browser of whoever edits it is killed, and what was typed is kept", async () => {
    const doomed = await TestBrowser.start();
    const [ada, bob] = [await open(doomed, "editor", "Ada"), await open(browser, "editor", "Bob")];
    await useEditor({ ada, bob }, "in the middle of a wo");
    await doomed.kill();
    await isEdited(bob).waitFor({ state: "hidden" });
    const grace = await open(browser, "editor", "Grace");
    await firstParagraph(grace).getByText("in the middle of a wo", { exact: true }).waitFor();
    await useEditor({ ada: bob, bob: grace }, "in the middle of a word");
    expect(bob.faults).toEqual([]);
  });
});
