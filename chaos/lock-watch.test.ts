import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { LockRecord, LockWatch } from "./lock-watch.ts";

/** A server with one lock. It reads nothing from those who wait for it: they get it before it reads that they have gone. */
class LockServer {
  private readonly server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  /** The first ones have the lock. */
  private readonly line: WebSocket[] = [];
  private readonly told = new Set<WebSocket>();
  private readonly most: number;
  private fence = 0;
  private hasBegun = false;

  /** @param most So many have it at a time: the first ones get it together. */
  constructor(most: number) {
    this.most = most;
    this.server.on("connection", (socket) => {
      socket.on("message", (message) => (message.toString() === "lock" ? this.wait(socket) : this.leave(socket)));
      socket.on("close", () => this.leave(socket));
    });
  }

  async listen(): Promise<string> {
    await once(this.server, "listening");
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  end(): void {
    this.server.close();
  }

  private wait(socket: WebSocket): void {
    socket.pause();
    this.line.push(socket);
    this.give();
  }

  private leave(socket: WebSocket): void {
    if (this.line.includes(socket)) this.line.splice(this.line.indexOf(socket), 1);
    this.told.delete(socket);
    socket.send("free", () => undefined);
    this.give();
  }

  private give(): void {
    this.hasBegun ||= this.line.length >= this.most;
    if (!this.hasBegun) return;
    for (const socket of this.line.slice(0, this.most)) {
      if (this.told.has(socket)) continue;
      this.told.add(socket);
      this.fence++;
      socket.send(`has ${this.fence}`);
      socket.resume();
    }
  }
}

let record: LockRecord;

beforeEach(() => {
  record = new LockRecord();
});

async function watched(most: number): Promise<string[]> {
  const server = new LockServer(most);
  onTestFinished(() => server.end());
  const watch = new LockWatch(await server.listen());
  // Somebody has just got it, and the others wait.
  await watch.passes();
  return watch.close();
}

test("who gets the lock of one that was closed, before it is closed itself, is not the second one to have it", async () => {
  expect(await watched(1)).toEqual([]);
});

test("a server that gives the lock to two at a time is found out", async () => {
  expect(await watched(2)).toContainEqual(expect.stringMatching(/^rival \d has the lock with fence \d+, and rival \d with \d+$/));
});

test("one after the other, each with a higher fence, is right", () => {
  for (const [rival, fence] of [
    ["a", 5],
    ["b", 7],
    ["a", 8],
  ] as const) {
    record.taken(rival, fence);
    record.left(rival);
  }
  expect([Object.fromEntries(record.takes), record.wrong]).toEqual([{ a: 2, b: 1 }, []]);
});

test("two at a time are told of", () => {
  record.taken("a", 5);
  record.taken("b", 7);
  expect(record.wrong).toEqual(["b has the lock with fence 7, and a with 5"]);
});

test("a fence that was given before, or is lower, is told of", () => {
  record.taken("a", 5);
  record.left("a");
  record.taken("b", 5);
  record.left("b");
  record.taken("c", 4);
  expect(record.wrong).toEqual(["b has the lock with fence 5 behind 5", "c has the lock with fence 4 behind 5"]);
});
