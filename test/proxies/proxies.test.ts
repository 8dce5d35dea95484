// thinstate behind each of the proxies that docs/proxies has a configuration for, started with exactly that file.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl } from "../certificate.ts";
import { refusal } from "../client.ts";
import type { Step } from "../handlers/basic/script.ts";
import { startNats } from "../nats.ts";
import { TestSystem } from "../system.ts";
import { kinds, missingFor } from "./kinds.ts";
import { ProxyLoad } from "./load.ts";
import { clientAddress, RunningProxy } from "./running-proxy.ts";

const mebibyte = 1024 * 1024;

/** A proxy's time-out is 75 s in the files, and IDLE_TIMEOUT_MS 45 s by default: here both are shorter. */
const idleSeconds = 16;
const idleTimeoutMs = 8_000;

/** With which HAProxy, Apache and Caddy wait; nginx waits 20 s. */
const shortestWaitMs = 18_000;

// Linux: there, each address of 127.0.0.0/8 is loopback.
const missing = process.platform === "linux" ? (hasOpenssl ? undefined : "openssl") : "Linux";
const installed = kinds.filter((kind) => missingFor(kind).length === 0);
const lacking = kinds.filter((kind) => !installed.includes(kind));
const packages = [...new Set(lacking.flatMap(missingFor))].join(" ");
if (lacking.length > 0) {
  process.stderr.write(`SKIPPED: proxies that are not installed are not tested: apt-get install --no-install-recommends ${packages}\n`);
  test.skip.each(lacking.map(({ name }) => name))(`%s (needs ${packages})`, () => undefined);
}

let system: TestSystem;
let site: Server;
let folder: string;
const proxies = new Map<string, RunningProxy>();

function proxyOf(name: string): RunningProxy {
  const proxy = proxies.get(name);
  if (proxy === undefined) throw new Error(`${name} does not run`);
  return proxy;
}

describe.skipIf(missing !== undefined || installed.length === 0)(
  `behind proxies${missing === undefined ? "" : ` (needs ${missing})`}`,
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "thinstate-proxies-"));
      const natsFile = join(folder, "nats.conf");
      writeFileSync(natsFile, `max_payload: ${8 * mebibyte}\n`);
      const environment = {
        TRUSTED_PROXIES: "127.0.0.1",
        IDLE_TIMEOUT_MS: String(idleTimeoutMs),
        MESSAGE_BYTES: String(mebibyte),
      };
      system = await TestSystem.start({ environment, nats: await startNats(0, ["-c", natsFile]) });
      site = createServer((_request, response) => response.end("the main site"));
      await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
      const { port } = site.address() as AddressInfo;
      for (const kind of installed) {
        proxies.set(kind.name, await RunningProxy.start({ kind, folder, gateway: system.port, site: port, idleSeconds }));
      }
    });

    afterAll(async () => {
      for (const proxy of proxies.values()) await proxy.stop();
      site?.close();
      await system?.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    describe.each(installed.map(({ name }) => name))("%s", (name) => {
      test.each([
        ["ws.example.com", "/echo"],
        ["example.com", "/ws/echo"],
      ])("%s%s echoes, also 1 MiB", async (host, path) => {
        const client = await proxyOf(name).connect(path, {}, host);
        const large = Buffer.alloc(mebibyte, "large");
        client.send("small");
        client.send(large);
        await client.receives(2);
        expect(client.received[0]).toBe("small");
        expect(large.equals(client.received[1] as Buffer)).toBe(true);
        await client.close(4000, "done");
        expect(client.closed).toEqual({ code: 4000, reason: "done" });
      });

      test("the members of a chat hear each other, whichever way they came", async () => {
        const proxy = proxyOf(name);
        const ada = await proxy.connect("/script/chat");
        const bob = await proxy.connect("/ws/script/chat", {}, "example.com");
        const join: Step[] = [
          { do: "subscribe", topic: `chat:${name}` },
          { do: "send", data: "joined" },
        ];
        for (const member of [ada, bob]) {
          member.send(join);
          await member.receives(1);
        }
        ada.send([{ do: "publish", topic: `chat:${name}`, data: "hello" }] satisfies Step[]);
        await bob.receives(2);
        bob.send([{ do: "publish", topic: `chat:${name}`, data: "hello, too" }] satisfies Step[]);
        await ada.receives(2);
        expect([ada.received[1], bob.received[1]]).toEqual(["hello, too", "hello"]);
        await Promise.all([ada.close(), bob.close()]);
      });

      test("pages of the host that the browser knows may connect, others not", async () => {
        const proxy = proxyOf(name);
        const origin = `https://ws.example.com:${proxy.https}`;
        await (await proxy.connect("/echo", { origin })).close();
        const refused = await refusal(proxy.url("ws.example.com", "/echo"), proxy.options({ origin: "https://evil.example" }));
        expect(refused.status).toBe(403);
      });

      test("handlers see the client's address, and the URL that it asked for", async () => {
        const proxy = proxyOf(name);
        const client = await proxy.connect("/script/address");
        client.send([{ do: "tell" }] satisfies Step[]);
        await client.receives(1);
        expect(client.values).toMatchObject([{ ip: clientAddress }]);
        await client.close();
        const { body } = await proxy.ask("ws.example.com", "/who-asks?q=1");
        expect(JSON.parse(body)).toMatchObject({ ip: clientAddress, url: `https://ws.example.com:${proxy.https}/who-asks?q=1` });
      });

      test.each<[string, Record<string, string>]>([
        ["X-Forwarded-For", { "x-forwarded-for": "198.51.100.1" }],
        ["Forwarded", { forwarded: "for=198.51.100.1;host=evil.example;proto=http" }],
        ["a Forwarded that is malformed", { forwarded: 'for="198.51.100.1' }],
        [
          "all of them",
          { "x-forwarded-for": "198.51.100.1, 127.0.0.1", forwarded: "for=198.51.100.1, for=127.0.0.1", "x-real-ip": "198.51.100.1" },
        ],
        ["another host and scheme", { "x-forwarded-host": "evil.example", "x-forwarded-proto": "http" }],
      ])("a client that sends %s of its own is seen as what it is", async (_, forged) => {
        const proxy = proxyOf(name);
        const { body } = await proxy.ask("ws.example.com", "/who-asks", forged);
        expect(JSON.parse(body)).toMatchObject({ ip: clientAddress, url: `https://ws.example.com:${proxy.https}/who-asks` });
        const client = await proxy.connect("/script/forged", forged);
        client.send([{ do: "tell" }] satisfies Step[]);
        await client.receives(1);
        expect(client.values).toMatchObject([{ ip: clientAddress }]);
        await client.close();
      });

      test.each([
        ["version 1", Buffer.from("PROXY TCP4 198.51.100.1 127.0.0.1 4711 443\r\n")],
        ["version 2", Buffer.from("0d0a0d0a000d0a515549540a2111000cc63364017f000001126701bb", "hex")],
      ])("a client that begins with a PROXY header, %s, is not let in", async (_, header) => {
        const proxy = proxyOf(name);
        expect(await upgradeBehind(header, proxy)).not.toContain(" 101 ");
      });

      test("port 80 leads to https, and the rest of the main site is not thinstate's", async () => {
        const proxy = proxyOf(name);
        const { status, location } = await askPlain(proxy.http);
        expect([301, 308]).toContain(status);
        expect(location).toMatch(/^https:\/\/example\.com(:\d+)?\/page\?q=1$/);
        expect(await proxy.ask("example.com", "/")).toEqual({ status: 200, body: "the main site" });
      });
    });

    test("who is silent for longer than a proxy's time-out stays connected", async () => {
      const ages = await Promise.all([...proxies.values()].map(staySilent));
      expect(ages).toEqual(ages.map(() => "stayed"));
    });

    test("a deploy under load disconnects nobody, and loses nothing", async () => {
      const loads = [...proxies.values()].map((proxy) => new ProxyLoad(proxy));
      for (const load of loads) await load.stay();
      for (const load of loads) load.visit();
      await Promise.all(loads.map((load) => load.goesOn()));
      await system.deploy("2");
      await Promise.all(loads.map((load) => load.goesOn()));
      await Promise.all(loads.map((load) => load.end()));
      expect(faultsOf(loads)).toEqual({});
    });

    test("while the only gateway is replaced, those who come wait, and see no error", async ({ skip }) => {
      const loads = [...proxies.values()].map((proxy) => new ProxyLoad(proxy, proxy.kind.forgiven));
      for (const load of loads) load.visit();
      await Promise.all(loads.map((load) => load.goesOn()));
      const before = system.gatewayHellos.map(({ id }) => id);
      const since = performance.now();
      await Promise.all(system.live("gateway").map((gateway) => gateway.end()));
      system.startGateway();
      await system.until(() => system.gatewayHellos.some(({ id, serving }) => serving && !before.includes(id)), "another gateway serves");
      const awayMs = performance.now() - since;
      await Promise.all(loads.map((load) => load.goesOn()));
      await Promise.all(loads.map((load) => load.end()));
      skip(awayMs > shortestWaitMs, `this machine is too busy: without a gateway for ${Math.round(awayMs)} ms`);
      expect(faultsOf(loads)).toEqual({});
    });
  },
);

/** By proxy, of those that have some. */
function faultsOf(loads: readonly ProxyLoad[]): Record<string, readonly string[]> {
  return Object.fromEntries(loads.filter(({ faults }) => faults.length > 0).map(({ faults, proxy }) => [proxy.kind.name, faults]));
}

/** Sends nothing, and waits for pings until a proxy would long have given up. */
async function staySilent(proxy: RunningProxy): Promise<string> {
  const client = await proxy.connect();
  const since = performance.now();
  let age = 0;
  client.socket.on("ping", () => {
    age = performance.now() - since;
  });
  while (client.closed === undefined && age < (idleSeconds + 1) * 1_000)
    await Promise.race([nextEvent(client, "ping"), nextEvent(client, "close")]);
  if (client.closed !== undefined) return `${proxy.kind.name} closed it after ${Math.round(performance.now() - since)} ms`;
  client.send("still here");
  await client.receives(1);
  await client.close();
  return "stayed";
}

function nextEvent({ socket }: { readonly socket: { once(event: string, listener: () => void): unknown } }, event: string): Promise<void> {
  return new Promise((resolve) => socket.once(event, resolve));
}

/** @returns all that comes until the proxy closes, or a whole head. */
function upgradeBehind(header: Buffer, { https }: RunningProxy): Promise<string> {
  const lines = ["GET /echo HTTP/1.1", "Host: ws.example.com", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const upgrade = [...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""].join("\r\n");
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: https, servername: "ws.example.com", rejectUnauthorized: false };
    const socket = connectTls(options, () => {
      socket.write(Buffer.concat([header, Buffer.from(upgrade)]));
    });
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve(text) : reject(error)));
    socket.on("close", () => resolve(text));
  });
}

function askPlain(port: number): Promise<{ readonly status: number; readonly location: string }> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain(port, "127.0.0.1", () =>
      socket.write("GET /page?q=1 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"),
    );
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => {
      const location = /^location: (.*)\r$/im.exec(text)?.[1] ?? "";
      resolve({ status: Number(text.split(" ")[1]), location });
    });
  });
}
