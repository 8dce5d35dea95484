// Figures are worth what the load's count is worth: a server that breaks a promise must be found out.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { noFaults } from "./load/faults.ts";
import type { Job } from "./load/job.ts";
import { Load } from "./load-process.ts";

/** What a connection is sent for its message `count`, counted from 0. */
type Answer = (message: Buffer, count: number) => readonly Buffer[];

const servers: WebSocketServer[] = [];
const loads: Load[] = [];

afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.end()));
  for (const server of servers.splice(0)) server.close();
});

/** @param onConnection Is told of each connection, and of the path that it has asked for. */
async function loaded(job: Partial<Job>, onConnection: (socket: WebSocket, path: string) => void): Promise<Load> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  servers.push(server);
  await once(server, "listening");
  server.on("connection", (socket, { url = "" }) => {
    onConnection(socket, url);
    if (job.isGreeted) socket.send("open");
  });
  const { port } = server.address() as AddressInfo;
  const load = new Load({
    ...{ host: "127.0.0.1", port, path: "/", connections: 2, payloadBytes: 64, work: { kind: "echo", window: 4 } },
    ...{ isGreeted: false, warmUpSeconds: 0, seconds: 0.5, patienceSeconds: 1, ...job },
  });
  loads.push(load);
  return load;
}

async function outcomeOf(load: Load) {
  const opening = await load.opened;
  load.begin();
  return { opening, ...(await load.finished) };
}

const text = { binary: false };

/** @param answerer Makes each connection's answers. */
function echoing(answerer: () => Answer, job: Partial<Job> = {}): Promise<Load> {
  return loaded(job, (socket) => {
    const answer = answerer();
    let count = 0;
    socket.on("message", (message: Buffer) => {
      for (const sent of answer(message, count++)) socket.send(sent, text);
    });
  });
}

/** Keeps one back until the next has gone. */
function swapping(): Answer {
  let held: Buffer | undefined;
  return (message, count) => {
    if (count === 2) held = message;
    return count === 2 ? [] : count === 3 && held !== undefined ? [message, held] : [message];
  };
}

test("nothing is wrong with a server that echoes", async () => {
  const { faults, messages, seconds, cpuSeconds } = await outcomeOf(await echoing(() => (message) => [message]));
  expect(faults).toEqual(noFaults);
  expect(messages).toBeGreaterThan(8);
  expect(seconds).toBeGreaterThan(0.09);
  expect(cpuSeconds).toBeGreaterThan(0);
});

test.each([
  { what: "an echo that does not come", answerer: () => (message: Buffer, count: number) => (count === 3 ? [] : [message]), fault: "lost" },
  {
    what: "one that comes twice",
    answerer: () => (message: Buffer, count: number) => (count === 3 ? [message, message] : [message]),
    fault: "doubled",
  },
  { what: "one that comes before its turn", answerer: swapping, fault: "reordered" },
  {
    what: "another length",
    answerer: () => (message: Buffer, count: number) => (count === 3 ? [message, message.subarray(1)] : [message]),
    fault: "malformed",
  },
])("$what is $fault", async ({ answerer, fault }) => {
  const { faults } = await outcomeOf(await echoing(answerer));
  expect(faults).toEqual({ ...noFaults, [fault]: 2 });
});

test("no more than the window is ever in flight, however slowly and in whatever pieces the echoes come", async () => {
  const window = 4;
  let most = 0;
  const load = await loaded({ connections: 1, work: { kind: "echo", window } }, (socket) => {
    const held: Buffer[] = [];
    socket.on("message", (message: Buffer) => {
      held.push(message);
      most = Math.max(most, held.length);
      setImmediate(() => socket.send(held.shift() as Buffer, text));
    });
  });
  expect((await outcomeOf(load)).faults).toEqual(noFaults);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(window);
});

test("a connection that the server closes is disconnected, and what it was owed is lost", async () => {
  let connections = 0;
  const load = await loaded({}, (socket) => {
    const isClosed = connections++ === 0;
    socket.on("message", (message: Buffer) => (isClosed ? socket.close(1011) : socket.send(message, text)));
  });
  expect((await outcomeOf(load)).faults).toEqual({ ...noFaults, disconnected: 1, lost: 4 });
});

test("in open loop every message is timed", async () => {
  const rate = 500;
  const load = await echoing(() => (message) => [message], { work: { kind: "paced", rate }, seconds: 0.5 });
  const { faults, messages, seconds, latency } = await outcomeOf(load);
  expect(faults).toEqual(noFaults);
  // Two connections.
  expect(messages / seconds).toBeGreaterThan(rate);
  expect(messages / seconds).toBeLessThanOrEqual(2 * rate * 1.1);
  expect(latency.p50Ms).toBeGreaterThan(0);
  expect(latency.longestMs).toBeGreaterThanOrEqual(latency.p999Ms);
});

/** @param delivered To how many of a topic's subscribers its message `count` goes. */
async function publishing(
  delivered: (count: number) => number,
): Promise<{ load: Load; subscribers: ReadonlyMap<string, readonly WebSocket[]>; publishers: Set<WebSocket> }> {
  const subscribers = new Map<string, WebSocket[]>();
  const publishers = new Set<WebSocket>();
  const job = { connections: 6, isGreeted: true, path: "/topic-:topic", work: { kind: "publish", window: 2, topics: 2 } } as const;
  const load = await loaded(job, (socket, path) => {
    const all = subscribers.get(path) ?? [];
    subscribers.set(path, all);
    all.push(socket);
    let count = 0;
    socket.on("message", (message: Buffer) => {
      publishers.add(socket);
      for (const subscriber of all.slice(0, delivered(count++))) subscriber.send(message, text);
    });
  });
  return { load, subscribers, publishers };
}

test("of each topic one connection publishes, and all of the topic must hear it", async () => {
  const { load, subscribers, publishers } = await publishing(() => 3);
  const { faults, messages, opening } = await outcomeOf(load);
  expect(faults).toEqual(noFaults);
  expect(messages).toBeGreaterThan(12);
  expect([...subscribers].map(([path, all]) => [path, all.length])).toEqual([
    ["/topic-0", 3],
    ["/topic-1", 3],
  ]);
  expect([...subscribers.values()].map((all) => all.filter((socket) => publishers.has(socket)).length)).toEqual([1, 1]);
  expect(opening.greetSeconds).toBeGreaterThanOrEqual(opening.acceptSeconds);
});

test("a publish is under way until the last has heard it, and no more than the window ever are", async () => {
  const window = 2;
  const subscribers: WebSocket[] = [];
  let [published, heardByAll, most] = [0, 0, 0];
  const job = { connections: 3, isGreeted: true, path: "/topic-:topic", work: { kind: "publish", window, topics: 1 } } as const;
  const load = await loaded(job, (socket) => {
    subscribers.push(socket);
    socket.on("message", (message: Buffer) => {
      most = Math.max(most, ++published - heardByAll);
      const [slow, ...others] = subscribers.toReversed();
      for (const other of others) other.send(message, text);
      setTimeout(() => {
        heardByAll++;
        slow?.send(message, text);
      }, 5);
    });
  });
  expect((await outcomeOf(load)).faults).toEqual(noFaults);
  expect(published).toBeGreaterThan(window);
  expect(most).toBe(window);
});

test("a delivery to one of many that does not come is lost", async () => {
  const { load } = await publishing((count) => (count === 1 ? 2 : 3));
  expect((await outcomeOf(load)).faults).toEqual({ ...noFaults, lost: 2 });
});

test("a load that is refused fails with the reason", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", verifyClient: () => false });
  servers.push(server);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const load = await loaded({ port }, () => undefined);
  await expect(load.opened).rejects.toThrow("0 of 2 connections opened, 0 were greeted, and one was refused: HTTP/1.1 401 Unauthorized");
});
