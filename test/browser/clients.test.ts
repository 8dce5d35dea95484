// Client libraries in Chromium, as npm has them for browsers: none of them notices what is done to workers and NATS, and all come back
// when their gateway ends.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startNats } from "../nats.ts";
import { TestSystem } from "../system.ts";
import { describeInBrowser, TestBrowser } from "./chromium.ts";
import { WatchedPage } from "./watched-page.ts";

/** See public/client.js of the handlers. */
interface Seen {
  readonly transport: string;
  readonly opens: number;
  readonly closes: readonly string[];
  readonly heard: Readonly<Record<string, readonly number[]>>;
  readonly wrong: readonly string[];
}

/** Pages, in the order in which they are opened; transports undefined: the library's own choice. What the libraries then use. */
const clients: ReadonlyArray<{
  readonly page: string;
  readonly transports?: string;
  readonly uses: string;
  readonly isDeafToItself?: true;
  /** The page is of another origin than the server. */
  readonly isElsewhere?: true;
}> = [
  { page: "socket-io", uses: "websocket" },
  { page: "socket-io", transports: "polling", uses: "polling" },
  { page: "sockjs", uses: "websocket" },
  { page: "sockjs", transports: "xhr-streaming", uses: "xhr-streaming" },
  { page: "sockjs", transports: "xhr-polling", uses: "xhr-polling" },
  { page: "sockjs", transports: "eventsource", uses: "eventsource" },
  { page: "sockjs", transports: "iframe-eventsource", uses: "iframe-eventsource", isElsewhere: true },
  { page: "sockjs", transports: "iframe-xhr-polling", uses: "iframe-xhr-polling", isElsewhere: true },
  { page: "autobahn", uses: "wamp.2.json" },
  { page: "autobahn", transports: "msgpack", uses: "wamp.2.msgpack" },
  // Wampy leaves `exclude_me: false` out of what it sends.
  { page: "wampy", uses: "websocket", isDeafToItself: true },
  { page: "wampy", uses: "websocket", isDeafToItself: true },
  { page: "reconnecting-websocket", uses: "websocket" },
  { page: "reconnecting-websocket", uses: "websocket" },
  { page: "partysocket", uses: "websocket" },
  { page: "partysocket", uses: "websocket" },
];

/**
 * Where a gateway ends: what Chromium says of connections that are cut off or that nobody takes, of a poll that comes while it ends, and of one
 * for a session that is gone.
 */
const cutOff = [
  /WebSocket connection to .* failed/,
  /net::ERR_/,
  /503.*transport=polling/,
  /503: .*\/room\//,
  /503 \(Service Unavailable\)/,
  /400.*transport=polling/,
];
/** SockJS' iframe.html is word by word as in its protocol; what Chromium says of a line of it for old browsers. */
const iframeTells = /document\.domain mutation is ignored/;
/** AutobahnJS tells of each attempt. */
const autobahnTells = [/warning: connection closed (closed|lost)/, /warning: auto-reconnecting/];

describeInBrowser("client libraries", () => {
  let store: string;
  let system: TestSystem;
  let browser: TestBrowser;
  let pages: WatchedPage[];

  beforeAll(async () => {
    store = mkdtempSync(join(tmpdir(), "thinstate-clients-"));
    const nats = await startNats(0, ["-js", "-sd", store]);
    [system, browser] = await Promise.all([TestSystem.start({ handlers: "browser-clients", workers: 2, nats }), TestBrowser.start()]);
    const server = system.url.replace("ws:", "http:");
    // Chromium finds names below localhost by itself.
    const elsewhere = `http://pages.localhost:${system.port}`;
    pages = await Promise.all(
      clients.map(async ({ page, transports, isElsewhere }, index) => {
        const name = `client ${index}`;
        const query = new URLSearchParams({ name, ...(transports && { transports }), ...(isElsewhere && { server }) });
        const address = `${isElsewhere ? elsewhere : server}/pages`;
        // A context of its own: one that several share opens six connections to a server, and no more.
        const watched = await WatchedPage.open(await browser.context(), `${address}/${page}.html?${query}`);
        if (isElsewhere) watched.expects(iframeTells);
        return watched;
      }),
    );
  });

  afterAll(async () => {
    await browser?.end();
    await system?.stop();
    rmSync(store, { recursive: true, force: true });
  });

  const inAll = <T>(expression: string) => Promise.all(pages.map(({ page }) => page.evaluate<T>(expression)));
  const allUntil = (expression: string) => Promise.all(pages.map((watched) => watched.until(expression)));
  const start = () => inAll("client.start()");

  /** Resolves when each page has heard all that its library's pages have said, with nothing left out, twice or out of order. */
  const stop = async () => {
    const said = await inAll<number>("client.stop()");
    for (const [index, { page, isDeafToItself }] of clients.entries()) {
      const isHeard = (speaker: number) => clients[speaker]?.page === page && !(isDeafToItself && speaker === index);
      const speakers = said.map((last, speaker) => ({ last, speaker })).filter(({ speaker }) => isHeard(speaker));
      const expected = Object.fromEntries(
        speakers.map(({ last, speaker }) => [`client ${speaker}`, Array.from({ length: last }, (_, at) => at + 1)]),
      );
      const counts = JSON.stringify(speakers.map(({ last, speaker }) => [`client ${speaker}`, last]));
      await pages[index]?.until(`${counts}.every(([name, last]) => client.heard[name]?.length >= last)`);
      expect(await pages[index]?.page.evaluate("client.heard"), `${page}, client ${index}`).toEqual(expected);
    }
    return said;
  };

  /** Each page works at least once more. */
  const useAll = async () => {
    await start();
    await stop();
  };

  const expectNothingNoticed = async () => {
    for (const [index, { opens, closes, wrong }] of (await inAll<Seen>("client")).entries()) {
      expect({ opens, closes, wrong }, `client ${index}`).toEqual({ opens: 1, closes: [], wrong: [] });
    }
    expect(pages.flatMap(({ faults }) => faults)).toEqual([]);
  };

  test("each connects with the transport that it is to use, and hears what others say", async () => {
    await allUntil("client.opens > 0");
    expect((await inAll<Seen>("client")).map(({ transport }) => transport)).toEqual(clients.map(({ uses }) => uses));
    await useAll();
    await expectNothingNoticed();
  });

  test("five deploys: nothing is lost, doubled or reordered, and nobody notices", async () => {
    await start();
    for (let release = 2; release <= 6; release++) await system.deploy(String(release), { workers: 2 });
    await stop();
    await expectNothingNoticed();
  });

  test("workers that are killed are not noticed", async () => {
    system.keepWorkers();
    for (const worker of system.live("worker")) {
      await start();
      await worker.end("SIGKILL");
      await system.until(() => system.live("worker").length === 2, "another worker is started");
      await stop();
    }
    await expectNothingNoticed();
  });

  test("when NATS is killed, all goes on as soon as it runs again", async () => {
    await start();
    await system.restartNats();
    await stop();
    await useAll();
    await expectNothingNoticed();
  });

  test("a gateway that ends: each comes back to the next one, and goes on", async () => {
    for (const watched of pages) for (const fault of [...cutOff, ...autobahnTells]) watched.expects(fault);
    await system.live("gateway")[0]?.end();
    await allUntil("client.closes.length === 1");
    system.startGateway();
    await allUntil("client.opens === 2");
    expect((await inAll<Seen>("client")).map(({ transport }) => transport)).toEqual(clients.map(({ uses }) => uses));
    await useAll();
    expect((await inAll<Seen>("client")).flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(pages.flatMap(({ faults }) => faults)).toEqual([]);
  });
});
