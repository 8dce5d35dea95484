// The load of the row http-publish: programs that call the HTTP API, each on a connection that stays open, one call at a time. It
// writes and reads bytes itself: a client library would take more processor time than the gateway.

import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface HttpFigures {
  readonly perSecond: number;
  /** Of one core, taken by this load. */
  readonly loadShare: number;
  /** Connections that ended. */
  readonly disconnected: number;
  /** Answers that were not 202. */
  readonly refused: number;
}

const connections = 64;
const payload = "x".repeat(64);
const warmUpMs = 1_000;
const measuredMs = 3_000;
const headEnd = "\r\n\r\n";

const [host = "", port = "", key = ""] = process.argv.slice(2);
const counted = { accepted: 0, refused: 0, disconnected: 0 };
const request = [
  "POST /api/publish/bench HTTP/1.1",
  `Host: ${host}:${port}`,
  `Authorization: Bearer ${key}`,
  "Content-Type: text/plain",
  `Content-Length: ${payload.length}${headEnd}${payload}`,
].join("\r\n");
let isOver = false;

/** Calls until the load is over. */
function run(socket: Socket): void {
  let received = "";
  socket.setNoDelay(true);
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    const end = received.indexOf(headEnd);
    if (end === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
    if (received.length < end + headEnd.length + length) return;
    if (received.startsWith("HTTP/1.1 202 ")) counted.accepted++;
    else counted.refused++;
    received = "";
    if (!isOver) socket.write(request);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    if (!isOver) counted.disconnected++;
  });
  socket.write(request);
}

/** A gateway reads keys once a second. */
async function isOn(): Promise<void> {
  for (;;) {
    const response = await fetch(`http://${host}:${port}/api/counts`, { headers: { authorization: `Bearer ${key}` } });
    await response.body?.cancel();
    if (response.status === 200) return;
    await pause(50);
  }
}

await isOn();
const sockets = Array.from({ length: connections }, () => connect(Number(port), host));
for (const socket of sockets) socket.once("connect", () => run(socket));
await pause(warmUpMs);
const before = { at: performance.now(), accepted: counted.accepted, cpu: process.cpuUsage() };
await pause(measuredMs);
const seconds = (performance.now() - before.at) / 1_000;
const perSecond = (counted.accepted - before.accepted) / seconds;
const { user, system } = process.cpuUsage(before.cpu);
isOver = true;
for (const socket of sockets) socket.destroy();
const { refused, disconnected } = counted;
process.send?.({ perSecond, loadShare: (user + system) / 1e6 / seconds, refused, disconnected } satisfies HttpFigures);
