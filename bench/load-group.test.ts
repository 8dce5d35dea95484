import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { noFaults } from "./load/faults.ts";
import type { Job, Outcome } from "./load/job.ts";
import { connectionsOfProcess, partsOf, startLoad, wholeOutcome } from "./load-group.ts";

const job: Job = {
  ...{ host: "127.0.0.1", port: 1, path: "/", connections: 10, payloadBytes: 64, work: { kind: "paced", rate: 1 } },
  ...{ isGreeted: false, warmUpSeconds: 0, seconds: 1, patienceSeconds: 1 },
};

test("every connection is in one part, and no part has more than a process may", () => {
  const parts = partsOf({ ...job, connections: 3 * connectionsOfProcess + 1 });
  expect(parts).toHaveLength(4);
  expect(parts.reduce((sum, { connections }) => sum + connections, 0)).toBe(3 * connectionsOfProcess + 1);
  for (const { connections } of parts) expect(connections).toBeLessThanOrEqual(connectionsOfProcess);
  expect(new Set(parts.map(({ localAddress }) => localAddress)).size).toBe(4);
});

test("of several outcomes, what is counted is added, and the highest latency counts", () => {
  const latency = { p50Ms: 1, p99Ms: 2, p999Ms: 3, longestMs: 4 };
  const one: Outcome = { messages: 10, seconds: 1, cpuSeconds: 0.5, latency, faults: { ...noFaults, lost: 1 } };
  const other: Outcome = { ...one, messages: 5, seconds: 1.1, latency: { ...latency, p50Ms: 0.5, longestMs: 9 } };
  expect(wholeOutcome([one, other])).toEqual({
    ...{ messages: 15, seconds: 1.1, cpuSeconds: 1 },
    latency: { ...latency, longestMs: 9 },
    faults: { ...noFaults, lost: 2 },
  });
});

test("a load process connects from the address that its job names", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connected = once(server, "connection");
  const load = startLoad({ ...job, port, connections: 1, localAddress: "127.0.0.3" });
  try {
    const [, request] = await connected;
    expect(request.socket.remoteAddress).toBe("127.0.0.3");
    await load.opened;
  } finally {
    await load.end();
    server.close();
  }
});
