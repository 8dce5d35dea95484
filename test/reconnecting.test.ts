// Clients that come back by themselves, as they are: what they queue arrives in order, and the close code tells them whether to come back.
// That a gateway which ends closes them in batches is tested in departure.test.ts.

import { spawn } from "node:child_process";
import PartySocket from "partysocket/ws";
import reconnecting from "reconnecting-websocket";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { endsWithUs } from "../testbed/ends-with-us.ts";
import { patienceMs, testPatienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { exampleArguments, runExample } from "./clients-page.ts";
import { pythonWith } from "./python.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system?.stop());

/** What both libraries have. */
interface Returning {
  send(data: string): void;
  close(): void;
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
}

// Its types are those of an ES module, which it is not for Node.
const ReconnectingWebSocket = reconnecting as unknown as new (url: string, protocols: string[], options: object) => Returning;

/** As docs/clients.md has it. */
const { shouldReconnectOnClose } = exampleArguments(() => Promise.resolve("")).options;

/** Else they wait for seconds before they come back; what they choose is tested in no-herd.test.ts. */
const quick = { minReconnectionDelay: 50, maxReconnectionDelay: 200 };

const libraries: ReadonlyArray<readonly [string, (url: string) => Returning]> = [
  [
    "partysocket",
    (url) =>
      new PartySocket(url, [], {
        ...quick,
        WebSocket,
        shouldReconnectOnClose,
      }) as Returning,
  ],
  [
    "reconnecting-websocket",
    (url) => {
      const socket = new ReconnectingWebSocket(url, [], { ...quick, WebSocket });
      socket.addEventListener("close", (event) => {
        if (!shouldReconnectOnClose(event)) socket.close();
      });
      return socket;
    },
  ],
];

/** What a client has seen. */
class Seen {
  readonly received: string[] = [];
  readonly closes: number[] = [];
  opens = 0;
  private readonly signal = new Signal();

  constructor(client: Returning, { onOpen, onClose }: { onOpen?: (opens: number) => void; onClose?: (closes: number) => void } = {}) {
    client.addEventListener("open", () => {
      this.opens++;
      onOpen?.(this.opens);
      this.signal.tell();
    });
    client.addEventListener("message", ({ data }) => {
      this.received.push(String(data));
      this.signal.tell();
    });
    client.addEventListener("close", ({ code }) => {
      this.closes.push(code);
      onClose?.(this.closes.length);
      this.signal.tell();
    });
  }

  until(isSo: () => boolean, what: string): Promise<void> {
    return this.signal.until(isSo, () => `${what}: ${JSON.stringify(this.received)}, closed with ${this.closes}`, patienceMs);
  }
}

async function endGatewayOf(connections: number, signal: NodeJS.Signals): Promise<void> {
  await system.until(() => system.gatewayHellos.some((gateway) => gateway.connections >= connections), "a gateway has the client");
  const its = system.gatewayHellos.find((gateway) => gateway.connections >= connections)?.pid;
  await system
    .live("gateway")
    .find(({ pid }) => pid === its)
    ?.end(signal);
}

test.each(libraries)(
  "%s: what it queues, and what it sends when it opens, arrives in order, on each connection",
  { timeout: testPatienceMs },
  async (_, connect) => {
    system = await TestSystem.start({ gateways: 2 });
    const client = connect(`${system.url}/echo`);
    for (const text of ["queued 1", "queued 2"]) client.send(text);
    const seen = new Seen(client, {
      onOpen: (opens) => client.send(`opened ${opens}`),
      // Later ones are attempts that fail.
      onClose: (closes) => {
        if (closes <= 2) for (const index of [1, 2]) client.send(`queued after close ${closes}.${index}`);
      },
    });
    const expected = ["queued 1", "queued 2", "opened 1"];
    await seen.until(() => seen.received.length >= 3, "the first answers");

    // Another gateway serves: it is told to come back at once.
    await endGatewayOf(1, "SIGTERM");
    expected.push("queued after close 1.1", "queued after close 1.2", "opened 2");
    await seen.until(() => seen.received.length >= 6, "the answers of the other gateway");

    // It is killed, and for a while nobody is there.
    await endGatewayOf(1, "SIGKILL");
    await seen.until(() => seen.closes.length >= 2, "the connection breaks");
    system.startGateway();
    expected.push("queued after close 2.1", "queued after close 2.2", "opened 3");
    await seen.until(() => seen.received.length >= 9, "the answers of the third gateway");

    client.close();
    expect(seen.received).toEqual(expected);
    expect(seen.closes.slice(0, 2)).toEqual([1012, 1006]);
  },
);

test.each(libraries)(
  "%s: it comes back after an error of the server, and not after a mistake of its own",
  { timeout: testPatienceMs },
  async (_, connect) => {
    system = await TestSystem.start({ environment: { MESSAGE_BYTES: "1024" } });
    const client = connect(`${system.url}/broken/message`);
    const seen = new Seen(client, {
      onOpen: (opens) => client.send(opens === 1 ? "this makes the handler throw" : "x".repeat(2_000)),
    });
    await seen.until(() => seen.closes.length >= 2, "it is closed, comes back, and is closed again");
    expect(seen.closes).toEqual([1011, 1009]);

    // Whoever comes back has come long before one that opens later is closed.
    const later = new Seen(connect(`${system.url}/broken/message`), {});
    await later.until(() => later.opens >= 1, "another one opens");
    await new Promise((resolve) => setTimeout(resolve, 2 * quick.maxReconnectionDelay));
    expect(seen.opens).toBe(2);
  },
);

test("the page's example: with another ticket after 4401, and not after what would happen again", { timeout: testPatienceMs }, async () => {
  system = await TestSystem.start();
  const urls: string[] = [];
  const sockets: PartySocket[] = [];
  class Here extends PartySocket {
    constructor(url: () => Promise<string>, protocols: string[], options: object) {
      const here = async () => {
        urls.push(await url());
        return `${system.url}/script/blue`;
      };
      super(here, protocols, { ...options, ...quick, WebSocket });
      sockets.push(this);
    }
  }
  let tickets = 0;
  runExample({ WebSocket: Here, fetchTicket: () => Promise.resolve(`ticket-${++tickets}`) });
  const [socket] = sockets as [PartySocket];
  const codes = [4401, 3002];
  const seen = new Seen(socket as Returning, {
    onOpen: (opens) => socket.send(JSON.stringify([{ do: "close", code: codes[opens - 1], reason: "" }])),
  });
  await seen.until(() => seen.closes.length >= 2, "it is closed, comes back, and is closed again");
  expect([seen.closes, urls.map((url) => url.slice(-8))]).toEqual([codes, ["ticket-1", "ticket-2"]]);
  expect(socket.shouldReconnect).toBe(false);
});

const python = pythonWith("websockets");

// Its own loop, as its documentation has it. What a program wants to send while it is away, it has to keep itself.
const script = `
import asyncio, sys
from websockets import connect, ConnectionClosed

async def main():
    waiting, opens = ["queued 1", "queued 2"], 0
    async for socket in connect(sys.argv[1]):
        opens += 1
        try:
            for text in waiting + [f"opened {opens}"]:
                await socket.send(text)
            waiting = []
            async for text in socket:
                print(text, flush=True)
        except ConnectionClosed:
            pass
        print(f"closed {socket.close_code}", flush=True)
        waiting = [f"queued after close {opens}"]

asyncio.run(main())
`;

test("Python's websockets: the same, in its reconnecting loop", { timeout: testPatienceMs }, async ({ skip }) => {
  if (python === undefined) return skip("needs Python's websockets: apt-get install python3-websockets");
  system = await TestSystem.start({ gateways: 2 });
  const child = spawn(python, ["-c", script, `${system.url}/echo`], { stdio: ["ignore", "pipe", "inherit"] });
  endsWithUs(child, "SIGKILL");
  const signal = new Signal();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    signal.tell();
  });
  const says = (text: string) =>
    signal.until(
      () => output.includes(text),
      () => `it says ${text}: ${output}`,
      patienceMs,
    );
  await says("opened 1");
  await endGatewayOf(1, "SIGTERM");
  await says("opened 2");
  await endGatewayOf(1, "SIGKILL");
  await says("closed 1006");
  system.startGateway();
  await says("opened 3");
  child.kill();
  expect(output.trim().split("\n")).toEqual([
    "queued 1",
    "queued 2",
    "opened 1",
    "closed 1012",
    "queued after close 1",
    "opened 2",
    "closed 1006",
    "queued after close 2",
    "opened 3",
  ]);
});
