// The servers that are compared: our installation with an adapter, and one that people have until they come to it.

import { clone } from "../../scripts/setup/cache.mjs";
import { Child } from "../../testbed/node-process.ts";
import type { Ending } from "../running.ts";
import { thinstate } from "../side.ts";
import { startCrossbar } from "./crossbar.ts";
import type { Work } from "./workloads.ts";

export interface Listening extends Ending {
  readonly host: string;
  readonly port: number;
  /** All that take part in an answer. */
  readonly pids: readonly number[];
}

export interface Comparison {
  readonly name: Work;
  readonly title: string;
  /** The other server, with its version. */
  readonly other: string;
  /** @param crossbar The program. */
  startOther(crossbar: string): Promise<Listening>;
  /** Of our rate to the other's, at least; undefined: none was set. */
  readonly bound?: number;
}

/** One gateway and one worker. */
export function startOurs(): Promise<Listening> {
  return thinstate("ours", clone).start({ workers: 1, gateways: 1, handlersDir: "bench/client-handlers" });
}

async function startNode(script: string): Promise<Listening> {
  const child = new Child<{ host: string; port: number }>(script);
  const { host, port } = await child.hears((listening) => listening);
  return { host, port, pids: [child.pid], end: () => child.end() };
}

export const comparisons: readonly Comparison[] = [
  {
    name: "socket.io",
    title: "Socket.IO: echo over WebSocket, 100 connections × 16 in flight",
    other: "socket.io 4",
    startOther: () => startNode("bench/clients/socket-io-server.ts"),
    bound: 3,
  },
  {
    name: "sockjs",
    title: "SockJS: echo over WebSocket, 100 connections × 16 in flight",
    other: "sockjs (node)",
    startOther: () => startNode("bench/clients/sockjs-server.ts"),
    bound: 2,
  },
  {
    name: "wamp-rpc",
    title: "WAMP 2: calls from client to client, 50 callers × 16 in flight",
    other: "crossbar",
    startOther: startCrossbar,
  },
  {
    name: "wamp-pubsub",
    title: "WAMP 2: deliveries to 100 subscribers, 8 publications under way",
    other: "crossbar",
    startOther: startCrossbar,
  },
];
