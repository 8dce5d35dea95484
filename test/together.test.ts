// Frames that belong together on a running system: nothing comes between them, whoever else sends and publishes, from whatever gateway.

import { afterEach, expect, test } from "vitest";
import type { TestClient } from "./client.ts";
import type { Wish } from "./handlers/basic/files.ts";
import { openOnBoth } from "./on-both-gateways.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

async function idOf(client: TestClient): Promise<string> {
  await client.receives(1);
  return (client.values[0] as { in: string }).in;
}

/** The headers that a client got, each with all that belongs to it directly behind it. */
function wholeOf({ received }: TestClient): Wish[] {
  const whole: Wish[] = [];
  for (let index = 0; index < received.length; index++) {
    const header = JSON.parse(String(received[index])) as Wish;
    if (!("sizes" in header)) continue;
    for (const bytes of header.sizes) {
      const frame = received[++index];
      // Not with toEqual, which takes a minute for all of them.
      const isIts = typeof frame === "object" && frame.equals(Buffer.alloc(bytes, header.from));
      expect(isIts, `${bytes} bytes behind ${JSON.stringify(header)}, not ${String(frame).slice(0, 100)}`).toBe(true);
    }
    whole.push(header);
  }
  return whole;
}

// Of all sizes that uWebSockets.js treats differently.
const sizes = [0, 10, 20_000, 1_000, 17_000];
const rounds = 40;

/** What app.* does happens at most once where something is killed meanwhile: only before and behind. */
function wayOf(from: number, number: number): Wish["by"] {
  const ways = ["publish", "except", "app", "send", "user"] as const;
  return ways[(from + number) % (number < 15 || number >= 30 ? 5 : 2)] ?? "publish";
}

/** Its own message with this number has had its turn. */
function hasDone(client: TestClient, from: number, number: number): boolean {
  return number < 0 || client.received.includes(JSON.stringify({ single: number, from }));
}

/** How many headers this one gets. */
function expected(own: number, clients: number): number {
  const all = Array.from({ length: clients * rounds }, (_, index) => ({ from: index % clients, number: Math.floor(index / clients) }));
  return all.filter(({ from, number }) => {
    const by = wayOf(from, number);
    return by === "send" ? from === own : by !== "except" || from !== own;
  }).length;
}

test("each header has its frames behind it at every client, also after a worker and NATS were killed", async () => {
  system = await TestSystem.start({ gateways: 2, workers: 2 });
  system.keepWorkers();
  const clients = await openOnBoth(`${system.url}/files/a`, 6, idOf);
  for (let number = 0; number < rounds; number++) {
    const done = number - ([15, 30].includes(number) ? 1 : 8);
    await Promise.all(clients.map((client, from) => client.until(() => hasDone(client, from, done), `${done} is done`)));
    for (const [from, client] of clients.entries()) {
      client.send({ from, number, by: wayOf(from, number), sizes: sizes.slice((from + number) % sizes.length) });
    }
    if (number === 18) await system.live("worker")[0]?.end("SIGKILL");
    if (number === 23) await system.restartNats();
  }
  for (const [own, client] of clients.entries()) {
    const count = expected(own, clients.length);
    await client.until(() => client.received.filter(isHeader).length >= count && hasDone(client, own, rounds - 1), `${count} headers`);
    await client.until(() => isWhole(client), "the last one is whole");
    const keys = wholeOf(client).map(({ from, number }) => `${from} ${number}`);
    expect([keys.length, new Set(keys).size], "none is missing, none comes twice").toEqual([count, count]);
  }
  await Promise.all(clients.map((client) => client.close()));
});

function isHeader(frame: string | Buffer): boolean {
  return typeof frame === "string" && frame.includes('"sizes"');
}

/** All that belongs to its last header has come. */
function isWhole({ received }: TestClient): boolean {
  const last = received.findLastIndex(isHeader);
  return last < 0 || received.length > last + (JSON.parse(String(received[last])) as Wish).sizes.length;
}
