// Bugs in what sockets are told of, on real sockets.

import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toSession } from "../protocol/pipe-records.ts";
import { TestClient } from "../test/client.ts";
import { ClientEvents, type ClientEventsOptions } from "./client-events.ts";
import type { Connection, Socket } from "./connection.ts";
import type { PeerLink, PipeEnd, PipeRecord } from "./pipes/peer-link.ts";
import { PipeClient, type PipeClientOptions } from "./pipes/pipe-client.ts";
import { SlotTable } from "./slot-table.ts";
import { type SocketEvents, type SocketOwner, socketListeners } from "./socket-events.ts";
import { listen, type Server } from "./uws/server.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false };
const none = () => undefined;

/** What has a bug for owners whose paths say so; and who has met one. */
let events: SocketEvents<Connection>;
let met: string[];
let server: Server;

/** To a session's gateway, which cannot be told what a path names. */
function linkFor(path: string): PeerLink {
  const { open, message, alive, closed } = toSession;
  const types: Record<string, number> = { "/open": open, "/message": message, "/ping": alive, "/close": closed };
  const send = (_: PipeEnd, { type }: PipeRecord) => {
    if (type === types[path]) throw new Error(`no ${path}`);
  };
  return { send, settle: none } as Partial<PeerLink> as PeerLink;
}

function pipeClient(path: string): PipeClient {
  const clients = {
    break: ({ socket }: { socket: Socket | undefined }, code: string) => socket?.end(1011, code),
    countBug: (_: unknown, error: Error) => met.push(error.message),
    tooLarge: none,
  };
  return new PipeClient({
    ...{ number: 1, id: "g:pipe-1", peer: "g2", link: linkFor(path), limits: { parkedMessages: 9, parkedBytes: 999 } },
    body: { key: "k", path, query: "", ip: "::1", subprotocol: "", expiresAt: 0 },
    clients: clients as unknown as PipeClientOptions["clients"],
    parking: { keepBody: () => true, dropBody: none },
    messageBytes: () => 999,
    routeOf: none,
    onClose: none,
  });
}

beforeEach(async () => {
  met = [];
  const fail = ({ path }: Connection, what: string) => {
    if (path === `/connection${what}`) throw new Error(`no ${what}`);
  };
  events = {
    open: (connection, socket) => {
      connection.socket = socket;
      fail(connection, "/open");
    },
    receive: (connection) => fail(connection, "/message"),
    pinged: (connection) => fail(connection, "/ping"),
    closed: (connection) => {
      connection.socket = undefined;
      fail(connection, "/close");
    },
    meetBug: ({ socket }, error) => {
      met.push((error as Error).message);
      socket?.end(1011, "connection.bug");
    },
  };
  server = await listen<SocketOwner>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      onUpgrade: ({ path }, client) =>
        client.accept(() => (path.startsWith("/connection/") ? ({ path } as Connection) : pipeClient(path)), "", []),
      onRequest: (_, client) => client.answer({ status: 404, headers: [], body: "" }),
      ...socketListeners({ connections: events, onFault: none }),
    },
  );
});

afterEach(() => server.stopListening());

test.each(["", "/connection"])("a bug costs the socket that it meets alone, whatever it tells of (%s)", async (kind) => {
  const url = `ws://127.0.0.1:${server.port}${kind}`;
  const other = await TestClient.open(`${url}/other`);
  for (const what of ["/open", "/message", "/ping"]) {
    const client = new TestClient(`${url}${what}`);
    client.socket.on("open", () => {
      if (what === "/message") client.send("x");
      if (what === "/ping") client.socket.ping();
    });
    expect(await client.closes()).toEqual({ code: 1011, reason: "connection.bug" });
  }
  const closing = await TestClient.open(`${url}/close`);
  await closing.close();
  await turn();
  expect(met).toEqual(["no /open", "no /message", "no /ping", "no /close"]);
  expect(other.closed).toBeUndefined();
  await other.close();
});

test("a bug in what is kept of a connection does not keep its onClose from running", () => {
  const closes: number[] = [];
  const clients = new ClientEvents({
    users: {
      add: none,
      forget: () => {
        throw new Error("no user");
      },
    },
    slots: new SlotTable(),
    dispatcher: { closed: (_: Connection, code: number) => closes.push(code) },
    settings: {},
  } as unknown as ClientEventsOptions);
  const admission = { path: "/", query: "", ip: "::1", user: undefined, subprotocol: "", state: undefined, expiresAt: 0 };
  const connection = clients.admit(admission);
  expect(() => clients.closed(connection, { code: 4000, reason: new Uint8Array(0), isSlow: false })).toThrow("no user");
  expect(closes).toEqual([4000]);
});
