import { expect, test } from "vitest";
import { Connection, type Socket } from "./connection.ts";
import { UnfinishedMessages } from "./unfinished-messages.ts";

const sweepMs = 250;
/** IDLE_TIMEOUT_MS and the slack of uWebSockets.js, in sweeps. */
const silent = (10_000 + 6_000) / sweepMs;

class Scene {
  readonly connections: Array<Connection | undefined> = [];
  readonly pings: number[] = [];
  readonly unfinished: number[] = [];
  readonly messages = new UnfinishedMessages({
    connections: this.connections,
    sweepMs,
    idleTimeoutMs: () => 10_000,
    onUnfinished: (connection) => {
      this.unfinished.push(connection.slot);
      connection.socket = undefined;
    },
  });

  open(): Connection {
    const slot = this.connections.length;
    const unused = { path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
    const connection = new Connection({ slot, epoch: 1, id: `g-${slot}`, ...unused });
    connection.socket = { ping: () => this.pings.push(slot) } as Partial<Socket> as Socket;
    this.connections.push(connection);
    this.messages.heard(connection);
    return connection;
  }

  sweep(times: number): void {
    for (let sweep = 0; sweep < times; sweep++) this.messages.sweep();
  }
}

test("who sends nothing whole is pinged once, and closed after as long again", () => {
  const scene = new Scene();
  scene.open();
  scene.sweep(silent);
  expect(scene.pings).toEqual([]);
  scene.sweep(1);
  expect(scene.pings).toEqual([0]);
  scene.sweep(silent);
  expect(scene.unfinished).toEqual([]);
  scene.sweep(1);
  expect(scene).toMatchObject({ pings: [0], unfinished: [0] });
  scene.sweep(2 * silent);
  expect(scene).toMatchObject({ pings: [0], unfinished: [0] });
});

test("a pong, or anything else that is whole, is enough; then it begins anew", () => {
  const scene = new Scene();
  const connection = scene.open();
  scene.sweep(silent + 1);
  scene.messages.heard(connection);
  scene.sweep(silent);
  expect(scene.pings).toEqual([0]);
  scene.sweep(2);
  expect(scene).toMatchObject({ pings: [0, 0], unfinished: [] });
});

test("who speaks is never pinged; who has gone is forgotten", () => {
  const scene = new Scene();
  const [talker, leaver] = [scene.open(), scene.open()];
  for (let round = 0; round < 4 * silent; round++) {
    scene.messages.heard(talker);
    if (round === silent + 2) leaver.socket = undefined;
    scene.sweep(1);
  }
  expect(scene).toMatchObject({ pings: [1], unfinished: [] });
});

test("one sweep asks 10,000 connections, the next one others", () => {
  const scene = new Scene();
  const talkers = Array.from({ length: 10_000 }, () => scene.open());
  scene.open();
  scene.sweep(silent);
  for (const talker of talkers) scene.messages.heard(talker);
  expect(scene.pings).toEqual([]);
  scene.sweep(2);
  expect(scene.pings).toEqual([10_000]);
});

test("one sweep pings 500 and closes 500; the others have their turn, and nobody has two", () => {
  const scene = new Scene();
  for (let opened = 0; opened < 1_200; opened++) scene.open();
  const grown = (list: readonly number[]) => {
    const before = list.length;
    scene.sweep(1);
    return list.length - before;
  };
  scene.sweep(silent);
  expect([grown(scene.pings), grown(scene.pings), grown(scene.pings), grown(scene.pings)]).toEqual([500, 500, 200, 0]);
  scene.sweep(silent - 3);
  expect([grown(scene.unfinished), grown(scene.unfinished), grown(scene.unfinished)]).toEqual([500, 500, 200]);
  expect([new Set(scene.pings).size, new Set(scene.unfinished).size]).toEqual([1_200, 1_200]);
});
