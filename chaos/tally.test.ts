// The run is worth what its count is worth: a server that breaks a promise must be found out.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { patienceMs } from "../testbed/patience.ts";
import { Load } from "./load.ts";
import { tally } from "./tally.ts";

const servers: WebSocketServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** @param answer What connection `id` is told for its message `number`. */
async function loaded(answer: (socket: WebSocket, number: number, id: string) => void): Promise<Load> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  servers.push(server);
  await once(server, "listening");
  server.on("connection", (socket) => {
    const id = `c${server.clients.size}`;
    socket.send(`open ${id}`);
    socket.on("message", (data: Buffer) => answer(socket, Number(data.toString()), id));
  });
  const load = await Load.open({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: 2, rate: 1 });
  for (const client of load.clients) for (let message = 0; message < 10; message++) client.send();
  return load;
}

const right = (number: number) => `answer ${number} ${number} first`;

/** Both hear both. */
function publish(say: (frame: string) => void): void {
  for (const id of ["c1", "c2"]) say(`published ${id} 1`);
}

async function tallied(answer: (socket: WebSocket, number: number, id: string) => void) {
  const load = await loaded(answer);
  // The last thing that each of them says.
  const isDone = () => load.clients.every(({ closed, answers }) => closed !== undefined || answers.last >= 10);
  await load.signal.until(isDone, "the last answer", patienceMs);
  const sums = tally(load, new Set());
  await load.close();
  return sums;
}

const zeros = { messages: 20, lost: 0, doubled: 0, reordered: 0, disconnected: 0 };

test("nothing is wrong with a server that keeps its promise", async () => {
  const sums = await tallied((socket, number) => {
    if (number === 10) publish((frame) => socket.send(frame));
    socket.send(right(number));
  });
  expect(sums).toMatchObject({ ...zeros, broken: [] });
});

test.each([
  { what: "an answer lost", frames: (number: number) => (number === 4 ? [] : [right(number)]), found: { lost: 2 } },
  { what: "an answer twice", frames: (number: number) => (number === 4 ? [right(4), right(4)] : [right(number)]), found: { doubled: 2 } },
  {
    what: "two answers in the wrong order",
    frames: (number: number) => (number === 4 ? [] : number === 5 ? [right(5), right(4)] : [right(number)]),
    found: { reordered: 2 },
  },
  {
    what: "a count that is wrong",
    frames: (number: number) => [`answer ${number} ${number === 4 ? 5 : number} first`],
    found: { doubled: 2 },
  },
])("$what is found", async ({ frames, found }) => {
  const sums = await tallied((socket, number) => {
    if (number === 10) publish((frame) => socket.send(frame));
    for (const frame of frames(number)) socket.send(frame);
  });
  expect(sums).toMatchObject({ ...zeros, ...found });
  expect(sums.broken).toHaveLength(2);
});

test("a publish that somebody does not hear is found, and one that is heard twice", async () => {
  const sums = await tallied((socket, number, id) => {
    if (number === 10) {
      if (id === "c1") publish((frame) => socket.send(frame));
      if (id === "c1") publish((frame) => socket.send(frame));
    }
    socket.send(right(number));
  });
  expect(sums).toMatchObject({ ...zeros, lost: 2, doubled: 2 });
});

test("a connection that is closed is found", async () => {
  const sums = await tallied((socket, number, id) => {
    if (id === "c1" && number === 6) socket.close(1011, "bug");
    else socket.send(right(number));
    if (number === 9) publish((frame) => socket.send(frame));
  });
  expect(sums).toMatchObject({ disconnected: 1 });
  expect(sums.broken.join()).toContain("closed with 1011 bug");
});
