// Socket.IO's client as browsers run it, with its defaults: long-polling first, from a page of another site, and then a WebSocket.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startNats } from "../nats.ts";
import { TestSystem } from "../system.ts";
import { describeInBrowser, TestBrowser } from "./chromium.ts";

const dist = join(import.meta.dirname, "../../node_modules/socket.io-client/dist");
const script = readFileSync(join(dist, "socket.io.min.js"), "utf8");

/** What a page tells of its clients. */
interface Told {
  readonly transports: string[];
  readonly said: unknown[][];
  readonly disconnects: string[];
}

describeInBrowser("socket.io-client in a browser", () => {
  let browser: TestBrowser;
  let system: TestSystem;
  let site: Server;
  let folder: string;

  beforeAll(async () => {
    browser = await TestBrowser.start();
  });
  afterAll(() => browser?.end());

  beforeEach(async () => {
    site = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<!doctype html><title>clients</title><script>${script}</script>`);
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    folder = mkdtempSync(join(tmpdir(), "thinstate-browser-"));
    system = await TestSystem.start({ handlers: "socket-io", workers: 2, nats: await startNats(0, ["-js", "-sd", folder]) });
  });
  afterEach(async () => {
    site.close();
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function openPage() {
    const page = await (await browser.context()).newPage();
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    return page;
  }

  test("five deploys and a killed worker while it works: nothing is lost, doubled or reordered, and it is not disconnected", async () => {
    const page = await openPage();
    const url = system.url.replace("ws:", "http:");
    // Three clients: with the usual transports, with WebSocket alone, with polling alone. Each says numbers until it is told to stop.
    await page.evaluate(`(${begin.toString()})(${JSON.stringify(url)})`);
    for (let release = 2; release <= 6; release++) await system.deploy(String(release), { workers: 2 });
    system.keepWorkers();
    await system.live("worker")[0]?.end("SIGKILL");
    await system.until(() => system.live("worker").length === 2, "another worker is started");
    const told = (await page.evaluate("window.end()")) as Told;
    expect(told.transports).toEqual(["websocket", "websocket", "polling"]);
    expect(told.disconnects).toEqual([]);
    for (const name of ["c0", "c1", "c2"]) {
      const numbers = told.said.filter(([who]) => who === name).map(([, number]) => number);
      expect(numbers.length).toBeGreaterThan(0);
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
    }
  });

  test("its connection breaks, a release later it is the same socket, and gets what it has missed, in order and once", async () => {
    const page = await openPage();
    const url = system.url.replace("ws:", "http:");
    await page.evaluate(`(${beginRecovery.toString()})(${JSON.stringify(url)})`);
    await page.evaluate("window.cut()");
    await system.deploy("2", { workers: 2 });
    expect(await page.evaluate("window.comeBack()")).toEqual({ isSame: true, recovered: [false, true], said: [0, 1, 2, 3, 4] });
  });
});

// Runs in the page: nothing of this file is there.
function begin(url: string): void {
  const { io } = globalThis as unknown as { io: (url: string, options: object) => PageSocket };
  interface PageSocket {
    readonly io: { readonly engine: { readonly transport: { readonly name: string } } };
    on(event: string, listener: (...args: never[]) => void): void;
    emitWithAck(event: string, value: number): Promise<unknown>;
  }
  const told = { said: [] as unknown[][], disconnects: [] as string[] };
  let isDone = false;
  const ways = [["polling", "websocket"], ["websocket"], ["polling"]];
  const clients = ways.map((transports, index) => io(url, { path: "/work/", transports, forceNew: true, auth: { name: `c${index}` } }));
  clients[1]?.on("said", (...args) => told.said.push(args));
  for (const client of clients) client.on("disconnect", (reason) => told.disconnects.push(reason));
  // Who is in the room hears all that is said.
  const areThere = Promise.all(clients.map((client) => new Promise<void>((resolve) => client.on("welcome", resolve))));
  const working = clients.map(async (client) => {
    await areThere;
    let n = 0;
    while (!isDone) await client.emitWithAck("say", ++n);
    return n;
  });
  Object.assign(globalThis, {
    end: async () => {
      isDone = true;
      const sent = await Promise.all(working);
      const all = sent.reduce((sum, n) => sum + n);
      while (told.said.length < all) await new Promise((resolve) => setTimeout(resolve, 10));
      return { ...told, transports: clients.map((client) => client.io.engine.transport.name) };
    },
  });
}

// Runs in the page, too: one that is cut off, and one that speaks meanwhile.
function beginRecovery(url: string): Promise<void> {
  const { io } = globalThis as unknown as { io: (url: string, options: object) => PageSocket };
  interface PageSocket {
    readonly id: string;
    readonly recovered: boolean;
    readonly io: { readonly engine: { close(): void } };
    on(event: string, listener: (...args: never[]) => void): void;
    connect(): void;
    emitWithAck(event: string, ...args: unknown[]): Promise<unknown>;
  }
  const [ada, bob] = [0, 1].map(() => io(url, { path: "/recover/", forceNew: true, reconnection: false })) as [PageSocket, PageSocket];
  const said: unknown[] = [];
  const recovered: boolean[] = [];
  const comes = (client: PageSocket, event: string) => new Promise<void>((resolve) => client.on(event, () => resolve()));
  const heardOf = (n: number) =>
    new Promise<void>((resolve) => {
      if (said.includes(n)) resolve();
      else ada.on("said", (_: unknown, each: number) => each === n && resolve());
    });
  ada.on("said", (_: unknown, n: number) => said.push(n));
  ada.on("connect", () => recovered.push(ada.recovered));
  const areThere = Promise.all([comes(ada, "welcome"), comes(bob, "welcome")]);
  let id = "";
  Object.assign(globalThis, {
    cut: async () => {
      id = ada.id;
      const isCut = comes(ada, "disconnect");
      ada.io.engine.close();
      await isCut;
      for (const n of [1, 2]) await bob.emitWithAck("say", ["room"], n);
    },
    comeBack: async () => {
      await bob.emitWithAck("say", [], 3);
      const isBack = comes(ada, "connect");
      ada.connect();
      await isBack;
      await bob.emitWithAck("say", ["room"], 4);
      if (ada.recovered) await heardOf(4);
      return { isSame: ada.id === id, recovered, said };
    },
  });
  const begun = async () => {
    await areThere;
    await ada.emitWithAck("join", "room", 1);
    await bob.emitWithAck("say", ["room"], 0);
    await heardOf(0);
  };
  return begun();
}
