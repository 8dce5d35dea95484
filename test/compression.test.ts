// permessage-deflate (RFC 7692) on a running system: what it saves, and that nobody can blow up a gateway with it.

import { once } from "node:events";
import { constants, deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

const mebibyte = 1024 * 1024;
const messageBytes = 262_144;

let system: TestSystem;

/** Upgrades as a client that can inflate. Resolves when it has been let in. */
async function deflating(path: string): Promise<RawClient> {
  const lines = ["Host: h", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const offer = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: permessage-deflate"];
  const client = await RawClient.send(system.url, [`GET ${path} HTTP/1.1`, ...lines, ...offer, "", ""].join("\r\n"));
  while (!client.received.includes("\r\n\r\n")) await once(client.socket, "data");
  return client;
}

/** RFC 7692, 7.2.1: without the last four bytes of a flush. */
function bomb(bytes: number): Buffer {
  return deflateRawSync(Buffer.alloc(bytes, " "), { level: 9, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

describe("with COMPRESSION=on", () => {
  beforeAll(async () => {
    system = await TestSystem.start({ environment: { COMPRESSION: "on" } });
  });
  afterAll(() => system.stop());

  test("what a client sends and gets is the same, and takes less", async () => {
    const client = await TestClient.open(`${system.url}/echo`);
    expect(client.socket.extensions).toContain("permessage-deflate");
    const texts = ["", "short", "x".repeat(1_023), "y".repeat(1_024), "grüße ".repeat(20_000), "z".repeat(messageBytes)];
    for (const text of texts) client.send(text);
    await client.receives(texts.length);
    expect(client.received).toEqual(texts);
    await client.close();

    const raw = await deflating("/echo");
    raw.received = Buffer.alloc(0);
    raw.text("a".repeat(10_000));
    await once(raw.socket, "data");
    // FIN, RSV1, text.
    expect(raw.received[0]).toBe(0xc1);
    expect(raw.received[1]).toBeLessThan(126);
    raw.socket.destroy();
  });

  test("publishes are compressed for those who can read it, and not for others", async () => {
    const [publisher, reader, other] = await Promise.all([
      TestClient.open(`${system.url}/script/a`),
      deflating("/script/a"),
      RawClient.open(system.url, "/script/a"),
    ]);
    for (const client of [reader, other]) {
      client.text([
        { do: "subscribe", topic: "t" },
        { do: "send", data: "ready" },
      ]);
      while (!client.received.includes("ready")) await once(client.socket, "data");
      client.received = Buffer.alloc(0);
    }
    const data = "news ".repeat(2_000);
    publisher.send([
      { do: "subscribe", topic: "t" },
      { do: "publish", topic: "t", data, self: true },
    ]);
    await publisher.receives(1);
    expect(publisher.received).toEqual([data]);
    while (!other.received.includes(data)) await once(other.socket, "data");
    while (reader.received.length === 0) await once(reader.socket, "data");
    // FIN, RSV1, text.
    expect(reader.received[0]).toBe(0xc1);
    expect(reader.received.length).toBeLessThan(data.length / 10);
    for (const { socket } of [reader, other]) socket.destroy();
    await publisher.close();
  });

  test("MESSAGE_BYTES counts what a message inflates to", async () => {
    const client = await TestClient.open(`${system.url}/echo`);
    client.send(" ".repeat(messageBytes + 1));
    expect(await client.closes()).toEqual({ code: 1009, reason: "message.tooLarge" });
  });

  test("a bomb ends its sender, in one frame or in many, and takes no memory; others notice nothing", async () => {
    const victim = await TestClient.open(`${system.url}/echo`);
    const payload = bomb(48 * mebibyte);
    // What a frame of a client may have: it would be refused for its size alone otherwise.
    expect(payload.length).toBeLessThan(messageBytes);
    const before = (await system.status()).memory as number;
    for (let count = 0; count < 20; count++) {
      const attacker = await deflating("/echo");
      attacker.frames(0x41, payload, count % 2 === 0 ? payload.length : 1_000);
      await attacker.closed();
      victim.send(`still here ${count}`);
      await victim.receives(count + 1);
    }
    const grown = ((await system.status()).memory as number) - before;
    expect(grown).toBeLessThan(24 * mebibyte);
    expect(victim.received).toHaveLength(20);
    await victim.close();
  });

  test("what is no deflated data ends its sender", async () => {
    const attacker = await deflating("/echo");
    attacker.frames(0x41, Buffer.alloc(100, 0xff), 100);
    await attacker.closed();
  });
});

test("by default nothing is compressed, whatever a client offers", async () => {
  system = await TestSystem.start();
  try {
    const client = await TestClient.open(`${system.url}/echo`);
    expect(client.socket.extensions).toBe("");
    client.send("x".repeat(10_000));
    await client.receives(1);
    await client.close();
    // RSV1 without the extension: RFC 6455, 5.2.
    const attacker = await deflating("/echo");
    attacker.frames(0x41, bomb(mebibyte), 100_000);
    await attacker.closed();
  } finally {
    await system.stop();
  }
});
