// Whom handlers see behind a proxy, by what the proxy says: without a proxy between, so that anything can be said.

import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { chooseBuild, thisMachine } from "../../gateway/uws/choice.mjs";
import { refusal, TestClient } from "../client.ts";
import { RawClient } from "../raw-client.ts";
import { TestSystem } from "../system.ts";

let system: TestSystem;

afterEach(() => system?.stop());

const headers = { "x-forwarded-for": "198.51.100.1, 192.0.2.7, 10.0.0.2", "x-forwarded-host": "example.com", "x-forwarded-proto": "https" };

/** The address that each of the hooks sees that are told one: onMessage, onUpgrade, onRequest. */
async function seen(): Promise<unknown[]> {
  const message = await TestClient.open(`${system.url}/script/a`, { headers });
  message.send([{ do: "tell" }]);
  const upgrade = await TestClient.open(`${system.url}/gate/let-in?q=q`, { headers, subprotocols: ["v1"] });
  const request = await fetch(`${system.url.replace("ws", "http")}/gate/a`, { headers });
  await Promise.all([message.receives(1), upgrade.receives(1)]);
  for (const client of [message, upgrade]) client.breakOff();
  const [{ ip }, { from }] = [message.values[0], upgrade.values[0]] as [{ ip: string }, { from: string }];
  return [ip, from.split(" ").at(-1), ((await request.json()) as { ip: string }).ip];
}

interface Asked {
  readonly url: string;
  readonly ip: string;
  readonly headers: readonly string[];
}

async function ask(said: Readonly<Record<string, string>>): Promise<Asked> {
  const response = await fetch(`${system.url.replace("ws", "http")}/who-asks`, { headers: said });
  return (await response.json()) as Asked;
}

test("a proxy that is trusted tells who the client is, and what it asked for; what the client itself says is not believed", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8" } });
  expect(await seen()).toEqual(["192.0.2.7", "192.0.2.7", "192.0.2.7"]);
  const expected = { ip: "192.0.2.7", url: "https://example.com/who-asks" };
  const asked = await ask({ ...headers, "x-real-ip": "198.51.100.1", "x-forwarded-port": "1" });
  expect(asked).toMatchObject(expected);
  const told = (name: string) => /forwarded|real-ip/.test(name);
  expect(asked.headers.filter(told).sort()).toEqual(["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
  expect(await ask({ forwarded: 'for="192.0.2.7:80";host=example.com;proto=https' })).toMatchObject(expected);
  // Its page may connect, as the browser has it.
  await (await TestClient.open(`${system.url}/echo`, { headers: { ...headers, origin: "https://example.com" } })).close();
  expect(await refusal(`${system.url}/echo`, { headers: { ...headers, origin: "https://example.org" } })).toMatchObject({ status: 403 });
  const contradicting = { ...headers, forwarded: "for=198.51.100.1" };
  expect(await refusal(`${system.url}/echo`, { headers: contradicting })).toMatchObject({ status: 400 });
  expect((await fetch(`${system.url.replace("ws", "http")}/who-asks`, { headers: contradicting })).status).toBe(400);
});

test("by default nobody is trusted", async () => {
  system = await TestSystem.start();
  expect(await seen()).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  const asked = await ask({ ...headers, forwarded: "for=192.0.2.7", "x-real-ip": "192.0.2.7" });
  expect(asked).toMatchObject({ ip: "127.0.0.1", url: `http://127.0.0.1:${system.port}/who-asks` });
  expect(asked.headers.filter((name) => /forwarded|real-ip/.test(name))).toEqual([]);
});

/** Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, 2.2: TCP over IPv4. */
function proxyHeader(address: string): Buffer {
  const addresses = Buffer.from([...address.split(".").map(Number), 127, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb]);
  return Buffer.concat([Buffer.from("0d0a0d0a000d0a515549540a2111000c", "hex"), addresses]);
}

const request = Buffer.from("GET /who-asks HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n");

/** Each part is sent once the request before it has been answered. @returns whom the handler saw. */
async function askRaw(...parts: readonly Buffer[]): Promise<string[]> {
  const answers = () => client.received.toString().match(/"ip":"[^"]*"/g) ?? [];
  const client = await RawClient.send(system.url, parts[0] ?? "");
  for (const [index] of parts.entries()) {
    while (answers().length <= index) await once(client.socket, "data");
    const next = parts[index + 1];
    if (next !== undefined) client.socket.write(next);
  }
  client.socket.destroy();
  return answers().map((text) => text.slice(6, -1));
}

const build = chooseBuild(thisMachine());
const isNew = typeof build === "object" && build.version !== "20.30";
const asked = Buffer.concat([proxyHeader("192.0.2.7"), request]);

test.runIf(isNew)("a PROXY header of version 2 is believed from trusted proxies, and nothing that follows it", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "127.0.0.1" } });
  expect(await askRaw(asked, request, Buffer.concat([proxyHeader("198.51.100.1"), request]))).toEqual(Array(3).fill("192.0.2.7"));
  const upgrade = await RawClient.send(system.url, Buffer.concat([proxyHeader("192.0.2.7"), upgradeTo("/script/proxied")]));
  while (!upgrade.received.includes("\r\n\r\n")) await once(upgrade.socket, "data");
  upgrade.text([{ do: "tell" }]);
  while (!upgrade.received.includes('"ip":"192.0.2.7"')) await once(upgrade.socket, "data");
  upgrade.end();
});

test.runIf(isNew)("a PROXY header is not believed from others", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "10.0.0.1" } });
  expect(await askRaw(asked)).toEqual(["127.0.0.1"]);
});

test.skipIf(isNew)("20.30 lets a later PROXY header replace an earlier one, so who comes with one is refused", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "127.0.0.1" } });
  for (const head of [request, upgradeTo("/echo")]) {
    const answer = await RawClient.untilClosed(system.url, Buffer.concat([proxyHeader("192.0.2.7"), head]));
    expect(answer).toContain("HTTP/1.1 400 ");
    expect(answer).toContain("PROXY protocol");
  }
});

test("version 1 of the PROXY protocol is not served", async () => {
  system = await TestSystem.start({ environment: { TRUSTED_PROXIES: "127.0.0.1" } });
  const client = await RawClient.send(system.url, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\nGET /who-asks HTTP/1.1\r\nHost: h\r\n\r\n");
  // 20.30 says nothing until it closes, 20.69 says 505.
  await client.closed();
  expect(client.received.toString()).not.toContain("192.0.2.7");
});

function upgradeTo(path: string): Buffer {
  const lines = [`GET ${path} HTTP/1.1`, "Host: h", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  return Buffer.from([...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""].join("\r\n"));
}
