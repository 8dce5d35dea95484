// A gateway that crashes takes all its clients with it at once. With the options of docs/clients.md they come back at different times.
// Their waits are looked at as the libraries choose them, and cut short: how fast this machine is does not matter.

import PartySocket from "partysocket/ws";
import reconnecting from "reconnecting-websocket";
import { io } from "socket.io-client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Wampy } from "wampy";
import { WebSocket } from "ws";
import { patienceMs, testPatienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { autobahn } from "./autobahn.ts";
import { documentedOptions } from "./clients-page.ts";
import { TestSystem } from "./system.ts";

const clients = 50;
/** So many of them at most wait for times within half a second of each other: a few more than would be, by chance. */
const crowd = clients / 2;

interface Client {
  close(): void;
}

// Its types are those of an ES module, which it is not for Node.
const ReconnectingWebSocket = reconnecting as unknown as new (url: string, protocols: string[], options: object) => WebSocket;

/** Opens one, and tells of each time that it is open. */
const libraries: Readonly<Record<string, (options: object, onOpen: () => void) => Client>> = {
  partysocket(options, onOpen) {
    const socket = new PartySocket(`${system.url}/room/websocket`, [], { ...options, WebSocket });
    socket.addEventListener("open", onOpen);
    return socket;
  },
  "reconnecting-websocket"(options, onOpen) {
    const socket = new ReconnectingWebSocket(`${system.url}/room/websocket`, [], { ...options, WebSocket });
    socket.addEventListener("open", onOpen);
    return socket;
  },
  "socket.io-client"(options, onOpen) {
    const socket = io(system.url.replace("ws:", "http:"), { ...options, transports: ["websocket"], forceNew: true });
    return socket.on("connect", onOpen);
  },
  autobahn(options, onOpen) {
    // It would tell of each that goes.
    autobahn.log.warn = () => undefined;
    const connection = new autobahn.Connection({ url: `${system.url}/wamp`, realm: "realm1", ...options });
    connection.onopen = onOpen;
    // It is to do what it does by itself.
    connection.onclose = () => false;
    connection.open();
    return connection;
  },
  wampy(options, onOpen) {
    const client = new Wampy(`${system.url}/wamp`, { realm: "realm1", ws: WebSocket, onReconnectSuccess: onOpen, ...options } as never);
    client.connect().then(onOpen, () => undefined);
    return { close: () => void client.disconnect() };
  },
};

let system: TestSystem;
let opened: Client[] = [];

beforeEach(async () => {
  system = await TestSystem.start({ handlers: "browser-clients" });
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const client of opened) client.close();
  opened = [];
  await system.stop();
});

/** Has a library's waits, once it holds them, end when they are let go. It has to be there before clients are: some keep their setTimeout. */
class HeldWaits {
  readonly waits: number[] = [];
  private held: Array<() => void> | undefined;
  private readonly signal = new Signal();

  constructor(library: string) {
    const { setTimeout } = globalThis;
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((wait: () => void, ms?: number, ...values: []) => {
      const isItsOwn = new Error("who asks").stack?.includes(`/node_modules/${library}/`);
      if (!isItsOwn || !this.held || !ms) return setTimeout(wait, ms, ...values);
      this.waits.push(ms);
      this.held.push(wait);
      this.signal.tell();
      return setTimeout(() => undefined, 0);
    }) as typeof setTimeout);
  }

  hold(): void {
    this.held = [];
  }

  has(count: number): Promise<void> {
    return this.signal.until(
      () => this.waits.length >= count,
      () => `${this.waits.length} wait`,
      patienceMs,
    );
  }

  letGo(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const wait of held) wait();
  }
}

test.each(Object.entries(libraries))(
  "%s: 50 clients, whose gateway is killed, choose different times to come back, and are back",
  { timeout: testPatienceMs },
  async (library, open) => {
    const signal = new Signal();
    let opens = 0;
    const onOpen = () => {
      opens++;
      signal.tell();
    };
    const untilOpen = (count: number) =>
      signal.until(
        () => opens >= count,
        () => `${opens} have opened`,
        patienceMs,
      );
    const held = new HeldWaits(library);
    opened = Array.from({ length: clients }, () => open(documentedOptions(library), onOpen));
    await untilOpen(clients);

    held.hold();
    await system.live("gateway")[0]?.end("SIGKILL");
    await held.has(clients);
    const waits = held.waits.toSorted((a, b) => a - b);
    const together = waits.map((wait) => waits.filter((other) => other >= wait && other < wait + 500).length);
    expect(Math.max(...together), `they wait for ${waits}`).toBeLessThanOrEqual(crowd);
    // No longer than a person waits.
    expect(waits.at(-1)).toBeLessThanOrEqual(7_000);

    const { pid } = system.startGateway();
    await system.until(() => system.gatewayHellos.some((gateway) => gateway.pid === pid), "there is a gateway again");
    held.letGo();
    await untilOpen(2 * clients);
  },
);
